"""Graphs in OpenVINO's own format, in float32 or in int8 by NNCF."""

import tempfile
from pathlib import Path
from typing import Any

from bmis.errors import require
from bmis.export.external_calls import wrap_library_errors
from bmis.export.quantise import Images

_KIND = "an OpenVINO model"
Files = tuple[bytes, bytes]  # the XML and its weights


def to_openvino(graph: bytes) -> Files:
    """Turn an ONNX graph, float32 or int8, into OpenVINO's XML and its weights.

    Raises:
        ConfigError: OpenVINO cannot read this graph.
        MissingExtraError: OpenVINO is not installed.

    Example:
        >>> from onnx import parser
        >>> text = "tiny (float[1,3,8,8] image) => (float[1,3,8,8] logits) { logits = Relu(image) }"
        >>> graph = parser.parse_model('<ir_version: 10, opset_import: ["": 18]>' + text)
        >>> xml, weights = to_openvino(graph.SerializeToString())
        >>> xml[:5]
        b'<?xml'
    """
    core = _core()
    with wrap_library_errors(_KIND):
        return _files(core.read_model(graph))


def quantise_by_nncf(graph: bytes, images: Images) -> Files:
    """Quantise a float32 ONNX graph to int8 by NNCF; attention stays in float.

    Args:
        graph: What ``serialised`` returns.
        images: (n, C, H, W) normalised; see ``read_calibration``.

    Raises:
        ConfigError: NNCF cannot quantise this graph.
        MissingExtraError: OpenVINO or NNCF is not installed.

    Example:
        >>> import numpy as np
        >>> from onnx import parser
        >>> text = "tiny (float[1,3,8,8] image) => (float[1,3,8,8] logits) { logits = Relu(image) }"
        >>> graph = parser.parse_model('<ir_version: 10, opset_import: ["": 18]>' + text)
        >>> images = np.zeros((8, 3, 8, 8), np.float32)
        >>> xml, weights = quantise_by_nncf(graph.SerializeToString(), images)
        >>> b"Relu" in xml or b"ReLU" in xml
        True
    """
    core = _core()
    with wrap_library_errors(_KIND):
        nncf: Any = require("nncf", extra="nncf")
        quantised = nncf.quantize(
            core.read_model(graph),
            nncf.Dataset([image[None] for image in images]),
            subset_size=len(images),
            # signed only where values are: zero stays exact for activations at no cost here
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
