"""ncnn's graphs: a text with one reading, every value made and used once, weights to the byte."""

import re

import pytest

from bmis.bundle import Graph, ncnn_scan, read_bundle, write_bundle
from bmis.bundle.ncnn_scan import scan_ncnn
from bmis.errors import BundleError
from helpers.bundles import CARD, NCNN, manifest, ncnn_members, ncnn_weights, onnx_bytes

WEIGHTS = ncnn_weights()


def refused(text, match, weights=WEIGHTS):
    with pytest.raises(BundleError, match=match):
        scan_ncnn(text if isinstance(text, bytes) else text.encode(), weights)


def test_it_tells_what_is_there():
    found = scan_ncnn(NCNN.encode(), WEIGHTS)
    assert [node.operator for node in found.nodes] == ["Input", "Convolution", "Output"]
    assert found.nodes[1].attributes == {"0": 2, "1": 1, "5": 1, "6": 6}
    assert [value.shape for value in found.constants.values()] == [(6,), (2,)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7767517\n",
        NCNN.replace("7767517", "7767518"),
        NCNN.replace("7767517", " 7767517"),
        NCNN + "\n\0",
        NCNN.rstrip("\n"),
        NCNN.encode("utf-16"),
        b"\xef\xbb\xbf" + NCNN.encode(),
    ],
)
def test_what_is_no_text_of_ncnn_is_refused(text):
    refused(text, "is not a graph as bmis writes it for ncnn")


CONV = "Convolution 1 1 1 in0 out0"
LAYER = "has a layer as bmis does not write it"
NUMBER = "has a number as bmis does not write it"
PARAMETER = "has a parameter as bmis does not write it"
CHANGES = {
    "two spaces": (" 1=1", "  1=1", LAYER),
    "a tab": (" 1=1", "\t1=1", LAYER),
    "another line end": ("in0\n", "in0\r\n", LAYER),
    "a form feed": (" 1=1", " 1=1\f2=1", LAYER),
    "an empty line": ("\nConv", "\n\nConv", LAYER),
    "a long type": ("Convolution", "C" * 300, LAYER),
    "another alphabet": ("Convolution", "Convolution\u0301", LAYER),
    "a long name": ("in0 out0", f"in0 {'o' * 300}", "whose inputs and outputs are not named"),
    "no names": (CONV, "Convolution 1 9 9 in0 out0", "whose inputs and outputs are not named"),
    "a count below zero": (CONV, "Convolution 1 -1 1 in0 out0", LAYER),
    "a foreign layer": ("Convolution", "Python", "the operator 'Python', which bmis does not"),
    "a second input": ("Convolution", "Input", "has an Input as bmis does not write it"),
    "our own last layer": ("Convolution", "Output", "the operator 'Output', which bmis does not"),
    "another input": ("1 in0", "1 in1", "has an Input as bmis does not write it"),
    "a shape of the input": ("1 in0\n", "1 in0 0=9\n", "has an Input as bmis does not write it"),
    "a value before it is made": ("1 in0 out0", "1 x out0", "uses 'x' twice, or before it is made"),
    "no output": (CONV, "Convolution 1 1 0 in0", "a Convolution of 0 outputs, which bmis does"),
    "two outputs": (CONV, "Convolution 1 1 2 in0 out0 x", "a Convolution of 2 outputs, which bmis"),
    "a value twice": ("in0 out0", "in0 in0", "makes 'in0' twice"),
    "another output": ("in0 out0", "in0 out1", "must have one output, 'out0'"),
    "fewer layers": ("\n2 2", "\n1 2", "counts its layers or values wrongly"),
    "more values": ("\n2 2", "\n2 3", "counts its layers or values wrongly"),
    "a name that is no number": ("5=1", "x=1", PARAMETER),
    "a name of three digits": ("5=1", "105=1", PARAMETER),
    "a parameter twice": ("5=1", "5=1 5=0", "with the parameter 5 twice"),
    "a list and a number": ("5=1", "5=1 -23305=1,1", "with the parameter 5 twice"),
    "a list for a number": ("5=1", "-23305=1,1", r"a Convolution with 5 '\(1,\)', which bmis"),
    "a list that lies": ("5=1", "-23310=3,0.0,1.0", "a list that is not as long as it says"),
    "a mixed list": ("5=1", "-23310=2,0,1.0", "has a list of whole numbers and others"),
    "a float for a number": ("5=1", "5=1.0", "a Convolution with 5 '1.0', which bmis"),
    "a number with a zero before": ("5=1", "5=01", NUMBER),
    "a number with a sign": ("5=1", "5=+1", NUMBER),
    "a long number": ("5=1", f"5=0.{'0' * 20}", NUMBER),
    "no number": ("5=1", "5=nan", NUMBER),
    "hexadecimal": ("5=1", "5=0x1", NUMBER),
    "a wild number": ("0=2", "0=99999999", "a Convolution with 0 '99999999', which bmis"),
    "int8": ("5=1", "5=1 8=1", "a Convolution with 8 '1', which bmis does not"),
    "a mask of features": ("5=1", "5=1 31=1", "a Convolution with 31 '1', which bmis does not"),
    "no outputs": (" 0=2", "", "has a Convolution without its parameter 0"),
    "more weights": ("6=6", "6=7", "has weights that are not in its .bin"),
    "fewer weights": ("6=6", "6=5", "has a .bin that is longer than its weights"),
    "no bias": (" 5=1", "", "has a .bin that is longer than its weights"),
}


