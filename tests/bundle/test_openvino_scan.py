"""OpenVINO's graphs: XML that hides nothing, constants inside its own weights."""

import pytest

from bmis.bundle import Graph, openvino_scan, read_bundle, write_bundle
from bmis.bundle.openvino_scan import scan_ir
from bmis.errors import BundleError
from helpers.bundles import CARD, IR, manifest, onnx_bytes

XML = IR
WEIGHTS = bytes(32)
FAKE = """
		<layer id="4" name="range" type="Const" version="opset1">
			<data element_type="f32" shape="" offset="0" size="4" />
			<output><port id="0" precision="FP32" /></output>
		</layer>
		<layer id="5" name="fake" type="FakeQuantize" version="opset1">
			<data levels="256" auto_broadcast="numpy" />
			<input>
				<port id="0" /><port id="1" /><port id="2" /><port id="3" /><port id="4" />
			</input>
			<output><port id="5" precision="FP32" /></output>
		</layer>
"""
FROM_RANGE = "".join(
    f'<edge from-layer="4" from-port="0" to-layer="5" to-port="{port}" />' for port in range(1, 5)
)
QUANTISED = (
    XML.replace('\t\t<layer id="2"', f'{FAKE}\t\t<layer id="2"')
    .replace(
        'from-layer="0" from-port="0" to-layer="2"', 'from-layer="5" from-port="5" to-layer="2"'
    )
    .replace(
        "<edges>",
        f'<edges>{FROM_RANGE}<edge from-layer="0" from-port="0" to-layer="5" to-port="0" />',
    )
)


def refused(text, match, weights=WEIGHTS):
    with pytest.raises(BundleError, match=match):
        scan_ir(text if isinstance(text, bytes) else text.encode(), weights)


def test_it_tells_what_is_there():
    found = scan_ir(XML.encode(), WEIGHTS)
    assert found.inputs == [("f32", (None, 3, None, None))]
    assert found.outputs == [("f32", (None, 2, None, None))]
    assert found.layers == {"Parameter": 1, "Const": 1, "Convolution": 1, "Result": 1}


@pytest.mark.parametrize(
    "text",
    [
        XML.replace("<net", "<!DOCTYPE net [<!ENTITY a 'b'>]>\n<net", 1),
        XML.replace("<layers>", "<!-- hidden --><layers>"),
        XML.replace("<layers>", "<![CDATA[hidden]]><layers>"),
        XML.replace("<layers>", "<?php x ?><layers>"),
        XML.replace('"1.0"', '"1.0" encoding="iso-8859-1"'),
        XML.replace('<?xml version="1.0"?>\n', ""),
        XML.encode("utf-16"),
        XML.encode("utf-16-le"),
        b"\xef\xbb\xbf" + XML.encode(),
        XML.replace("tiny", "ti\0ny"),
        "",
    ],
)
def test_xml_that_could_hide_something_is_refused(text):
    refused(text, "is not plain XML as OpenVINO writes it")


@pytest.mark.parametrize(
    "text",
    [XML[:-3], XML.replace("</net>", ""), XML + "<x/>", XML.replace("tiny", "&a;"), XML[:22]],
)
def test_xml_that_is_not_whole_is_refused(text):
    refused(text, "is not whole XML")


def test_bytes_that_are_no_text_are_refused():
    refused(XML.encode().replace(b"tiny", b"ti\xffny"), "is not whole XML")


CONV = 'type="Convolution" version="opset1"'
CHANGES = {
    "foreign": ('version="opset1"', 'version="extension"', "foreign layer 'Parameter' of 'extensi"),
    "another opset": (CONV, CONV.replace("opset1", "opset2"), "foreign layer 'Convolution' of"),
    "a loop": ('type="Convolution"', 'type="Loop"', "the operator 'Loop', which bmis does not"),
    "a state": ('type="Convolution"', 'type="ReadValue"', "the operator 'ReadValue', which bmis"),
    "another spelling": ('type="Const"', 'type="Constant"', "the operator 'Constant', which bmis"),
    "a nested graph": ("<input>", "<body></body><input>", "holds 'net/layers/layer/body' as bmis"),
    "a nested input": (
        "<input>",
        "<input><layer/>",
        "holds 'net/layers/layer/input/layer' as bmis",
    ),
    "notes of a layer": ("<input>", "<rt_info/><input>", "holds 'net/layers/layer/rt_info' as"),
    "a foreign word": ('name="conv"', 'name="conv" plugin="x"', "holds 'net/layers/layer' as bmis"),
    "another version": ('version="11"', 'version="7"', "a version that bmis knows"),
    "another root": ("<net ", "<set ", "holds 'set' as bmis|is not whole XML"),
    "weights outside": ('offset="8"', 'offset="9"', "a constant that is not in its .bin"),
    "weights before": ('offset="8"', 'offset="-8"', "a constant that is not in its .bin"),
    "weights far away": ('offset="8"', f'offset="{"9" * 30}"', "a constant that is not in its"),
    "no offset": ('offset="8" ', "", "a constant as bmis does not write it"),
    "too short": ('size="24"', 'size="20"', "whose shape does not fit its bytes"),
    "another shape": ('shape="2, 3, 1, 1"', 'shape="2, 3, 2, 1"', "does not fit its bytes"),
    "a free shape": ('shape="2, 3, 1, 1"', 'shape="?, 3, 1, 1"', "or of any size"),
    "texts": (
        'element_type="f32" shape',
        'element_type="string" shape',
        "the unused type 'string'",
    ),
    "a wild attribute": (
        'pads_end="0, 0"',
        'pads_end="0, 99999"',
        "Convolution with pads_end '0, 99",
    ),
    "an odd attribute": (
        'auto_pad="explicit"',
        'auto_pad="valid"',
        "Convolution with auto_pad 'vali",
    ),
    "a new attribute": (
        'auto_pad="explicit"',
        'alpha="1"',
        "Convolution with alpha '1', which bmis",
    ),
    "a layer twice": ('layer id="1"', 'layer id="0"', "has the layer '0' twice"),
    "a cut edge": (
        'to-layer="2" to-port="1"',
        'to-layer="2" to-port="7"',
        "ports that lead nowhere",
    ),
    "two edges": ('to-layer="2" to-port="1"', 'to-layer="2" to-port="0"', "two edges to '2.0'"),
    "an edge too many": (
        "<edges>",
        '<edges><edge to-layer="9" to-port="0" />',
        "edges that lead no",
    ),
}


