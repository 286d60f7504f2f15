"""The scanner finds what onnx itself finds, and refuses what a bundle must not hold."""

import copy

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bmis.bundle import onnx_schema, write_bundle
from bmis.bundle.onnx_scan import Port, scan_onnx
from bmis.errors import BundleError
from helpers.bundles import CARD, manifest, onnx_bytes, onnx_model


@pytest.fixture
def model():
    return copy.deepcopy(onnx_model())


def refused(model, match):
    data = model if isinstance(model, bytes) else model.SerializeToString()
    with pytest.raises(BundleError, match=match):
        scan_onnx(data)


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number, wire, value):
    if wire == 0:
        return varint(number << 3) + varint(value)
    return varint(number << 3 | wire) + (varint(len(value)) if wire == 2 else b"") + value


def test_it_finds_what_is_there(model):
    model.graph.node.append(helper.make_node("Relu", ["logits"], ["other"]))
    found = scan_onnx(model.SerializeToString())
    assert found.inputs == (Port("image", 1, (None, 3, None, None)),)
    assert found.outputs == (Port("logits", 1, (None, 2, None, None)),)
    assert found.opset == 18
    assert found.operators == {"Conv", "Relu"}


def test_all_types_of_weights_are_known_raw_and_written_out(model):
    for kind in (1, 2, 3, 6, 7, 9):
        for raw in (True, False):
            tensor = helper.make_tensor(f"{kind}{raw}", kind, [2, 3], [0, 1, 1, 1, 0, 1])
            if raw:
                tensor = numpy_helper.from_array(onnx.numpy_helper.to_array(tensor), tensor.name)
            assert tensor.data_type == kind
            model.graph.initializer.append(tensor)
    model.graph.initializer.append(helper.make_tensor("none", 1, [0], []))
    model.graph.initializer.append(helper.make_tensor("one", 7, [], [-5]))
    found = scan_onnx(model.SerializeToString()).constants
    assert found["one"].numbers == -5
    assert found["none"].numbers.shape == (0,)
    for kind in (1, 2, 3, 6, 7, 9):
        one, other = found[f"{kind}True"], found[f"{kind}False"]
        assert one.kind == other.kind == one.numbers.dtype
        assert one.numbers.tolist() == other.numbers.tolist() == [[0, 1, 1], [1, 0, 1]]


def test_large_weights_are_known_by_shape_alone(model):
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((9, 99), np.float32), "more"))
    more = scan_onnx(model.SerializeToString()).constants["more"]
    assert (more.shape, more.bytes, more.numbers) == ((9, 99), 4 * 9 * 99, None)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("group", 0, "a Conv with group '0', which bmis does not write"),
        ("group", 1.0, "a Conv with group '1.0', which bmis"),
        ("auto_pad", "VALID", "a Conv with auto_pad 'VALID', which bmis"),
        ("strides", [1, 1, 1], "a Conv with strides"),
        ("pads", [-1, 0, 0, 0], "a Conv with pads"),
        ("dilations", [1, 10**6], "a Conv with dilations"),
        ("width", 1, "a Conv with width '1', which bmis"),
        ("group", numpy_helper.from_array(np.ones(3)), "an attribute 'group' of an unused type"),
        ("group", ["a"], "an attribute 'group' of an unused type"),
        ("kernel_shape", [1, 1], "a Conv with an attribute twice"),
    ],
)
def test_attributes_are_those_that_the_exporter_writes(model, name, value, match):
    model.graph.node[0].attribute.append(helper.make_attribute(name, value))
    refused(model, match)


def test_an_attribute_with_two_values_is_refused(model):
    model.graph.node[0].attribute[0].i = 7
    refused(model, "an attribute 'kernel_shape' of an unused type")


def test_operators_are_those_that_the_exporter_writes(model):
    for name in ("ScatterElements", "NonZero", "Loop", "ConstantOfShape", "Tile"):
        model.graph.node[0].op_type = name
        refused(model, f"uses the operator '{name}', which bmis does not write")
    model.graph.node[0].op_type = "Relu"
    refused(model, "has a Relu of 3 inputs, which bmis does not write")


def test_a_weight_twice_is_refused(model):
    model.graph.initializer.append(model.graph.initializer[0])
    refused(model, "has the weight 'bias' twice")


@pytest.mark.parametrize("length", range(0, 200, 7))
def test_every_cut_is_refused(length):
    refused(onnx_bytes()[:length], "is cut short|one version of the operators")


