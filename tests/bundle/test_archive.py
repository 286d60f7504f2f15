"""The zip: whatever ``unzip`` may be talked into, this reader refuses."""

import io
import os
import stat
import struct
import zipfile
import zlib

import pytest

from bmis.bundle import archive, read_bundle
from bmis.bundle.archive import Archive, pack
from bmis.errors import BundleError
from helpers.bundles import unzip, write_tiny, zipped

FILES = {"manifest.json": b'{"a": 1}', "deep/er/model.onnx": os.urandom(3000), "empty": b""}


def opened(data):
    return Archive(io.BytesIO(data))


def read_all(data):
    found = opened(data)
    return {name: found.read(name) for name in found.sizes}


def refused(data, match):
    with pytest.raises(BundleError, match=match):
        read_all(data)


def entry(data, name):
    """Where a member's entry in the directory begins, and its head."""
    place = data.index(b"PK\x01\x02")
    while data[place + 46 : place + 46 + len(name)] != name.encode():
        place = data.index(b"PK\x01\x02", place + 1)
    return place, struct.unpack("<I", data[place + 42 : place + 46])[0]


def patched(data, name, *, at, head_at, value):
    """A field changed in the directory (``at``) and, where given, before the member."""
    changed = bytearray(data)
    place, head = entry(data, name)
    changed[place + at : place + at + len(value)] = value
    if head_at is not None:
        changed[head + head_at : head + head_at + len(value)] = value
    return bytes(changed)


def test_what_is_packed_is_read_by_this_reader_and_by_any_other():
    data = pack(FILES)
    assert read_all(data) == FILES
    assert opened(data).sizes == {name: len(content) for name, content in FILES.items()}
    with zipfile.ZipFile(io.BytesIO(data)) as other:
        assert {name: other.read(name) for name in other.namelist()} == FILES
        assert other.testzip() is None


def test_stored_members_are_read_too():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as writer:
        for name, content in FILES.items():
            writer.writestr(name, content)
    assert read_all(buffer.getvalue()) == FILES


def test_large_members_come_in_pieces(monkeypatch):
    monkeypatch.setattr(archive, "_CHUNK", 1000)
    content = os.urandom(5000) + bytes(200_000)
    pieces = list(opened(pack({"a": content})).chunks("a"))
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 1000


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip" * 100, b"PK\x03\x04" + bytes(100)])
def test_what_is_no_zip_is_refused(data):
    refused(data, "not a whole zip file")


def test_a_zip_without_members_is_refused():
    refused(zipped({}), "not as bmis writes it")


def test_every_truncation_is_refused():
    data = pack(FILES)
    for length in range(len(data)):
        refused(data[:length], "zip")


@pytest.mark.parametrize("extra", [b"x", b"\0" * 4096])
def test_bytes_before_between_and_after_are_refused(extra):
    data = pack(FILES)
    refused(extra + data, "foreign bytes")
    refused(data + extra, "not a whole zip")
    start = data.index(b"PK\x01\x02")
    end = bytearray(data[start:])
    end[-6:-2] = struct.pack("<I", start + len(extra))
    refused(data[:start] + extra + end, "have gaps")


NAMES = [
    *("/etc/passwd", "../up", "a/../../up", "a/..", "..", ".", ".hidden", "a//b", "a/"),
    *("a\\b", "C:\\x", "C:x", "~", "a b", "a\nb", "caf\u00e9", "a\x1b[2J", ""),
]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", NAMES)
def test_names_that_could_lead_elsewhere_are_refused(name):
    buffer = io.BytesIO()
    info = zipfile.ZipInfo("x")
    info.filename = name  # its constructor would fix it
    with zipfile.ZipFile(buffer, "w") as writer:
        writer.writestr(info, b"1")
    refused(buffer.getvalue(), "the member name .* is not allowed")


def test_a_null_byte_in_a_name_is_refused():
    data = pack({"model.onnx": b"1"}).replace(b"model.onnx", b"model\0onnx")
    refused(data, "the member name .* is not allowed")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as writer:
        writer.writestr("model.onnx", b"1")
        writer.writestr("model.onnx", b"2")
    refused(buffer.getvalue(), "model.onnx is in it twice")


def test_encrypted_members_are_refused():
    data = patched(pack(FILES), "empty", at=8, head_at=6, value=b"\x01\0")
    refused(data, "'empty' is encrypted")
    refused(patched(pack(FILES), "empty", at=8, head_at=6, value=b"\x08\0"), "zip flags 0x8")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(method):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as writer:
        writer.writestr("model.onnx", b"1" * 100)
    refused(buffer.getvalue(), f"compression method {method}|zip flags")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_folders_are_refused(kind):
    value = struct.pack("<I", (kind | 0o644) << 16)
    data = patched(pack(FILES), "empty", at=38, head_at=None, value=value)
    refused(data, "'empty' is a link or folder")
    refused(
        patched(pack(FILES), "empty", at=38, head_at=None, value=b"\x10\0\0\0"), "link or folder"
    )


@pytest.mark.parametrize("field", [20, 24])
def test_a_member_that_claims_gigabytes_is_refused_from_the_directory_alone(field):
    value = struct.pack("<I", 0xFFFFFFFF)  # what 10 GB look like: the true size follows elsewhere
    data = patched(pack(FILES), "empty", at=field, head_at=None, value=value)
    with pytest.raises(BundleError, match="empty claims 4294967295 bytes, the limit is 1073741824"):
        opened(data)


