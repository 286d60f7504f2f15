"""Protobuf bytes taken apart, with nothing copied; cut or endless numbers and parts are refused."""

from collections.abc import Iterator

from bmis.errors import BundleError


def walk(view: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Number, wire type and value of each field of a message.

    Raises:
        BundleError: The bytes are no message; the reason alone.
    """
    at = 0
    while at < len(view):
        key, at = _varint(view, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(view, at)
            yield key >> 3, wire, value
            continue
        if wire == 2:
            length, at = _varint(view, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise BundleError(f"is damaged (wire type {wire})")
        if length > len(view) - at:
            raise BundleError("is cut short")
        yield key >> 3, wire, view[at : at + length]
        at += length


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at a place, and where it ends; negative ones are beyond 2**63."""
    value = shift = 0
    end = len(view)
    while at < end:
        byte = view[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if value >= 2**64:
                break
            return value, at
        shift += 7
        if shift == 70:
            break
    else:
        raise BundleError("is cut short")
    raise BundleError("is damaged (a number without end)")


def numbers(view: memoryview) -> list[int]:
    """Whole numbers that stand one behind the other."""
    values, at = [], 0
    while at < len(view):
        value, at = _varint(view, at)
        values.append(value)
    return values