def test_external_data_are_refused(model):
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    refused(model, "holds external data")
    entry = model.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    refused(model, "holds external data")
    model.graph.initializer[0].data_location = TensorProto.DEFAULT
    refused(model, "holds external data")


def test_foreign_operators_are_refused(model):
    model.graph.node[0].domain = "com.example"
    refused(model, "uses the foreign operator 'Conv' of 'com.example'")
    model.graph.node[0].domain = "ai.onnx"  # another name of the default
    assert scan_onnx(model.SerializeToString()).operators == {"Conv"}
    model.opset_import.add(domain="com.microsoft", version=1)
    refused(model, "needs foreign operators, 'com.microsoft'")


def test_one_version_of_the_operators_is_wanted(model):
    model.opset_import.add(domain="ai.onnx", version=19)
    refused(model, "one version of the operators")
    del model.opset_import[:]
    refused(model, "one version of the operators")


def test_functions_are_refused(model):
    model.functions.add(name="f", domain="")
    refused(model, "holds functions")


def test_nested_graphs_are_refused(model):
    inner = helper.make_graph([], "inner", [], [])
    model.graph.node.append(
        helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    )
    refused(model, "holds nested graphs")


def test_graphs_in_lists_training_and_sparse_weights_are_refused(model):
    for change, match in (
        (lambda m: m.graph.node[0].attribute[0].graphs.add(), "nested graphs"),
        (lambda m: m.graph.node[0].attribute[0].tensors.add(), "tensor lists"),
        (lambda m: m.graph.node[0].attribute[0].sparse_tensor.dims.append(1), "sparse weights"),
        (lambda m: setattr(m.graph.node[0].attribute[0], "ref_attr_name", "x"), "functions"),
        (lambda m: setattr(m.graph.node[0], "overload", "x"), "functions"),
        (lambda m: m.graph.sparse_initializer.add(), "sparse weights"),
        (lambda m: m.training_info.add(), "training information"),
        (lambda m: m.graph.input[0].type.sequence_type.elem_type.SetInParent(), "sequences"),
        (lambda m: m.graph.input[0].type.optional_type.elem_type.SetInParent(), "optional values"),
    ):
        other = copy.deepcopy(model)
        change(other)
        refused(other, f"holds {match}")


@pytest.mark.parametrize("field", ["float_data", "int32_data", "int64_data", "double_data"])
def test_weights_given_twice_are_refused(model, field):
    getattr(model.graph.initializer[0], field).append(1)
    refused(model, "has the weight 'bias', whose shape does not fit its bytes")


@pytest.mark.parametrize("dims", [[3], [2, 2], [1], [], [0], [-2], [2**31, 0], [1] * 8 + [2]])
def test_weights_whose_shape_does_not_fit_are_refused(model, dims):
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    refused(model, "has the weight 'bias', whose shape does not fit its bytes")


@pytest.mark.parametrize(("kind", "fits"), [(6, True), (7, False), (9, False), (2, False)])
def test_weights_are_as_long_as_their_type_says(model, kind, fits):
    model.graph.initializer[0].data_type = kind
    if fits:
        assert scan_onnx(model.SerializeToString()).operators == {"Conv"}
    else:
        refused(model, "'bias', whose shape does not fit its bytes")


@pytest.mark.parametrize("kind", [0, 4, 8, 10, 11, 14, 15, 16, 17, 22, 23, 99])
def test_types_that_no_network_uses_are_refused(model, kind):
    model.graph.initializer[0].data_type = kind
    refused(model, f"has the weight 'bias' of the unused type {kind}")


def test_texts_are_refused_as_weights(model):
    model.graph.initializer.append(helper.make_tensor("words", TensorProto.STRING, [1], ["a"]))
    refused(model, "holds texts")


def test_an_input_with_a_weight_of_its_name_is_refused(model):
    model.graph.initializer[0].name = "image"
    refused(model, "has an input that is a weight as well")


@pytest.mark.parametrize("name", [b"Conv", b"image", b"bias", b"kernel_shape", b"width", b"tiny"])
def test_names_must_be_text(name):
    refused(onnx_bytes().replace(name, b"\xff" + name[1:]), "has a name that is not UTF-8 text")


def test_types_between_nodes_are_read_too(model):
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    model.graph.value_info.append(value)
    assert scan_onnx(model.SerializeToString()).operators == {"Conv"}
    value.type.map_type.key_type = 7
    model.graph.value_info.append(value)
    refused(model, "holds maps")


GRAPH = field(7, 2, b"")
OPSET = field(8, 2, field(2, 0, 18))


