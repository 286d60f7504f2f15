"""The zip of a bundle: written the same for the same content, read as untrusted input.

Reading is stricter than unzip: only what ``pack`` can have written is read. Members lie end to end
from the first byte, the directory follows, and both say the same. So nothing overlaps, hides or
unpacks to more than was announced. All sizes are checked before the first member is read.
"""

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import BinaryIO, NamedTuple

from bmis.errors import BundleError

MEMBER_LIMIT = 1 << 30  # bytes; networks of 250 million weights, ONNX itself ends at 2 GiB
TOTAL_LIMIT = 2 << 30  # bytes, of the file and of all that it unpacks to
_COUNT_LIMIT = 64
_SMALL, _RATIO = 16 << 20, 50  # weights shrink by little; more than this is a zip bomb
_CHUNK = 1 << 20
_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold
_STORED, _DEFLATED = 0, 8
_UTF8 = 0x800  # the one flag that is not about encryption or trailing sizes
_END = struct.Struct("<4s4H2IH")  # the end of the directory
_ENTRY = struct.Struct("<4s6H3I5H2I")  # a member's entry in the directory
_HEAD = struct.Struct("<4s5H3I2H")  # the header before a member
_SAFE = re.compile(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*", re.ASCII)  # no part begins with a dot


class _Member(NamedTuple):
    """Where a member lies. Directory and header both hold the first five values."""

    flags: int
    method: int
    crc: int
    packed: int
    size: int
    name: bytes
    head: int


def pack(members: Mapping[str, bytes]) -> bytes:
    """A zip of some files in their order; the same bytes for the same content.

    Example:
        >>> pack({"notes.txt": b"two readers"}).startswith(b"PK")
        True
    """
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, _TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, wherever it is written
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, data)
    return buffer.getvalue()


class Archive:
    """The members of an open zip file, none of them unpacked yet.

    Args:
        stream: The file, open for reading; it must stay open.

    Attributes:
        sizes: Unpacked length in bytes of every member, by its name.

    Raises:
        BundleError: Not a zip, or not one that ``pack`` could have written. The reason alone,
            without the name of the file.

    Example:
        >>> archive = Archive(BytesIO(pack({"notes.txt": b"two readers"})))
        >>> archive.sizes
        {'notes.txt': 11}
        >>> archive.read("notes.txt")
        b'two readers'
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._members = _read_directory(stream)
        self.sizes = {name: member.size for name, member in self._members.items()}

    def read(self, name: str) -> bytes:
        """A whole member.

        Raises:
            BundleError: There is no member of this name, or it is damaged.
        """
        buffer = BytesIO()  # gives out what it holds without a second copy
        for chunk in self.chunks(name):
            buffer.write(chunk)
        return buffer.getvalue()

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member piece by piece, never more of it than the directory announced.

        Raises:
            BundleError: There is no member of this name, or it is damaged.
        """
        if name not in self._members:
            raise BundleError(f"has no {name}; export it again")
        member = self._members[name]
        self._stream.seek(member.head + _HEAD.size + len(member.name))
        unpack = _stored if member.method == _STORED else _inflated
        size = crc = 0
        try:
            for chunk in unpack(self._stream, member.packed):
                size, crc = size + len(chunk), zlib.crc32(chunk, crc)
                if size > member.size:
                    break
                yield chunk
        except zlib.error as error:
            raise BundleError(f"{name} is damaged ({error}); copy or export it again") from error
        if (size, crc) != (member.size, member.crc):
            raise BundleError(f"{name} is damaged or cut short; copy or export it again")


def _stored(stream: BinaryIO, left: int) -> Iterator[bytes]:
    while chunk := stream.read(min(left, _CHUNK)):
        left -= len(chunk)
        yield chunk


def _inflated(stream: BinaryIO, left: int) -> Iterator[bytes]:
    inflate, pending = zlib.decompressobj(-zlib.MAX_WBITS), b""
    while not inflate.eof:
        if not pending:
            pending = stream.read(min(left, _CHUNK))
            left -= len(pending)
        chunk = inflate.decompress(pending, _CHUNK)
        if not chunk and not pending:
            raise zlib.error("ends early")
        pending = inflate.unconsumed_tail
        yield chunk
    if left or inflate.unused_data:
        raise zlib.error("something follows its end")


