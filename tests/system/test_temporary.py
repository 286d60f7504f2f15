"""Unfinished files have short names, and the next process removes those of dead ones."""

import os
import subprocess
import sys
import time

import pytest

from bmis.system.files import write_text
from bmis.system.temporary import remove_remains, temporary_name


@pytest.fixture(autouse=True)
def _forget():
    """Every test looks into its folder for the first time."""
    remove_remains.cache_clear()


def a_dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_longest_name_that_a_file_can_have_can_be_written(tmp_path):
    for name in ("a" * 251 + ".csv", "é" * 125 + ".png", "b" * 255, "c." + "d" * 253):
        write_text(tmp_path / name, "x")
        assert (tmp_path / name).read_text() == "x"


def test_what_a_dead_process_left_is_removed_by_the_next_one_that_writes(tmp_path):
    left = tmp_path / temporary_name(".png").replace(f"-{os.getpid()}-", f"-{a_dead_process()}-")
    left.write_text("half")
    write_text(tmp_path / "a.csv", "x")
    assert names(tmp_path) == ["a.csv"]


def test_so_is_a_folder_with_all_that_is_in_it(tmp_path):
    left = tmp_path / temporary_name("").replace(f"-{os.getpid()}-", f"-{a_dead_process()}-")
    (left / "images").mkdir(parents=True)
    (left / "images" / "a.png").write_text("half")
    (tmp_path / temporary_name("")).mkdir()  # of this process, which may be writing it
    remove_remains(tmp_path)
    assert not left.exists()
    assert len(names(tmp_path)) == 1


def test_what_may_still_be_written_or_is_not_ours_stays(tmp_path):
    mine = temporary_name(".png")
    dead = a_dead_process()
    elsewhere = f".bmis-ffffff-{dead}-{'0' * 8}.tmp.png"  # of another machine
    kept = [mine, elsewhere, ".bmis-notes.tmp", f".other-{dead}.tmp", "mask.png"]
    for name in kept:
        (tmp_path / name).write_text("x")
    remove_remains(tmp_path)
    assert names(tmp_path) == sorted(kept)


def test_after_a_day_the_machine_does_not_matter(tmp_path):
    old = tmp_path / f".bmis-ffffff-1-{'0' * 8}.tmp"
    old.write_text("half")
    os.utime(old, (time.time() - 90_000,) * 2)
    remove_remains(tmp_path)
    assert names(tmp_path) == []