UNKNOWN = "holds parts that bmis does not know"
DAMAGED = "is cut short or damaged"
OTHER_FORM = "is not in the one form that protobuf writes"


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "one version of the operators"),
        (GRAPH + OPSET + GRAPH, OTHER_FORM),
        (GRAPH + GRAPH + OPSET, OTHER_FORM),
        (OPSET + GRAPH, OTHER_FORM),
        (field(1, 0, 8) + field(1, 0, 10) + GRAPH + OPSET, OTHER_FORM),
        (field(7, 0, 5) + OPSET, "is damaged .ModelProto 7."),
        (field(1, 2, b"1") + OPSET, "is damaged .ModelProto 1."),
        (OPSET + field(99, 2, b"1"), f"{UNKNOWN} .ModelProto 99."),
        (field(7, 2, field(1, 2, field(99, 0, 1))) + OPSET, f"{UNKNOWN} .NodeProto 99."),
        (OPSET + field(0, 2, b"1"), DAMAGED),
        (OPSET + b"\x0b\x0c", "is damaged .ModelProto 1."),
        (OPSET + b"\x93\x06" * 99, DAMAGED),
        (OPSET + b"\x93\x06" * 50 + b"\x94\x06" * 50, f"{UNKNOWN} .ModelProto 98."),
        (OPSET + b"\x0f", DAMAGED),
        (OPSET + b"\x80" * 10 + b"\x01", DAMAGED),
        (b"\x08" + b"\xff" * 9 + b"\x7f" + OPSET, OTHER_FORM),
        (b"\x08\x8a\x00" + OPSET, OTHER_FORM),
        (b"\x88\x00\x0a" + OPSET, f"{OTHER_FORM}|is damaged"),
        (OPSET + b"\x08" + b"\xff" * 9, DAMAGED),
        (OPSET + b"\x12" + b"\xff" * 8 + b"\x7f", DAMAGED),
        (OPSET + b"\x15\0\0", DAMAGED),
        (field(7, 2, field(5, 2, field(2, 0, 1) + field(1, 2, b"\x80"))) + OPSET, DAMAGED),
        (field(7, 2, field(5, 2, field(2, 0, 7) + field(7, 2, b"\x80"))) + OPSET, DAMAGED),
        (field(7, 2, field(5, 2, field(2, 0, 1) + field(4, 2, b"123"))) + OPSET, DAMAGED),
        (field(7, 2, field(5, 2, field(2, 0, 2**32 + 1))) + OPSET, OTHER_FORM),
    ],
)
def test_bytes_that_protobuf_does_not_write_are_refused(data, match):
    refused(data, match)


def test_every_part_that_may_be_there_once_is_refused_twice(model):
    """At every depth, whatever protobuf makes of it: it would join the two or drop the first."""
    model.graph.initializer[0].data_location = TensorProto.DEFAULT
    tensor = model.graph.initializer[0].SerializeToString()
    for once in (field(2, 0, 1), field(8, 2, b"bias"), field(9, 2, bytes(8)), field(14, 0, 0)):
        twice = field(7, 2, field(5, 2, tensor + once)) + OPSET
        assert onnx.ModelProto.FromString(twice).graph.initializer[0].data_type == 1
        refused(twice, OTHER_FORM)


def test_a_side_that_is_fixed_and_free_is_refused():
    dim = field(1, 0, 3) + field(2, 2, b"n")
    shape = field(1, 0, 1) + field(2, 2, field(1, 2, dim))
    value = field(1, 2, b"image") + field(2, 2, field(1, 2, shape))
    refused(field(7, 2, field(11, 2, value)) + OPSET, "both fixed and free")


def test_shapes_in_packed_form_are_refused():
    """As ``onnx`` does not write them, but may read them."""
    tensor = field(1, 2, varint(2) + varint(300)) + field(2, 0, 3) + field(9, 2, bytes(600))
    assert onnx.TensorProto.FromString(tensor).dims == [2, 300]
    refused(field(7, 2, field(5, 2, tensor)) + OPSET, OTHER_FORM)


@pytest.mark.parametrize(
    "content",
    [
        field(1, 2, b"") * 1001,  # nodes
        field(1, 2, field(1, 2, b"") * 1001),  # inputs of a node
        field(5, 2, field(1, 0, 1) * 1001),  # sides of a weight
        field(5, 2, field(7, 2, b"\1" * 8001)),  # numbers of a weight
        field(99, 5, bytes(4)) * 1001,  # what nobody knows
        field(99, 1, bytes(8)) * 1001,
    ],
)
def test_a_file_of_millions_of_parts_is_given_up(monkeypatch, content):
    monkeypatch.setattr(onnx_schema, "_FIELD_LIMIT", 1000)
    refused(field(7, 2, content) + OPSET, "has more than 1000 parts")