def _read_directory(stream: BinaryIO) -> dict[str, _Member]:
    length = stream.seek(0, 2)
    if length > TOTAL_LIMIT:
        raise BundleError(f"{length} bytes, the limit is {TOTAL_LIMIT}; not a bundle")
    stream.seek(max(0, length - _END.size))
    tail = stream.read(_END.size)
    if len(tail) < _END.size or not tail.startswith(b"PK\x05\x06"):
        raise BundleError("not a whole zip file; copy or export it again")
    _, disk, first_disk, here, count, size, start, comment = _END.unpack(tail)
    if (disk, first_disk, here, comment) != (0, 0, count, 0) or not 0 < count <= _COUNT_LIMIT:
        raise BundleError("a zip, but not as bmis writes it (its directory); export it again")
    if start + size + _END.size != length:
        raise BundleError("a zip, but cut short or with foreign bytes; copy or export it again")
    stream.seek(start)
    members = _read_entries(stream.read(size), count)
    total = sum(member.size for member in members)
    if total > TOTAL_LIMIT:
        raise BundleError(f"claims {total} bytes in all, the limit is {TOTAL_LIMIT}; not a bundle")
    _check_layout(stream, members, start)
    return {member.name.decode("ascii"): member for member in members}


def _read_entries(directory: bytes, count: int) -> list[_Member]:
    members: dict[bytes, _Member] = {}
    for _ in range(count):
        if len(directory) < _ENTRY.size or not directory.startswith(b"PK\x01\x02"):
            raise BundleError("a zip, but its directory is damaged; copy or export it again")
        fixed = _ENTRY.unpack(directory[: _ENTRY.size])
        flags, method, _, _, crc, packed, size, length, *more = fixed[3:]
        extra, comment, disk, _, attributes, head = more
        name = directory[_ENTRY.size : _ENTRY.size + length]
        member = _Member(flags, method, crc, packed, size, name, head)
        _check_entry(member, attributes)
        _check_size(member)  # before extra fields, where a longer size would stand
        if name in members:
            raise BundleError(f"{name.decode()} is in it twice; not a bundle of bmis")
        if extra or comment or disk:
            raise BundleError("a zip, but not as bmis writes it (extra fields); export it again")
        members[name] = member
        directory = directory[_ENTRY.size + length :]
    if directory:
        raise BundleError("a zip, but its directory is damaged; copy or export it again")
    return list(members.values())


def _check_entry(member: _Member, attributes: int) -> None:
    """Raise ``BundleError`` unless a member is a plain, unencrypted file with a harmless name."""
    name = member.name.decode("ascii", "backslashreplace")
    shown = ascii(name[:80])
    if not _SAFE.fullmatch(name):
        raise BundleError(f"the member name {shown} is not allowed; not a bundle of bmis")
    if member.flags & 0x2041:
        raise BundleError(f"{shown} is encrypted; bundles are not, export it again")
    if member.flags & ~_UTF8:
        raise BundleError(f"{shown}: zip flags {member.flags:#x}, not of bmis; export it again")
    if member.method not in (_STORED, _DEFLATED):
        raise BundleError(
            f"{shown}: compression method {member.method}, only deflate is read; "
            "update bmis, or export it again"
        )
    if stat.S_IFMT(attributes >> 16) not in (0, stat.S_IFREG) or attributes & 0x10:
        raise BundleError(f"{shown} is a link or folder, not a plain file; not a bundle of bmis")


def _check_size(member: _Member) -> None:
    name = member.name.decode("ascii")
    if max(member.size, member.packed) > MEMBER_LIMIT:
        raise BundleError(
            f"{name} claims {max(member.size, member.packed)} bytes, the limit is {MEMBER_LIMIT}; "
            "not a bundle of bmis"
        )
    if member.size > max(_SMALL, _RATIO * member.packed):
        raise BundleError(
            f"{name} would unpack {member.packed} bytes to {member.size}: a zip bomb, not read"
        )


def _check_layout(stream: BinaryIO, members: list[_Member], end: int) -> None:
    """Raise ``BundleError`` unless the members lie end to end and their headers say the same."""
    position = 0
    for member in sorted(members, key=lambda m: m.head):
        stream.seek(member.head)
        head = stream.read(_HEAD.size + len(member.name))
        wanted = (b"PK\x03\x04", *member[:5], len(member.name), 0, member.name)
        if member.head != position or len(head) < _HEAD.size + len(member.name):
            break
        signature, _, flags, method, _, _, *rest = _HEAD.unpack(head[: _HEAD.size])
        if (signature, flags, method, *rest, head[_HEAD.size :]) != wanted:
            break
        position += len(head) + member.packed
    else:
        if position == end:
            return
    raise BundleError(
        "a zip, but its members overlap, have gaps or contradict its directory; export it again"
    )