@pytest.mark.parametrize(("before", "after", "match"), CHANGES.values(), ids=CHANGES)
def test_what_a_graph_must_not_hold_is_refused(before, after, match):
    assert before in XML
    refused(XML.replace(before, after), match)


def test_depth_and_length_have_limits(monkeypatch):
    refused(XML.replace("<rt_info>", "<rt_info>" + "<a>" * 100_000), "is nested too deep")
    monkeypatch.setattr(openvino_scan, "XML_LIMIT", 100)
    refused(XML, r"has \d+ bytes, the limit is 100")


RESULT_3 = "<dim>3</dim>".join(XML.rsplit("<dim>2</dim>", 1))


def write(path, text, *, precision="float32", weights=WEIGHTS):
    name = "openvino/model" if precision == "float32" else "openvino/model.int8"
    graphs = (
        Graph("model.onnx", "onnx", "float32"),
        Graph(f"{name}.xml", "openvino", precision),
    )
    members = {"model.onnx": onnx_bytes(), f"{name}.xml": text.encode(), f"{name}.bin": weights}
    write_bundle(path, manifest(graphs=graphs), members, CARD)
    return path


def test_a_bundle_with_openvino_is_written_and_read(tmp_path):
    bundle = read_bundle(write(tmp_path / "a.bmis", XML))
    assert bundle.find("openvino", "float32").file == "openvino/model.xml"
    assert bundle.read("openvino/model.xml").decode() == XML
    assert bundle.read("openvino/model.bin") == bytes(32)
    other = read_bundle(write(tmp_path / "b.bmis", QUANTISED, precision="int8"))
    assert other.find("openvino", "int8").file == "openvino/model.int8.xml"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (XML.replace('shape="?,3,?,?"', 'shape="?,1,?,?"'), "takes any x 1 x any x any where"),
        (XML.replace('shape="?,3,?,?"', 'shape="1,3,?,?"'), "takes 1 x 3 x any x any where"),
        (RESULT_3, "gives any x 3 x any x any where"),
        (XML.replace('element_type="f32" />', 'element_type="u8" />'), "one input in float32"),
        (XML.replace('"FP32">\n', '"I64">\n'), "one output in float32, but has 'i64'"),
        (XML.replace('type="Result"', 'type="ReLU"'), "one output in float32, but has ''"),
        (QUANTISED, "is not in float32"),
        (XML.replace('offset="8"', 'offset="9"'), "a constant that is not in its .bin"),
    ],
)
def test_a_graph_that_does_not_fit_its_manifest_is_refused(tmp_path, text, match):
    with pytest.raises(BundleError, match=match) as caught:
        write(tmp_path / "a.bmis", text)
    assert "a.bmis: openvino/model.xml " in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("file", "format", "start"),
    [("model.pte", "executorch", b"\0\0\0\0ET12"), ("model.tflite", "litert", b"\0\0\0\0TFL3")],
)
def test_files_of_other_runtimes_are_known_by_their_start(tmp_path, file, format, start):
    graphs = (Graph("model.onnx", "onnx", "float32"), Graph(file, format, "float32"))
    members = {"model.onnx": onnx_bytes(), file: start + b"rest"}
    write_bundle(tmp_path / "a.bmis", manifest(graphs=graphs), members, CARD)
    assert read_bundle(tmp_path / "a.bmis").read(file) == start + b"rest"
    with pytest.raises(BundleError, match=f"{file} is not a file of {format}"):
        write_bundle(
            tmp_path / "b.bmis", manifest(graphs=graphs), {**members, file: b"other"}, CARD
        )
