"""Graphs for ncnn, made of the ONNX graph by pnnx, its own converter."""

import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmis.bundle.ncnn_scan import scan_ncnn
from bmis.bundle.work import count_work
from bmis.errors import BundleError, ConfigError, require
from bmis.export.external_calls import wrap_library_errors
from bmis.export.onnx import serialised, to_onnx
from bmis.models import SegmentationModel

if TYPE_CHECKING:
    import onnx

_KIND = "a graph of ncnn"
Files = tuple[bytes, bytes]  # the .param and the .bin
_SECONDS = 600  # that pnnx may take; the largest network takes some


def to_ncnn(model: SegmentationModel, size: tuple[int, int]) -> Files:
    """Write a network as a ``.param`` and its ``.bin``, for one image at a time.

    The model that is given stays as it is.

    Args:
        model: The network.
        size: Height and width in pixels, the only ones that the graph takes.

    Raises:
        ConfigError: pnnx cannot write this network with ncnn's layers.
        MissingExtraError: pnnx is not installed.

    Example:
        >>> import bmis
        >>> param, weights = to_ncnn(bmis.load_model("run")[0], (64, 64))
        >>> param[:7]
        b'7767517'
    """
    pnnx: Any = require("pnnx", extra="pnnx")
    graph = to_onnx(model, size)
    _prepare(graph)
    shape = f"inputshape=[1,{model.in_channels},{size[0]},{size[1]}]"
    with wrap_library_errors(_KIND), tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.onnx"
        target.write_bytes(serialised(graph))
        command = [pnnx.EXEC_PATH, target.name, shape, "fp16=0", "device=cpu"]
        subprocess.run(  # noqa: S603  (pnnx's own program, a file of ours)
            command, cwd=folder, capture_output=True, check=True, timeout=_SECONDS
        )
        text = target.with_suffix(".ncnn.param").read_text(encoding="utf-8")
        weights = target.with_suffix(".ncnn.bin").read_bytes()
    param = plain_param(text)
    try:  # pnnx writes what it knows no layer for all the same
        count_work(scan_ncnn(param, weights), (model.in_channels, *size))
    except BundleError as error:
        raise ConfigError(
            f"this network cannot be written as {_KIND}: it {error}; leave that format out, or use "
            "a network without that operation"
        ) from error
    return param, weights


def plain_param(text: str) -> bytes:
    r"""A ``.param`` of pnnx in the one way that ``bundle.ncnn_scan`` reads.

    Single spaces, layers numbered in place of names, and numbers no longer than ncnn reads.

    Example:
        >>> plain_param("7767517\n2 2\nInput   in0  0 1 in0\nReLU  relu_1  1 1 in0 out0\n")
        b'7767517\n2 2\nInput 0 0 1 in0\nReLU 1 1 1 in0 out0\n'
    """
    first, counts, *layers = text.splitlines()
    lines = (_line(number, line) for number, line in enumerate(layers))
    return "\n".join([first, counts.strip(), *lines, ""]).encode()


def _line(number: int, line: str) -> str:
    kind, _, *rest = line.split()
    ends = 2 + int(rest[0]) + int(rest[1])
    return " ".join([kind, str(number), *rest[:ends], *map(_parameter, rest[ends:])])


def _parameter(text: str) -> str:
    """A parameter, its floats with no more than nine decimals."""
    return re.sub(r"-?[0-9]+\.[0-9]+(?:e[-+]?[0-9]+)?", lambda one: f"{float(one[0]):.8e}", text)


def _prepare(graph: "onnx.ModelProto") -> None:
    """One image at a time; and no negation, which pnnx joins with softmax to a foreign layer."""
    import numpy as np
    from onnx import numpy_helper

    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    negations = [node for node in graph.graph.node if node.op_type == "Neg"]
    for node in negations:
        node.op_type = "Mul"
        node.input.append("minus_one")
    if negations:
        minus_one = numpy_helper.from_array(np.array(-1, np.float32), "minus_one")
        graph.graph.initializer.append(minus_one)
