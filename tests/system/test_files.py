"""Files are whole or not there, and folders are tried before the work."""

import json
import os

import msgspec
import pytest

from bmis.errors import DataError
from bmis.system.files import atomic, output_folder, write_json, write_text


def test_the_name_appears_only_when_the_block_has_ended(tmp_path):
    target = tmp_path / "mask.png"
    with atomic(target) as temporary:
        assert temporary.parent == tmp_path  # a rename cannot cross file systems
        assert temporary.suffix == ".png"  # writers choose the format by it
        temporary.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "log.csv"
    target.write_text("old")
    with pytest.raises(type(error)), atomic(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_what_the_system_refuses_names_the_file_that_was_wanted(tmp_path):
    target = tmp_path / "nowhere" / "log.csv"
    with pytest.raises(DataError, match=r"nowhere/log.csv: cannot be written \(No such file"):
        write_text(target, "x")


def test_text_is_utf_8_and_json_is_plain(tmp_path):
    write_text(tmp_path / "a.txt", "Größe 5 µm")
    assert (tmp_path / "a.txt").read_bytes() == "Größe 5 µm".encode()
    write_json(tmp_path / "a.json", {"a": [1, None, 0.5]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [1, None, 0.5]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "b.json", {"a": float("nan")})
    assert not (tmp_path / "b.json").exists()


def test_bytes_of_names_that_are_no_text_give_json_that_every_reader_takes(tmp_path):
    write_json(tmp_path / "a.json", {os.fsdecode(b"caf\xe9"): "Größe"})
    read = msgspec.json.decode((tmp_path / "a.json").read_bytes())
    assert read == {"caf\\udce9": "Größe"}


def test_an_output_folder_is_made_with_its_parents_and_left_empty(tmp_path):
    folder = output_folder(tmp_path / "a" / "b")
    assert folder.is_dir()
    assert list(folder.iterdir()) == []
    assert output_folder(folder) == folder


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/bmis"])
def test_a_place_that_cannot_be_written_is_refused(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write here \(.+\); choose another"):
        output_folder(tmp_path / place)


def test_a_folder_that_is_there_but_read_only_is_refused(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)  # root may write anywhere
    with pytest.raises(DataError, match=r"cannot write here \(Permission denied\)"):
        output_folder(tmp_path)
