"""Graphs in OpenVINO's own form, and int8 by NNCF."""

import tempfile
from pathlib import Path
from typing import Any

from bmis.errors import require
from bmis.export.library_calls import wrap_library_errors
from bmis.export.quantise import Images

_KIND = "an OpenVINO model"
Files = tuple[bytes, bytes]  # the XML and its weights


def to_openvino(graph: bytes) -> Files:
    """An ONNX graph, float32 or int8, as OpenVINO's XML and its weights.

    Raises:
        ConfigError: OpenVINO has no way to read this graph.
        MissingExtraError: OpenVINO is not installed.
    """
    core = _core()
    with wrap_library_errors(_KIND):
        return _files(core.read_model(graph))


def quantise_by_nncf(graph: bytes, images: Images) -> Files:
    """A float ONNX graph in int8 as NNCF does it, its attention in float.

    Args:
        graph: See ``onnx_graph.to_onnx``.
        images: (n, C, H, W) normalised; see ``calibration``.

    Raises:
        ConfigError: NNCF cannot quantise this graph.
        MissingExtraError: OpenVINO or NNCF is not installed.
    """
    core = _core()
    with wrap_library_errors(_KIND):
        nncf: Any = require("nncf", extra="nncf")
        quantised = nncf.quantize(
            core.read_model(graph),
            nncf.Dataset([image[None] for image in images]),
            subset_size=len(images),
            # signed where values are: the exact zero of the activations costs nothing here
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(types=["MatMul", "Softmax"], validate=False),
        )
        return _files(quantised)


def _core() -> Any:
    return require("openvino", extra="openvino").Core()


def _files(model: Any) -> Files:
    openvino: Any = require("openvino", extra="openvino")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.xml"
        openvino.save_model(model, target, compress_to_fp16=False)
        return target.read_bytes(), target.with_suffix(".bin").read_bytes()
