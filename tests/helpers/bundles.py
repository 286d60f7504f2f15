"""Bundles of a few kilobytes: one 1 x 1 convolution in ONNX, with any number of classes.

``IR`` is the same without its bias as OpenVINO writes it; the kernel is behind 8 bytes of its
``.bin``. ``NCNN`` is the same as ncnn reads it, with ``ncnn_weights``.
"""

import hashlib
import json
import zipfile
from functools import cache
from io import BytesIO

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from bmis.bundle import Graph, Manifest, write_bundle
from bmis.config import InputSpec, ModelConfig, ModelInfo

IR = """<?xml version="1.0"?>
<net name="tiny" version="11">
	<layers>
		<layer id="0" name="image" type="Parameter" version="opset1">
			<data shape="?,3,?,?" element_type="f32" />
			<output><port id="0" precision="FP32" names="image">
				<dim>-1</dim><dim>3</dim><dim>-1</dim><dim>-1</dim>
			</port></output>
		</layer>
		<layer id="1" name="kernel" type="Const" version="opset1">
			<data element_type="f32" shape="2, 3, 1, 1" offset="8" size="24" />
			<output><port id="0" precision="FP32">
				<dim>2</dim><dim>3</dim><dim>1</dim><dim>1</dim>
			</port></output>
		</layer>
		<layer id="2" name="conv" type="Convolution" version="opset1">
			<data strides="1, 1" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0"
				auto_pad="explicit" />
			<input>
				<port id="0" precision="FP32">
					<dim>-1</dim><dim>3</dim><dim>-1</dim><dim>-1</dim>
				</port>
				<port id="1" precision="FP32">
					<dim>2</dim><dim>3</dim><dim>1</dim><dim>1</dim>
				</port>
			</input>
			<output><port id="2" precision="FP32">
				<dim>-1</dim><dim>2</dim><dim>-1</dim><dim>-1</dim>
			</port></output>
		</layer>
		<layer id="3" name="logits" type="Result" version="opset1" output_names="logits">
			<input><port id="0" precision="FP32">
				<dim>-1</dim><dim>2</dim><dim>-1</dim><dim>-1</dim>
			</port></input>
		</layer>
	</layers>
	<edges>
		<edge from-layer="0" from-port="0" to-layer="2" to-port="0" />
		<edge from-layer="1" from-port="0" to-layer="2" to-port="1" />
		<edge from-layer="2" from-port="2" to-layer="3" to-port="0" />
	</edges>
	<rt_info><info value="&lt;!ENTITY&gt;" /></rt_info>
</net>
"""
NCNN = """7767517
2 2
Input 0 0 1 in0
Convolution 1 1 1 in0 out0 0=2 1=1 5=1 6=6
"""
CARD = "# Model card\n\nFor tests, not a medical device.\n"


def manifest(*, channels=3, classes=2, size=None, int8=False, **changes):
    names = ("background", *(f"class {number}" for number in range(1, classes)))
    graphs = [Graph("model.onnx", "onnx", "float32", size, {"max_difference": 1e-6})]
    if int8:
        graphs.append(Graph("model.int8.onnx", "onnx", "int8", size, {"dice": 0.99}))
    values = {
        "info": ModelInfo(
            ModelConfig("bmis", channels, classes, {"attention": False}),
            InputSpec(size or (32, 48), channels),
            names,
            {"data": "phantoms", "epochs": 3},
        ),
        "stride": 8,
        "graphs": tuple(graphs),
        "colours": tuple((number % 256, 2, 3) for number in range(classes)),
        "parameters": 8,
        "macs": 9216,
        "quality": {"dice": 0.9},
    }
    return Manifest(**{**values, **changes})


@cache
def onnx_model(*, channels=3, classes=2, size=None, int8=False, seed=0):
    """Logits are a random 1 x 1 convolution of the image; with int8 its kernel is dequantised."""
    random = np.random.default_rng(seed)
    kernel = random.normal(size=(classes, channels, 1, 1)).astype(np.float32)
    bias = numpy_helper.from_array(random.normal(size=classes).astype(np.float32), "bias")
    height, width = size or ("height", "width")
    nodes, weights = [], [bias]
    if int8:
        scale = np.float32(np.abs(kernel).max() / 127)
        weights += [
            numpy_helper.from_array(np.round(kernel / scale).astype(np.int8), "small"),
            numpy_helper.from_array(scale, "scale"),
            numpy_helper.from_array(np.int8(0), "zero"),
        ]
        nodes.append(helper.make_node("DequantizeLinear", ["small", "scale", "zero"], ["kernel"]))
    else:
        weights.append(numpy_helper.from_array(kernel, "kernel"))
    nodes.append(
        helper.make_node("Conv", ["image", "kernel", "bias"], ["logits"], kernel_shape=[1, 1])
    )
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", channels, height, width])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", classes, height, width])],
        weights,
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10)


def onnx_bytes(**values):
    return onnx_model(**values).SerializeToString()


def ncnn_weights(*, seed=0):
    """The ``.bin`` of ``NCNN``: the kernel and bias of ``onnx_model``."""
    found = {w.name: numpy_helper.to_array(w) for w in onnx_model(seed=seed).graph.initializer}
    return bytes(4) + found["kernel"].tobytes() + found["bias"].tobytes()


def ncnn_members(text=NCNN, weights=None):
    """Graphs and files of a bundle with ONNX and ncnn, for ``manifest`` and ``write_bundle``."""
    graphs = (
        Graph("model.onnx", "onnx", "float32"),
        Graph("ncnn/model.param", "ncnn", "float32", (32, 48)),
    )
    files = {
        "model.onnx": onnx_bytes(),
        "ncnn/model.param": text if isinstance(text, bytes) else text.encode(),
        "ncnn/model.bin": ncnn_weights() if weights is None else weights,
    }
    return graphs, files


def write_tiny(path, *, seed=0, **values):
    """A valid bundle; ``values`` as of ``manifest``."""
    made = manifest(**values)
    shape = {name: values[name] for name in ("channels", "classes", "size") if name in values}
    members = {
        graph.file: onnx_bytes(seed=seed, int8=graph.precision == "int8", **shape)
        for graph in made.graphs
    }
    write_bundle(path, made, members, CARD)
    return path


def unzip(data):
    """Members of a zip as bytes, the manifest parsed."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(members.pop("manifest.json")), members


def rezip(content, members, *, promise=True):
    """The inverse of ``unzip``, by hashes that are right unless ``promise`` is off."""
    if promise:
        content = {
            **content,
            "members": {
                name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
                for name, data in members.items()
            },
        }
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return zipped({"manifest.json": text, **members})


def zipped(members):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()
