"""The OpenVINO layers that ``bmis export`` writes, with the attributes that it gives them."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from bmis.bundle.operators import indices, layers, shapes
from bmis.bundle.operators.openvino_rules import RULES, TYPES
from bmis.bundle.operators.values import (
    Check,
    Operator,
    Rule,
    one_of,
    real,
    whole,
    wholes,
)

_SIDE = 1024  # of a kernel, its steps and the empty pixels around a map
_TRUTH = one_of("true", "false")
_NO_PADS = one_of("0, 0, 0, 0", "0", "0,0,0,0")
_NUMPY: Mapping[str, Check] = {"auto_broadcast": one_of("numpy")}
_PLACES: dict[str, Check] = {
    "strides": wholes(1, _SIDE, count=2),
    "pads_begin": wholes(0, _SIDE, count=2),
    "pads_end": wholes(0, _SIDE, count=2),
    "auto_pad": one_of("explicit"),
}
_CONV = Operator(
    RULES["Convolution"],
    (2, 2),
    {**_PLACES, "dilations": wholes(1, _SIDE, count=2)},
    "opset1",
    layers.convolution_work,
)
_POOL: dict[str, Check] = {
    **_PLACES,
    "kernel": wholes(1, _SIDE, count=2),
    "rounding_type": one_of("floor", "ceil"),
}
_INTERPOLATE: dict[str, Check] = {
    "mode": one_of("nearest", "linear_onnx", "cubic"),
    "shape_calculation_mode": one_of("scales", "sizes"),
    "coordinate_transformation_mode": one_of(
        "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"
    ),
    "nearest_mode": one_of("floor", "round_prefer_floor"),
    "antialias": _TRUTH,
    "pads_begin": _NO_PADS,
    "pads_end": _NO_PADS,
    "cube_coeff": real(-1, 0),
}


def _pointwise(
    names: Mapping[str, Any], inputs: int, kind: str = "", attributes: Mapping[str, Check] = _NUMPY
) -> dict[str, Operator]:
    return {
        name: Operator(shapes.elementwise(function, kind), (inputs, inputs), attributes, "opset1")
        for name, function in names.items()
    }


def _plain(rule: Rule, names: Mapping[str, str]) -> dict[str, Operator]:
    """Operators of one input without attributes, by name, each with its version."""
    return {name: Operator(rule, (1, 1), {}, version) for name, version in names.items()}


_UNARY = {"Abs": np.abs, "Floor": np.floor, "Negative": np.negative, "Sign": np.sign}
_BINARY = {
    **{"Add": np.add, "Subtract": np.subtract, "Multiply": np.multiply},
    **{"Maximum": np.maximum, "Minimum": np.minimum},
}
OPERATORS: Final[Mapping[str, Operator]] = {
    **_pointwise(_UNARY, 1, attributes={}),
    **_pointwise(_BINARY, 2),
    **_pointwise(
        {
            "Equal": np.equal,
            "Greater": np.greater,
            "Less": np.less,
            "GreaterEqual": np.greater_equal,
        },
        2,
        "bool",
    ),
    **_pointwise({"LogicalAnd": np.logical_and}, 2, "bool"),
    **_pointwise({"LogicalNot": np.logical_not}, 1, "bool", {}),
    **_pointwise({"Select": np.where}, 3),
    **_plain(layers.like_first, dict.fromkeys(("Erf", "Exp", "Log", "ReLU", "Sigmoid"), "opset1")),
    **_plain(layers.like_first, {"HSwish": "opset4"}),
    "HardSigmoid": Operator(RULES["HardSigmoid"], (3, 3), {}, "opset1"),
    "PReLU": Operator(RULES["PReLU"], (2, 2), {}, "opset1"),
    "Clamp": Operator(
        layers.like_first, (1, 1), dict.fromkeys(("min", "max"), real(-1e38, 1e38)), "opset1"
    ),
    "Divide": Operator(
        shapes.divided(shapes.floor_quotient),
        (2, 2),
        {**_NUMPY, "m_pythondiv": one_of("true")},
        "opset1",
    ),
    "FloorMod": Operator(shapes.divided(np.mod), (2, 2), _NUMPY, "opset1"),
    "Convert": Operator(RULES["Convert"], (1, 1), {"destination_type": one_of(*TYPES)}, "opset1"),
    **dict.fromkeys(("Convolution", "GroupConvolution"), _CONV),
    "MaxPool": Operator(
        RULES["MaxPool"],
        (1, 1),
        {
            **_POOL,
            "dilations": wholes(1, _SIDE, count=2),
            "index_element_type": one_of("i64"),
            "axis": one_of("0"),
        },
        "opset8",
        layers.window_work,
    ),
    "AvgPool": Operator(
        RULES["AvgPool"], (1, 1), {**_POOL, "exclude-pad": _TRUTH}, "opset1", layers.window_work
    ),
    "MatMul": Operator(
        RULES["MatMul"],
        (2, 2),
        dict.fromkeys(("transpose_a", "transpose_b"), _TRUTH),
        "opset1",
        layers.product_work,
    ),
    "SoftMax": Operator(RULES["SoftMax"], (1, 1), {"axis": whole(-8, 7)}, "opset8"),
    "MVN": Operator(
        RULES["MVN"],
        (2, 2),
        {
            "eps": real(0, 1),
            "normalize_variance": one_of("true"),
            "eps_mode": one_of("INSIDE_SQRT"),
        },
        "opset6",
    ),
    **dict.fromkeys(
        ("ReduceMax", "ReduceMean", "ReduceSum"),
        Operator(RULES["Reduce"], (2, 2), {"keep_dims": _TRUTH}, "opset1"),
    ),
    "FakeQuantize": Operator(
        RULES["FakeQuantize"], (5, 5), {**_NUMPY, "levels": whole(2, 256)}, "opset1"
    ),
    "Interpolate": Operator(RULES["Interpolate"], (2, 3), _INTERPOLATE, "opset11"),
    "Pad": Operator(
        RULES["Pad"], (3, 4), {"pad_mode": one_of("constant", "edge", "reflect")}, "opset12"
    ),
    "Einsum": Operator(
        layers.summed,
        (2, 2),
        {"equation": one_of(*layers.EQUATIONS)},
        "opset7",
        layers.summed_work,
    ),
    "DepthToSpace": Operator(
        lambda n, inputs: layers.depth_to_space(
            shapes.need(inputs[0])[0], n.attributes["block_size"]
        ),
        (1, 1),
        {"block_size": whole(1, 64), "mode": one_of("depth_first")},
        "opset1",
    ),
    "ShapeOf": Operator(RULES["ShapeOf"], (1, 1), {"output_type": one_of("i64")}, "opset3"),
    "Reshape": Operator(RULES["Reshape"], (2, 2), {"special_zero": _TRUTH}, "opset1"),
    "Squeeze": Operator(RULES["Squeeze"], (1, 2), {}, "opset1"),
    "Unsqueeze": Operator(shapes.with_axes(shapes.unsqueezed), (2, 2), {}, "opset1"),
    "Transpose": Operator(shapes.with_axes(shapes.transposed), (2, 2), {}, "opset1"),
    "Broadcast": Operator(
        RULES["Broadcast"], (2, 2), {"mode": one_of("numpy", "bidirectional")}, "opset3"
    ),
    "Concat": Operator(
        lambda n, inputs: shapes.joined(inputs, n.attributes["axis"]),
        (1, 4096),
        {"axis": whole(-8, 7)},
        "opset1",
    ),
    "Split": Operator(RULES["Split"], (2, 2), {"num_splits": whole(1, 4096)}, "opset1"),
    "VariadicSplit": Operator(RULES["VariadicSplit"], (3, 3), {}, "opset1"),
    "Slice": Operator(RULES["Slice"], (4, 5), {}, "opset8"),
    "Gather": Operator(RULES["Gather"], (3, 3), {"batch_dims": one_of("0")}, "opset8"),
    "GatherND": Operator(
        lambda _, inputs: indices.gathered_nd(*shapes.need(*inputs)),
        (2, 2),
        {"batch_dims": one_of("0")},
        "opset8",
    ),
    "ScatterNDUpdate": Operator(
        lambda _, inputs: indices.scattered_nd(*shapes.need(*inputs)),
        (3, 3),
        {"reduction": one_of("none")},
        "opset15",
    ),
    "Range": Operator(
        lambda _, inputs: indices.counted(inputs), (3, 3), {"output_type": one_of("i64")}, "opset4"
    ),
}
