"""What is remembered comes back; where nothing can be kept, nothing is."""

import json
from pathlib import Path

import pytest

import bmis.system.cache
from bmis.system.cache import recall, remember


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "bmis"


def test_what_is_remembered_comes_back(folder):
    remember("a.json", {"question": "answer"})
    assert recall("a.json") == {"question": "answer"}
    assert recall("b.json") == {}
    assert [path.name for path in folder.iterdir()] == ["a.json"]


def test_entries_of_another_form_are_left_out(folder):
    folder.mkdir()
    (folder / "a.json").write_text('{"one": 1, "two": "2", "three": ["3"]}')
    assert recall("a.json") == {"two": "2"}


def test_only_so_many_entries_are_kept(folder, monkeypatch):
    monkeypatch.setattr(bmis.system.cache, "_MOST_ENTRIES", 2)
    remember("a.json", {"one": "1", "two": "2", "three": "3"})
    assert list(json.loads((folder / "a.json").read_text())) == ["two", "three"]


def no_home(*_, **__):
    raise RuntimeError("no home")


@pytest.mark.parametrize("answer", [no_home, lambda *_, **__: Path("~/.cache/bmis")])
def test_a_user_without_a_home_has_no_cache(tmp_path, monkeypatch, answer):
    """What platformdirs answers then depends on its version."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platformdirs.user_cache_path", answer)
    remember("a.json", {"question": "answer"})
    assert recall("a.json") == {}
    assert list(tmp_path.iterdir()) == []


def test_the_cache_lies_where_the_system_wants_it(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    remember("a.json", {"question": "answer"})
    assert (tmp_path / ".cache" / "bmis" / "a.json").is_file()
