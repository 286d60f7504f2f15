"""Only ordinary files are opened, and no more of them is read than is wanted."""

import os

import pytest

from bmis.errors import DataError
from bmis.system.files import write_text
from bmis.system.reading import open_file, read_bytes, read_text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot be read \(No such file.*\); check the path"),
        (b"\xff\xfe", "is not UTF-8 text; save it as UTF-8"),
        (b"x" * 17, "has more than 16 bytes; name the right file"),
    ],
)
def test_a_text_that_cannot_be_used_is_refused_in_one_line(tmp_path, content, message):
    file = tmp_path / "notes.md"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=rf"notes.md: {message}"):
        read_text(file, limit=16)


def test_a_text_is_read_as_it_was_written(tmp_path):
    write_text(tmp_path / "a.txt", "Größe\n5 µm")
    assert read_text(tmp_path / "a.txt") == "Größe\n5 µm"


def test_the_mark_at_the_start_and_the_ends_of_lines_of_windows_are_no_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfa\r\nb")
    assert read_text(tmp_path / "a.txt") == "a\nb"


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "link to a device"])
def test_what_is_no_ordinary_file_is_refused_before_it_is_opened(tmp_path, kind):
    file = tmp_path / "splits.csv"
    if kind == "pipe":
        os.mkfifo(file)  # opening it would wait for ever
    elif kind == "folder":
        file.mkdir()
    elif kind == "device":
        file = type(file)("/dev/zero")
    else:
        file.symlink_to("/dev/zero")
    for read in (open_file, read_text, lambda path: read_bytes(path, limit=9)):
        with pytest.raises(DataError, match=r"cannot be read \(a folder, pipe or device\)"):
            read(file)


@pytest.mark.parametrize("name", ["a" * 300, "a\0b"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path, name):
    with pytest.raises(DataError, match=r"cannot be read .*; check the path"):
        open_file(tmp_path / name)
