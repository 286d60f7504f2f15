"""The ONNX messages that a bundle may hold, declared to protobuf and read strictly.

Names, numbers and types are those of ``onnx.proto`` (ONNX 1.17, the published schema). The package
``onnx`` is not needed, because devices do not have it.

protobuf itself is lenient: it keeps fields that it does not know, joins parts that occur twice, and
lets the last of several numbers win. Another reader of the same bytes might then see another graph.
So a file is accepted only if it is, byte for byte, what protobuf writes for what was read.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from bmis.bundle.onnx_count import check_count
from bmis.bundle.onnx_weights import cut_weights
from bmis.errors import BundleError

_FIELD_LIMIT = 1_000_000  # of a whole file; a large transformer has a fifth of it
_SMALLEST_FIELD = 2  # bytes
# message -> field -> its number and type. Text is declared as bytes, because what protobuf does
# with text that is not UTF-8 differs between its versions
_MESSAGES: Final = {
    "ModelProto": {
        "ir_version": (1, "int64"),
        "producer_name": (2, "bytes"),
        "producer_version": (3, "bytes"),
        "domain": (4, "bytes"),
        "model_version": (5, "int64"),
        "doc_string": (6, "bytes"),
        "graph": (7, "GraphProto"),
        "opset_import": (8, "repeated OperatorSetIdProto"),
        "metadata_props": (14, "repeated StringStringEntryProto"),
    },
    "OperatorSetIdProto": {"domain": (1, "bytes"), "version": (2, "int64")},
    "StringStringEntryProto": {"key": (1, "bytes"), "value": (2, "bytes")},
    "GraphProto": {
        "node": (1, "repeated NodeProto"),
        "name": (2, "bytes"),
        "initializer": (5, "repeated TensorProto"),
        "doc_string": (10, "bytes"),
        "input": (11, "repeated ValueInfoProto"),
        "output": (12, "repeated ValueInfoProto"),
        "value_info": (13, "repeated ValueInfoProto"),
        "metadata_props": (16, "repeated StringStringEntryProto"),
    },
    "NodeProto": {
        "input": (1, "repeated bytes"),
        "output": (2, "repeated bytes"),
        "name": (3, "bytes"),
        "op_type": (4, "bytes"),
        "attribute": (5, "repeated AttributeProto"),
        "doc_string": (6, "bytes"),
        "domain": (7, "bytes"),
        "metadata_props": (9, "repeated StringStringEntryProto"),
    },
    "AttributeProto": {
        "name": (1, "bytes"),
        "f": (2, "float"),
        "i": (3, "int64"),
        "s": (4, "bytes"),
        "t": (5, "TensorProto"),
        "floats": (7, "repeated float"),
        "ints": (8, "repeated int64"),
        "strings": (9, "repeated bytes"),
        "doc_string": (13, "bytes"),
        "type": (20, "int32"),
    },
    "TensorProto": {
        "dims": (1, "repeated int64"),
        "data_type": (2, "int32"),
        "float_data": (4, "packed float"),
        "int32_data": (5, "packed int32"),
        "int64_data": (7, "packed int64"),
        "name": (8, "bytes"),
        "raw_data": (9, "bytes"),
        "double_data": (10, "packed double"),
        "uint64_data": (11, "packed uint64"),
        "doc_string": (12, "bytes"),
        "data_location": (14, "int32"),
        "metadata_props": (16, "repeated StringStringEntryProto"),
    },
    "ValueInfoProto": {
        "name": (1, "bytes"),
        "type": (2, "TypeProto"),
        "doc_string": (3, "bytes"),
        "metadata_props": (4, "repeated StringStringEntryProto"),
    },
    "TypeProto": {"tensor_type": (1, "TensorTypeProto"), "denotation": (6, "bytes")},
    "TensorTypeProto": {"elem_type": (1, "int32"), "shape": (2, "TensorShapeProto")},
    "TensorShapeProto": {"dim": (1, "repeated DimensionProto")},
    # the first two exclude each other in onnx.proto; here both are kept, so that both are seen
    "DimensionProto": {
        "dim_value": (1, "int64"),
        "dim_param": (2, "bytes"),
        "denotation": (3, "bytes"),
    },
}
# what ONNX has beyond this and no graph of bmis needs, in the words of an error message
_REFUSED: Final = {
    "ModelProto": {20: "training information", 25: "functions", 26: "device settings"},
    "GraphProto": {14: "quantisation notes", 15: "sparse weights"},
    "NodeProto": {8: "functions", 10: "device settings"},
    "AttributeProto": {
        **{6: "nested graphs", 10: "tensor lists", 11: "nested graphs", 14: "types", 15: "types"},
        **{21: "functions", 22: "sparse weights", 23: "sparse weights"},
    },
    "TensorProto": {3: "segments", 6: "texts", 13: "external data"},
    "TypeProto": {
        **{4: "sequences", 5: "maps", 7: "foreign types", 8: "sparse weights"},
        9: "optional values",
    },
}


def parse_onnx(data: bytes) -> tuple[Any, Mapping[int, int]]:
    """The ``ModelProto`` that a file holds; every byte of it is accounted for.

    Returns:
        The model without the bytes of its large weights, and their lengths; see
        ``onnx_weights.cut_weights``.

    Raises:
        BundleError: The file is cut short or damaged, has too many fields, or holds something that
            is not declared here; the reason alone, to stand behind the name of the file.

    Example:
        >>> parse_onnx(bytes.fromhex("080a"))[0].ir_version
        10
        >>> parse_onnx(bytes.fromhex("ca0100"))
        Traceback (most recent call last):
        bmis.errors.BundleError: holds functions
    """
    from google.protobuf.message import DecodeError

    kind = model_class()
    if len(data) > _SMALLEST_FIELD * _FIELD_LIMIT:
        check_count(data, kind.DESCRIPTOR, _FIELD_LIMIT)
    data, lengths = cut_weights(data)
    try:
        model = kind.FromString(data)
    except (DecodeError, RecursionError) as error:
        raise BundleError("is cut short or damaged") from error
    model.DiscardUnknownFields()
    if model.SerializeToString(deterministic=True) != data:
        raise BundleError(_explain(kind.FromString(data)))
    return model, lengths


@cache
def model_class() -> Any:
    """The class of ``ModelProto``, made when the first graph is read.

    Example:
        >>> model_class().FromString(bytes.fromhex("080a")).ir_version
        10
    """
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass

    file = FileDescriptorProto(name="bmis/onnx.proto", package="bmis.onnx", syntax="proto2")
    for message, fields in _MESSAGES.items():
        declared = file.message_type.add(name=message)
        for name, (number, kind) in fields.items():
            _declare(declared.field.add(name=name, number=number), kind)
    pool = DescriptorPool()  # our own: the package onnx registers messages of the same names
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName("bmis.onnx.ModelProto"))


def _declare(field: Any, kind: str) -> None:
    """Fill in the label and the type of a field, such as "repeated NodeProto"."""
    count, _, name = kind.rpartition(" ")
    field.label = field.LABEL_REPEATED if count else field.LABEL_OPTIONAL
    if count == "packed":
        field.options.packed = True
    if name in _MESSAGES:
        field.type, field.type_name = field.TYPE_MESSAGE, f".bmis.onnx.{name}"
    else:
        field.type = getattr(field, f"TYPE_{name.upper()}")


def _explain(model: Any) -> str:
    """Why a file is not what protobuf writes for it."""
    for message, number in _unknown_fields(model):
        place = f"{message} {number}"
        if number in _REFUSED.get(message, {}):
            return f"holds {_REFUSED[message][number]}"
        if number in {known for known, _ in _MESSAGES[message].values()}:
            return f"is damaged ({place})"
        return f"holds parts that bmis does not know ({place})"
    return "is not in the one form that protobuf writes (a part may be there twice or out of order)"


def _unknown_fields(message: Any) -> Iterator[tuple[str, int]]:
    """Message name and number of each field that is not declared above."""
    from google.protobuf.message import Message
    from google.protobuf.unknown_fields import UnknownFieldSet

    unknown_fields: Any = UnknownFieldSet(message)  # its types forget that it can be iterated
    for unknown in unknown_fields:
        yield message.DESCRIPTOR.name, unknown.field_number
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if isinstance(value, Message) else value:
                yield from _unknown_fields(part)
