"""The ONNX operators that ``bmis export`` writes, with the attributes that it gives them."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from bmis.bundle.operators import indices, layers, shapes
from bmis.bundle.operators.onnx_rules import RULES, TYPES
from bmis.bundle.operators.values import (
    Check,
    Operator,
    one_of,
    real,
    whole,
    wholes,
)

_SIDE = 1024  # of a kernel, its steps and the empty pixels around a map
_AXIS = whole(-8, 7)
_FLAG = one_of(0, 1)
_PLACES: dict[str, Check] = {
    "auto_pad": one_of("NOTSET"),
    "kernel_shape": wholes(1, _SIDE, count=2),
    "strides": wholes(1, _SIDE, count=2),
    "dilations": wholes(1, _SIDE, count=2),
    "pads": wholes(0, _SIDE, count=4),
}
_RESIZE: dict[str, Check] = {
    "mode": one_of("nearest", "linear", "cubic"),
    "coordinate_transformation_mode": one_of(
        "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"
    ),
    "nearest_mode": one_of("floor", "round_prefer_floor"),
    "cubic_coeff_a": real(-1, 0),
    "extrapolation_value": one_of(0.0),
    "keep_aspect_ratio_policy": one_of("stretch"),
    **dict.fromkeys(("antialias", "exclude_outside"), _FLAG),
}


def _pointwise(names: Mapping[str, Any], inputs: int, kind: str = "") -> dict[str, Operator]:
    return {
        name: Operator(shapes.elementwise(function, kind), (inputs, inputs))
        for name, function in names.items()
    }


_REDUCTIONS = ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceLogSumExp")
OPERATORS: Final[Mapping[str, Operator]] = {
    **_pointwise({"Abs": np.abs, "Floor": np.floor, "Neg": np.negative, "Sign": np.sign}, 1),
    **_pointwise(
        {
            "Add": np.add,
            "Sub": np.subtract,
            "Mul": np.multiply,
            "Max": np.maximum,
            "Min": np.minimum,
        },
        2,
    ),
    **_pointwise(
        {
            "Equal": np.equal,
            "Greater": np.greater,
            "Less": np.less,
            "GreaterOrEqual": np.greater_equal,
        },
        2,
        "bool",
    ),
    **_pointwise({"And": np.logical_and}, 2, "bool"),
    **_pointwise({"Not": np.logical_not}, 1, "bool"),
    **_pointwise({"Where": np.where}, 3),
    **dict.fromkeys(("Erf", "HardSwish", "Relu", "Sigmoid"), Operator(layers.like_first, (1, 1))),
    "Clip": Operator(layers.like_first, (1, 3)),
    "HardSigmoid": Operator(layers.like_first, (1, 1), {"alpha": real(0, 1), "beta": real(0, 1)}),
    "LeakyRelu": Operator(layers.like_first, (1, 1), {"alpha": real(0, 1)}),
    "PRelu": Operator(RULES["PRelu"], (2, 2)),
    "Div": Operator(shapes.divided(shapes.quotient), (2, 2)),
    "Mod": Operator(shapes.divided(np.mod), (2, 2), {"fmod": one_of(0)}),
    "Cast": Operator(RULES["Cast"], (1, 1), {"to": one_of(*TYPES)}),
    "Conv": Operator(
        RULES["Conv"], (2, 3), {**_PLACES, "group": whole(1, 2**16)}, work=layers.convolution_work
    ),
    "MaxPool": Operator(
        RULES["MaxPool"],
        (1, 1),
        {**_PLACES, "ceil_mode": _FLAG, "storage_order": one_of(0)},
        work=layers.window_work,
    ),
    "AveragePool": Operator(
        RULES["AveragePool"],
        (1, 1),
        {**_PLACES, "ceil_mode": _FLAG, "count_include_pad": _FLAG},
        work=layers.window_work,
    ),
    "MatMul": Operator(
        lambda _, inputs: layers.product(*shapes.need(*inputs)),
        (2, 2),
        work=layers.product_work,
    ),
    "Gemm": Operator(
        RULES["Gemm"],
        (2, 3),
        {"transA": _FLAG, "transB": _FLAG, "alpha": one_of(1.0), "beta": one_of(1.0)},
        work=layers.product_work,
    ),
    "Softmax": Operator(RULES["Softmax"], (1, 1), {"axis": _AXIS}),
    "LayerNormalization": Operator(
        RULES["LayerNormalization"],
        (2, 3),
        {"axis": _AXIS, "epsilon": real(0, 1), "stash_type": one_of(1)},
    ),
    "InstanceNormalization": Operator(
        RULES["InstanceNormalization"], (3, 3), {"epsilon": real(0, 1)}
    ),
    **dict.fromkeys(
        _REDUCTIONS,
        Operator(RULES["Reduce"], (1, 2), {"keepdims": _FLAG, "noop_with_empty_axes": one_of(0)}),
    ),
    "Resize": Operator(RULES["Resize"], (3, 4), _RESIZE),
    "Pad": Operator(RULES["Pad"], (2, 4), {"mode": one_of("constant", "edge", "reflect")}),
    "Einsum": Operator(
        layers.summed, (2, 2), {"equation": one_of(*layers.EQUATIONS)}, work=layers.summed_work
    ),
    "DepthToSpace": Operator(
        lambda n, inputs: layers.depth_to_space(
            shapes.need(inputs[0])[0], n.attributes["blocksize"]
        ),
        (1, 1),
        {"blocksize": whole(1, 64), "mode": one_of("CRD")},
    ),
    "Shape": Operator(RULES["Shape"], (1, 1), {"start": whole(-8, 8), "end": whole(-8, 8)}),
    "Reshape": Operator(RULES["Reshape"], (2, 2), {"allowzero": _FLAG}),
    "Squeeze": Operator(RULES["Squeeze"], (1, 2)),
    "Unsqueeze": Operator(shapes.with_axes(shapes.unsqueezed), (2, 2)),
    "Expand": Operator(shapes.with_axes(shapes.expanded), (2, 2)),
    "Transpose": Operator(
        lambda n, inputs: shapes.transposed(shapes.need(inputs[0])[0], n.attributes["perm"]),
        (1, 1),
        {"perm": wholes(0, 7)},
    ),
    "Concat": Operator(
        lambda n, inputs: shapes.joined(inputs, n.attributes["axis"]), (1, 4096), {"axis": _AXIS}
    ),
    "Split": Operator(RULES["Split"], (1, 2), {"axis": _AXIS, "num_outputs": whole(1, 4096)}),
    "Slice": Operator(lambda _, inputs: indices.sliced(inputs), (3, 5)),
    "Gather": Operator(RULES["Gather"], (2, 2), {"axis": _AXIS}),
    "GatherND": Operator(
        lambda _, inputs: indices.gathered_nd(*shapes.need(*inputs)),
        (2, 2),
        {"batch_dims": one_of(0)},
    ),
    "ScatterND": Operator(
        lambda _, inputs: indices.scattered_nd(*shapes.need(*inputs)),
        (3, 3),
        {"reduction": one_of("none")},
    ),
    "Range": Operator(lambda _, inputs: indices.counted(inputs), (3, 3)),
    "QuantizeLinear": Operator(RULES["QuantizeLinear"], (2, 3), {"axis": _AXIS}),
    "DequantizeLinear": Operator(RULES["DequantizeLinear"], (2, 3), {"axis": _AXIS}),
}
