"""The pages of a TIFF: where each begins, and the file as if one of them were its first.

The readers of pictures read the first page that a file names. So none of them walks from page to
page, and a page far behind costs no more than the first.
"""

import struct
from collections.abc import Iterator
from io import BufferedReader, FileIO, RawIOBase
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from bmis.data.formats.limits import MAX_PAGES, too_many_pages
from bmis.errors import DataError
from bmis.system.reading import once_per_file, open_file, split_inside

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_ORDERS = {b"II": "<", b"MM": ">"}
_CLASSIC, _BIG = 42, 43
_WIDTH, _HEIGHT = 256, 257  # tags
_NUMBERS = {3: "H", 4: "I", 16: "Q"}  # types of the tags of width and height
_LOOKED_AT = 16  # tags of a page that are searched for them; they stand in rising order
_OPEN = 1000  # files whose pages are remembered


class Page(NamedTuple):
    """A page of a TIFF.

    Attributes:
        offset: Where in the file its tags begin.
        size: Height and width in pixels as stored, 0 where the tags do not say it.

    Example:
        >>> Page(8, (48, 64)).size
        (48, 64)
    """

    offset: int
    size: tuple[int, int]


class _Numbers(NamedTuple):
    """How a file stores its numbers."""

    order: str
    first: int  # where the offset of the first page stands
    offset: str
    tags: str
    entry: int  # bytes of a tag

    def read(self, kind: str, data: bytes) -> int:
        return int(struct.unpack_from(self.order + kind, data)[0])

    def size(self, kind: str) -> int:
        return struct.calcsize(self.order + kind)


def is_tiff_name(path: Path) -> bool:
    """Whether a file is called as a TIFF is.

    Example:
        >>> is_tiff_name(Path("a.TIF")), is_tiff_name(Path("a.png"))
        (True, False)
    """
    return path.suffix.lower() in (".tif", ".tiff")


def read_pages(path: Path) -> tuple[Page, ...]:
    """Find the pages of a TIFF without reading a pixel; none if the file is no TIFF.

    Raises:
        DataError: A page is missing, there are too many, or the file cannot be read.

    Example:
        >>> import numpy as np, tifffile
        >>> tifffile.imwrite("a.tif", np.zeros((3, 48, 64), np.uint8), photometric="minisblack")
        >>> [page.size for page in read_pages(Path("a.tif"))]
        [(48, 64), (48, 64), (48, 64)]
    """
    return tuple(_walk(path))


def has_several_pages(path: Path) -> bool:
    """Whether a file is a TIFF with a second page, without looking for further ones.

    Example:
        >>> has_several_pages(Path("photo.png"))
        False
    """
    try:
        return len(list(islice(_walk(path), 2))) > 1
    except DataError:  # said by whoever reads the file
        return False


_PAGES = once_per_file(read_pages, most=_OPEN)


def open_page(path: Path) -> BinaryIO:
    r"""Open a file, or ``a.tif#3`` as if the third page of ``a.tif`` were its first.

    Pages of other formats are not looked for: a path ``a.gif#3`` opens ``a.gif``.

    Raises:
        DataError: See ``open_file`` and ``read_pages``; or there is no such page.

    Example:
        >>> with open_page(Path("photo.png")) as stream:
        ...     stream.read(4)
        b'\x89PNG'
    """
    file, place = split_inside(path)
    stream = open_file(file)
    numbers = _numbers_of(stream.read(16)) if place else None
    stream.seek(0)
    if numbers is None:
        return stream
    stream.close()
    pages, index = _PAGES(file), page_index(path)
    if index is None or not 0 <= index < len(pages):
        raise DataError(f"{path}: lists {len(pages)} pages; save the file again")
    start = struct.pack(numbers.order + numbers.offset, pages[index].offset)
    return cast(BinaryIO, BufferedReader(_FromPage(file, numbers.first, start)))


def page_index(path: Path) -> int | None:
    """The number, from 0, of the page that a path names; None if it names the whole file.

    Example:
        >>> page_index(Path("a.tif#3")), page_index(Path("a.tif"))
        (2, None)
    """
    place = split_inside(path)[1]
    return int(place) - 1 if place.isdecimal() else None


class _FromPage(RawIOBase):
    """A file whose header names another page as its first."""

    def __init__(self, path: Path, at: int, start: bytes) -> None:
        self._file, self._at, self._start = FileIO(path), at, start

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        begin = self._file.tell()
        count = self._file.readinto(view)
        first, end = max(begin, self._at), min(begin + count, self._at + len(self._start))
        if first < end:
            view[first - begin : end - begin] = self._start[first - self._at : end - self._at]
        return count

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:  # libtiff goes to the page by itself
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()
        super().close()


def _numbers_of(start: bytes) -> _Numbers | None:
    order = _ORDERS.get(start[:2])
    if order is None or len(start) < 8:
        return None
    (version,) = struct.unpack(f"{order}H", start[2:4])
    if version == _CLASSIC:
        return _Numbers(order, 4, "I", "H", 12)
    return _Numbers(order, 8, "Q", "Q", 20) if version == _BIG else None


def _walk(path: Path) -> Iterator[Page]:
    with open_file(path) as stream:
        numbers = _numbers_of(stream.read(16))
        if numbers is None:
            return
        end = stream.seek(0, 2)
        stream.seek(numbers.first)
        offset, seen = _next(path, stream, numbers, numbers.offset), set[int]()
        while offset and offset not in seen:  # where a file leads back, readers stop
            if len(seen) == MAX_PAGES:
                raise too_many_pages(path)
            stream.seek(min(offset, end))
            count = _next(path, stream, numbers, numbers.tags)
            behind = stream.tell() + count * numbers.entry
            if behind > end:
                raise _missing(path)
            size = _size(numbers, stream.read(min(count, _LOOKED_AT) * numbers.entry))
            if seen and not all(size):
                raise _missing(path)
            yield Page(offset, size)
            seen.add(offset)
            stream.seek(behind)
            offset = _next(path, stream, numbers, numbers.offset)


def _next(path: Path, stream: BinaryIO, numbers: _Numbers, kind: str) -> int:
    data = stream.read(numbers.size(kind))
    if len(data) < numbers.size(kind):
        raise _missing(path)
    return numbers.read(kind, data)


def _missing(path: Path) -> DataError:
    return DataError(f"{path}: truncated or damaged (a page is missing); copy it again")


def _size(numbers: _Numbers, tags: bytes) -> tuple[int, int]:
    """Height and width by the first tags of a page."""
    found, room = {_HEIGHT: 0, _WIDTH: 0}, numbers.size(numbers.offset)
    for at in range(0, len(tags), numbers.entry):
        tag, kind = struct.unpack_from(f"{numbers.order}HH", tags, at)
        if tag in found and kind in _NUMBERS and numbers.size(_NUMBERS[kind]) <= room:
            end = at + numbers.entry
            found[tag] = numbers.read(_NUMBERS[kind], tags[end - room : end])
    return found[_HEIGHT], found[_WIDTH]
