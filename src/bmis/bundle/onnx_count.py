"""Counts the fields of a large ONNX file before protobuf makes objects of them.

A file of a million empty nodes has two megabytes and becomes 90 MB of objects, so that a bundle of
a few megabytes could fill the memory of any machine.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bmis.errors import BundleError

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

_NUMBER, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5  # wire types of protobuf
_LONGEST_NUMBER = 10  # bytes
_PACKED_BYTES = 8  # of numbers in one field that count as one field more


def check_count(data: bytes, kind: "Descriptor", limit: int) -> None:
    """Raise ``BundleError`` if a message has more fields than ``limit``, those inside it included.

    Args:
        data: The message as protobuf writes it.
        kind: Its type.
        limit: The most fields.

    Example:
        >>> from google.protobuf.struct_pb2 import ListValue
        >>> data = ListValue(values=[{}] * 9).SerializeToString()
        >>> check_count(data, ListValue.DESCRIPTOR, limit=9)
        >>> check_count(data, ListValue.DESCRIPTOR, limit=8)
        Traceback (most recent call last):
        bmis.errors.BundleError: has more than 8 parts
    """
    count, waiting = 0, [(memoryview(data), kind)]
    while waiting:
        view, kind = waiting.pop()
        known = kind.fields_by_number
        for number, content, _ in fields(view):
            count += 1
            field = known.get(number)
            if content and field and field.message_type:
                waiting.append((content, field.message_type))
            elif content and field and field.type != field.TYPE_BYTES:
                count += len(content) // _PACKED_BYTES
            if count > limit:
                raise BundleError(f"has more than {limit} parts")


def fields(view: memoryview) -> Iterator[tuple[int, memoryview | None, memoryview]]:
    """The fields of a message: number, content where it has a length, and the whole field.

    Raises:
        BundleError: The message is cut short or damaged.

    Example:
        >>> [(number, whole.hex()) for number, _, whole in fields(memoryview(bytes([8, 10])))]
        [(1, '080a')]
    """
    at = 0
    while at < len(view):
        start, (key, at) = at, _number(view, at)
        content, wire = None, key & 7
        if wire == _NUMBER:
            _, at = _number(view, at)
        elif wire == _LENGTH:
            length, at = _number(view, at)
            content = view[at : at + length]
            at += length
        elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
            at += 8 if wire == _EIGHT_BYTES else 4
        else:
            raise BundleError(f"is cut short or damaged (wire type {wire})")
        if at > len(view):
            raise BundleError("is cut short or damaged (a part reaches beyond its end)")
        yield key >> 3, content, view[start:at]


def _number(view: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at a place, seven bits a byte, and the place behind it."""
    value = 0
    for shift, byte in enumerate(view[at : at + _LONGEST_NUMBER]):
        value |= (byte & 127) << 7 * shift
        if byte < 128:
            return value, at + shift + 1
    raise BundleError("is cut short or damaged (a number without end)")