def test_a_file_of_millions_of_parts_is_never_parsed(monkeypatch):
    """Empty nodes take 40 times their bytes in memory as soon as protobuf has read them."""
    monkeypatch.setattr(onnx_schema, "model_class", lambda: UnreadModel)
    refused(field(7, 2, field(1, 2, b"") * 1_000_001) + OPSET, "has more than 1000000 parts")


class UnreadModel:
    DESCRIPTOR = onnx.ModelProto.DESCRIPTOR


@pytest.mark.parametrize("more", [0, 5000])
def test_weights_do_not_count_as_parts(monkeypatch, model, more):
    monkeypatch.setattr(onnx_schema, "_FIELD_LIMIT", 100)
    model.graph.initializer.append(numpy_helper.from_array(np.ones(more, np.float32), "more"))
    assert scan_onnx(model.SerializeToString()).operators == {"Conv"}


@pytest.mark.parametrize("end", [b"\x08", b"\x08" + b"\x80" * 11, b"\x0b", b"\x0f", b"\x80"])
def test_damage_is_noticed_while_parts_are_counted(monkeypatch, end):
    monkeypatch.setattr(onnx_schema, "_FIELD_LIMIT", 1)
    refused(OPSET + end, "is cut short or damaged")


def in_bundle(tmp_path, model, match, **claimed):
    made = manifest(**claimed)
    members = {g.file: onnx_bytes(int8=g.precision == "int8") for g in made.graphs}
    members[made.graphs[-1].file] = model.SerializeToString()
    with pytest.raises(BundleError, match=match) as caught:
        write_bundle(tmp_path / "a.bmis", made, members, CARD)
    assert str(caught.value).startswith(f"{tmp_path / 'a.bmis'}: {made.graphs[-1].file} ")
    assert "\n" not in str(caught.value)


def test_other_inputs_and_outputs_are_refused(tmp_path, model):
    for change, match in (
        (lambda g: setattr(g.input[0], "name", "x"), "one input, 'image' in float32, but has 'x'"),
        (lambda g: g.input.append(g.output[0]), "but has 'image, logits'"),
        (lambda g: g.input.pop(), "one input, 'image' in float32, but has ''"),
        (lambda g: setattr(g.input[0].type.tensor_type, "elem_type", 10), "one input, 'image'"),
        (lambda g: setattr(g.output[0], "name", "y"), "one output, 'logits' in float32"),
        (lambda g: g.output.append(g.input[0]), "but has 'logits, image'"),
        (lambda g: setattr(g.output[0].type.tensor_type, "elem_type", 7), "one output"),
    ):
        other = copy.deepcopy(model)
        change(other.graph)
        in_bundle(tmp_path, other, match)


def test_other_shapes_are_refused(tmp_path):
    for shape, claimed, match in (
        ({"channels": 1}, {}, "takes any x 1 x any x any where its manifest says any x 3"),
        ({"classes": 4}, {}, "gives any x 4 x any x any where its manifest says any x 2"),
        ({"size": (32, 48)}, {}, "takes any x 3 x 32 x 48 where"),
        ({}, {"size": (32, 48)}, "takes any x 3 x any x any where its manifest says any x 3 x 32"),
        ({"size": (48, 32)}, {"size": (32, 48)}, "takes any x 3 x 48 x 32"),
    ):
        in_bundle(tmp_path, onnx_model(**shape), match, **claimed)


def test_a_batch_of_one_number_and_a_missing_shape_are_refused(tmp_path, model):
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_value = 64
    in_bundle(tmp_path, model, "gives any x 2 x 64 x any")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    in_bundle(tmp_path, model, "takes 1 x 3 x any x any")
    model.graph.input[0].type.tensor_type.ClearField("shape")
    in_bundle(tmp_path, model, "takes no shape")


@pytest.mark.parametrize("version", [17, 19])
def test_operators_of_another_version_are_refused(tmp_path, model, version):
    model.opset_import[0].version = version
    in_bundle(tmp_path, model, f"uses operators of version {version}, bmis writes 18")


def test_a_graph_is_of_the_precision_it_claims(tmp_path, model):
    in_bundle(tmp_path, model, "is not in int8; export it again", int8=True)
    in_bundle(tmp_path, onnx_model(int8=True), "is not in float32; export it again")