@pytest.mark.parametrize(("before", "after", "match"), CHANGES.values(), ids=CHANGES)
def test_what_a_graph_must_not_hold_is_refused(before, after, match):
    assert before in NCNN
    refused(NCNN.replace(before, after, 1), match)


def test_a_value_is_used_once():
    more = "BinaryOp 2 2 1 a a out0 0=0\n"
    text = NCNN.replace("2 2", "3 3").replace("in0 out0", "in0 a") + more
    refused(text, "uses 'a' twice, or before it is made")


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        (b"", "not plain float32"),
        (WEIGHTS[:3], "not plain float32"),
        (WEIGHTS[:-1], "has weights that are not in its .bin"),
        (WEIGHTS + b"\0", "has a .bin that is longer than its weights"),
        (b"\x47\x6b\x30\x01" + WEIGHTS[4:], "not plain float32"),  # half floats
        (b"\x38\x4b\x0d\x00" + WEIGHTS[4:], "not plain float32"),  # int8
        (b"\1\0\0\0" + WEIGHTS[4:], "not plain float32"),  # by a table
    ],
)
def test_weights_are_what_the_layers_ask_for(weights, match):
    refused(NCNN, match, weights)


def test_the_length_has_a_limit(monkeypatch):
    monkeypatch.setattr(ncnn_scan, "PARAM_LIMIT", 10)
    refused(NCNN, r"has \d+ bytes, the limit is 10")


def write(path, text=NCNN, weights=None, **changes):
    graphs, members = ncnn_members(text, weights)
    write_bundle(path, manifest(graphs=graphs, **changes), members, CARD)
    return path


def test_a_bundle_with_ncnn_is_written_and_read(tmp_path):
    bundle = read_bundle(write(tmp_path / "a.bmis"))
    graph = bundle.find("ncnn", "float32")
    assert graph.files == ("ncnn/model.param", "ncnn/model.bin")
    assert bundle.read("ncnn/model.param").decode() == NCNN
    assert bundle.count_work(graph, (32, 48)).multiplications > 6 * 32 * 48


@pytest.mark.parametrize(
    ("text", "weights", "match"),
    [
        (NCNN.replace("6=6", "6=5"), WEIGHTS[:-4], "5 weights where 6 are wanted"),
        (NCNN.replace("5=1", "3=2 5=1"), None, "gives 1 x 2 x 16 x 24 where its manifest says"),
        (NCNN.replace("5=1", "5=1 9=3"), None, "activation 3 with 0 parameters"),
        (NCNN.replace("0=2", "0=1"), WEIGHTS[:-4], "6 weights where 3 are wanted"),
    ],
)
def test_a_graph_that_does_not_fit_its_manifest_is_refused(tmp_path, text, weights, match):
    with pytest.raises(BundleError, match=re.escape(match)) as caught:
        write(tmp_path / "a.bmis", text, weights)
    assert "a.bmis: ncnn/model.param " in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_names_the_one_size(tmp_path):
    graphs = (Graph("model.onnx", "onnx", "float32"), Graph("ncnn/model.param", "ncnn", "float32"))
    _, members = ncnn_members()
    with pytest.raises(BundleError, match="takes one size only, which its manifest does not name"):
        write_bundle(tmp_path / "a.bmis", manifest(graphs=graphs), members, CARD)
    assert onnx_bytes() == members["model.onnx"]
