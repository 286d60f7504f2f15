"""The ncnn layers that ``bmis export`` writes, with the parameters that it gives them.

A parameter has a number as its name, as in ncnn's own list of operators.
"""

from collections.abc import Mapping
from typing import Any, Final

from bmis.bundle.operators import layers
from bmis.bundle.operators.ncnn_rules import RULES
from bmis.bundle.operators.ncnn_windows import (
    convolution_scratch,
    convolution_work,
    dense_work,
    pool_scratch,
    pool_work,
)
from bmis.bundle.operators.values import Check, Operator, one_of, real, whole, wholes

_SIDE = 1024  # of a kernel, its steps and the empty pixels around a map
_CHANNELS, _WEIGHTS, _LENGTH = 1 << 16, 1 << 28, 1 << 24
_ANY = real(-1e9, 1e9)
_TRUTH = one_of(0, 1)


def _reals(given: Any) -> tuple[float, ...]:
    """Check for a list of finite numbers that no layer has more of."""
    if not isinstance(given, tuple) or len(given) > 2:
        raise ValueError(repr(given)[:80])
    return tuple(_ANY(number) for number in given)


_ACTIVATION: dict[str, Check] = {"9": whole(0, 6), "10": _reals}
_WINDOW: dict[str, Check] = {  # kernel and steps across, and down where they differ
    **dict.fromkeys(("1", "11"), whole(1, _SIDE)),
    **dict.fromkeys(("2", "12", "3", "13"), whole(1, _SIDE)),
}
_CONV: dict[str, Check] = {
    **_WINDOW,
    **_ACTIVATION,
    "0": whole(1, _CHANNELS),  # outputs
    "5": _TRUTH,  # bias
    "6": whole(1, _WEIGHTS),
    **dict.fromkeys(("4", "14", "15", "16"), whole(0, _SIDE)),  # empty pixels
}
_POOL: dict[str, Check] = {
    "0": _TRUTH,  # largest, or mean
    **dict.fromkeys(("1", "11", "2", "12"), whole(1, _SIDE)),
    **dict.fromkeys(("3", "13", "14", "15"), whole(0, _SIDE)),
    "4": _TRUTH,  # all pixels
    "5": _TRUTH,  # a window beyond the end counts, or not
    "6": _TRUTH,  # empty pixels count in a mean
    "7": _TRUTH,  # to a number of windows
    **dict.fromkeys(("8", "18"), whole(1, _LENGTH)),
}


def _pointwise(attributes: Mapping[str, Check]) -> Operator:
    return Operator(layers.like_first, (1, 1), attributes)


def _convolution(more: Mapping[str, Check]) -> Operator:
    checks = {**_CONV, **more}
    return Operator(
        RULES["Convolution"], (1, 1), checks, work=convolution_work, scratch=convolution_scratch
    )


def _norm(kind: str, *sizes: str, eps: str, affine: str) -> Operator:
    checks = dict.fromkeys(sizes, whole(1, _CHANNELS))
    return Operator(RULES[kind], (1, 1), {**checks, eps: real(0, 1), affine: _TRUTH})


ENDS: Final[Mapping[str, Operator]] = {
    "Input": Operator(RULES["Input"], (1, 1)),
    "Output": Operator(RULES["Output"], (1, 1)),  # no layer of a file; gives the batch its axis
}
OPERATORS: Final[Mapping[str, Operator]] = {
    **dict.fromkeys(("Dropout", "Erf", "Mish", "Sigmoid", "Swish", "TanH"), _pointwise({})),
    "Clip": _pointwise(dict.fromkeys("01", _ANY)),
    "ELU": _pointwise({"0": _ANY}),
    "GELU": _pointwise({"0": _TRUTH}),
    "HardSigmoid": _pointwise(dict.fromkeys("01", _ANY)),
    "HardSwish": _pointwise(dict.fromkeys("01", _ANY)),
    "ReLU": _pointwise({"0": _ANY}),
    "UnaryOp": _pointwise({"0": whole(0, 17)}),
    "BinaryOp": Operator(RULES["BinaryOp"], (1, 2), {"0": whole(0, 9), "1": _TRUTH, "2": _ANY}),
    "Concat": Operator(RULES["Concat"], (1, 4096), {"0": whole(0, 2)}),
    "Convolution": _convolution({}),
    "ConvolutionDepthWise": _convolution({"7": whole(1, _CHANNELS)}),  # groups
    "Crop": Operator(
        RULES["Crop"],
        (1, 1),
        {
            "9": wholes(0, _LENGTH, count=3),  # from
            "10": wholes(1, 2**31 - 1, count=3),  # to, or to the end
            "11": wholes(0, 2, count=3),  # axes
        },
    ),
    "GroupNorm": _norm("GroupNorm", "0", "1", eps="2", affine="3"),
    "InstanceNorm": _norm("InstanceNorm", "0", eps="1", affine="2"),
    "LayerNorm": _norm("LayerNorm", "0", eps="1", affine="2"),
    "InnerProduct": Operator(
        RULES["InnerProduct"],
        (1, 1),
        {**_ACTIVATION, "0": whole(1, _CHANNELS), "1": _TRUTH, "2": whole(1, _WEIGHTS)},
        work=dense_work,
    ),
    "Interp": Operator(
        RULES["Interp"],
        (1, 1),
        {
            "0": whole(1, 3),  # nearest, bilinear, bicubic
            **dict.fromkeys(("1", "2"), real(1, 64)),  # times so many
            **dict.fromkeys(("3", "4"), whole(1, _LENGTH)),  # or to so many pixels
            "6": _TRUTH,  # corners stay where they are
        },
    ),
    "MatMul": Operator(RULES["MatMul"], (2, 2), {"0": _TRUTH}, work=layers.product_work),
    "MemoryData": Operator(
        RULES["MemoryData"], (0, 0), dict.fromkeys(("0", "1", "2"), whole(1, _LENGTH))
    ),
    "PReLU": Operator(RULES["PReLU"], (1, 1), {"0": whole(1, _CHANNELS)}),
    "Padding": Operator(
        RULES["Padding"],
        (1, 1),
        {
            **dict.fromkeys("0123", whole(0, _SIDE)),
            "4": whole(0, 2),  # a value, the nearest pixel, mirrored
            "5": _ANY,
            "6": one_of(0),  # one value for all channels
        },
    ),
    "Permute": Operator(RULES["Permute"], (1, 1), {"0": whole(0, 5)}),
    "PixelShuffle": Operator(RULES["PixelShuffle"], (1, 1), {"0": whole(1, 64), "1": one_of(0)}),
    "Pooling": Operator(RULES["Pooling"], (1, 1), _POOL, work=pool_work, scratch=pool_scratch),
    "Reduction": Operator(
        RULES["Reduction"],
        (1, 1),
        {
            "0": whole(0, 10),
            "1": one_of(0),  # not all axes but these:
            "3": wholes(0, 2, count=3),
            "4": _TRUTH,  # keep them
            "5": one_of(1),
        },
    ),
    "Reshape": Operator(RULES["Reshape"], (1, 1), dict.fromkeys("012", whole(1, _LENGTH))),
    "Slice": Operator(
        RULES["Slice"], (1, 1), {"0": wholes(-233, _LENGTH, count=64), "1": whole(0, 2)}
    ),
    "Softmax": Operator(RULES["Softmax"], (1, 1), {"0": whole(0, 2), "1": one_of(1)}),
    "Split": Operator(RULES["Split"], (1, 1), {}),
}
