"""Cuts the large weights out of an ONNX file, so that protobuf does not copy them.

What is left has the same fields in the same order; only ``raw_data`` of large initializers is
empty. The numbers in such weights are of no interest to a scanner, their lengths are.
"""

from collections.abc import Callable

from bmis.bundle.onnx_count import fields
from bmis.errors import BundleError

_LARGE = 1 << 20  # bytes of a weight
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9  # fields of ModelProto, GraphProto, TensorProto
_LENGTH = 2  # wire type of protobuf


def cut_weights(data: bytes) -> tuple[bytes, dict[int, int]]:
    """An ONNX file without its large weights.

    Returns:
        The file; and how many bytes of ``raw_data`` were cut out, by the place of the initializer.

    Raises:
        BundleError: The file is cut short or damaged, or a length is not as protobuf writes it.

    Example:
        >>> cut_weights(b"")
        (b'', {})
    """
    if len(data) < _LARGE:
        return data, {}
    cutter = _Cutter()
    return _cut(memoryview(data), _GRAPH, cutter.cut_graph), cutter.lengths


class _Cutter:
    """Counts the initializers and cuts the large ones."""

    def __init__(self) -> None:
        self.lengths: dict[int, int] = {}
        self._count = 0

    def cut_graph(self, graph: memoryview) -> bytes:
        return _cut(graph, _INITIALIZER, self._cut_tensor)

    def _cut_tensor(self, tensor: memoryview) -> bytes | None:
        place, self._count = self._count, self._count + 1
        if len(tensor) < _LARGE:
            return None
        self.lengths[place] = sum(
            len(raw) for number, raw, _ in fields(tensor) if number == _RAW_DATA and raw is not None
        )
        return _cut(tensor, _RAW_DATA, lambda _: b"")


def _cut(view: memoryview, wanted: int, cut: Callable[[memoryview], bytes | None]) -> bytes:
    """A message whose fields of one number have another content where ``cut`` gives one."""
    parts: list[bytes | memoryview] = []
    kept = at = 0
    for number, content, whole in fields(view):
        start, at = at, at + len(whole)
        less = cut(content) if number == wanted and content is not None else None
        if less is not None and content is not None:
            parts += [view[kept:start], _field(number, less, whole, content)]
            kept = at
    return b"".join([*parts, view[kept:]])


def _field(number: int, cut: bytes, whole: memoryview, content: memoryview) -> bytes:
    """A field with another content, if its head is just as protobuf writes it."""
    if whole[: len(whole) - len(content)] != _head(number, len(content)):
        raise BundleError("is not in the one form that protobuf writes (a number is too long)")
    return _head(number, len(cut)) + cut


def _head(number: int, length: int) -> bytes:
    """Number, wire type and length of a field."""
    head = bytearray([number << 3 | _LENGTH])
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    return bytes([*head, length])