def test_members_of_ten_gigabytes_as_other_tools_write_them_are_refused():
    entry = zipfile.ZipInfo("model.onnx")
    entry.file_size, entry.compress_size = 10 << 30, 10 << 20
    data = zipped({"model.onnx": b"1"})
    start = data.index(b"PK\x01\x02")
    field = struct.pack("<HHQQ", 1, 16, 10 << 30, 10 << 20)
    directory = bytearray(data[start : start + 56]) + field
    directory[20:28] = b"\xff" * 8
    directory[30:32] = struct.pack("<H", len(field))
    end = bytearray(data[-22:])
    end[12:16] = struct.pack("<I", len(directory))
    refused(data[:start] + directory + end, "claims 4294967295 bytes")


def test_a_zip_bomb_is_refused_from_the_directory_alone():
    data = pack({"model.onnx": bytes(20 << 20)})
    with pytest.raises(BundleError, match=r"model.onnx would unpack 20.* to 20971520: a zip bomb"):
        opened(data)
    assert opened(pack({"model.onnx": bytes(16 << 20)})).sizes == {"model.onnx": 16 << 20}


def test_the_sum_of_all_members_has_a_limit(monkeypatch):
    monkeypatch.setattr(archive, "TOTAL_LIMIT", 4000)
    assert opened(pack({"a": bytes(2000), "b": bytes(2000)})).sizes == {"a": 2000, "b": 2000}
    refused(pack({"a": bytes(2000), "b": bytes(2001)}), "claims 4001 bytes in all")
    refused(pack({"a": os.urandom(4001)}), r"\d+ bytes, the limit is 4000")


def test_more_than_was_announced_is_never_unpacked(monkeypatch):
    monkeypatch.setattr(archive, "_CHUNK", 1000)
    data = pack({"model.onnx": bytes(50_000)})
    data = patched(data, "model.onnx", at=24, head_at=22, value=struct.pack("<I", 1500))
    pieces = []
    with pytest.raises(BundleError, match="damaged or cut short"):
        pieces.extend(opened(data).chunks("model.onnx"))
    assert sum(map(len, pieces)) <= 1500


def test_less_than_was_announced_is_refused():
    data = pack({"model.onnx": bytes(500)})
    refused(patched(data, "model.onnx", at=24, head_at=22, value=struct.pack("<I", 501)), "damaged")


def test_a_stream_that_ends_early_or_late_is_refused():
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    whole = deflate.compress(b"abc" * 100) + deflate.flush()
    for packed in (whole[:-1], whole + b"x", b"", b"\xff" * 10):
        data = bytearray(pack({"a": b"abc" * 100}))
        start = data.index(b"PK\x01\x02")
        head, directory, end = data[:31], data[start:-22], data[-22:]
        head[18:22] = directory[20:24] = struct.pack("<I", len(packed))
        end[16:20] = struct.pack("<I", 31 + len(packed))
        refused(bytes(head + packed + directory + end), "a is damaged")


def test_overlapping_members_are_refused():
    data = pack({"a": b"1" * 100, "b": b"1" * 100})
    head = entry(data, "a")[1]
    refused(
        patched(data, "b", at=42, head_at=None, value=struct.pack("<I", head)), "members overlap"
    )


# signature, flags, method, sum, packed and unpacked size, lengths of name and extra, name
@pytest.mark.parametrize("offset", [0, 7, 8, 14, 18, 22, 26, 28, 30])
def test_a_head_that_contradicts_the_directory_is_refused(offset):
    data = bytearray(pack(FILES))
    data[entry(bytes(data), "empty")[1] + offset] ^= 1
    refused(bytes(data), "contradict its directory")


@pytest.mark.parametrize("offset", [0, 4, 6, 8, 10, 12, 16, 20])
def test_an_end_that_does_not_fit_is_refused(offset):
    data = bytearray(pack(FILES))
    data[len(data) - 22 + offset] ^= 1
    refused(bytes(data), "zip")


@pytest.mark.parametrize("offset", [30, 32, 34])
def test_extra_fields_comments_and_other_disks_are_refused(offset):
    data = bytearray(pack(FILES))
    data[entry(bytes(data), "empty")[0] + offset] = 1
    refused(bytes(data), "extra fields")


def test_members_that_are_not_counted_are_refused():
    data = bytearray(pack(FILES))
    data[-14] = data[-12] = len(FILES) - 1
    refused(bytes(data), "its directory is damaged")
    data[-14] = data[-12] = len(FILES) + 1
    refused(bytes(data), "its directory is damaged")


def test_a_directory_that_is_no_directory_is_refused():
    data = bytearray(pack(FILES))
    data[entry(bytes(data), "empty")[0]] = 0
    refused(bytes(data), "its directory is damaged")


def test_every_content_is_checked_against_its_sum():
    data = patched(pack(FILES), "empty", at=16, head_at=14, value=b"\1\0\0\0")
    refused(data, "empty is damaged or cut short")


def test_too_many_members_are_refused():
    refused(zipped({f"m{number}": b"" for number in range(65)}), "not as bmis writes it")


def test_a_zip_of_something_else_is_not_a_bundle(tmp_path):
    path = tmp_path / "report.bmis"
    path.write_bytes(zipped({"word/document.xml": b"<w/>"}))
    with pytest.raises(BundleError, match=r"report.bmis: a zip, but not a bundle of bmis; name"):
        read_bundle(path)


def test_reading_writes_nothing_anywhere(tmp_path, monkeypatch):
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    path = write_tiny(inside / "lesion.bmis", int8=True)
    before = path.read_bytes()
    bundle = read_bundle(path)
    for name in unzip(before)[1]:
        bundle.read(name)
    assert sorted(tmp_path.rglob("*")) == [inside, path]
    assert path.read_bytes() == before
