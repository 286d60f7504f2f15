"""Versions are those of what is installed; code that differs never looks the same."""

import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bmis.system.environment import (
    changes,
    influences,
    software_versions,
    source_commit,
    source_hash,
)

ROOT = Path(__file__).parents[2]


def test_versions_are_those_of_what_is_installed():
    found = software_versions(("numpy", "no-such-package"))
    assert found == {
        "python": platform.python_version(),
        "system": platform.platform(),
        "numpy": np.__version__,
        "no-such-package": None,
        "source": source_hash(),
        "commit": source_commit(),
    }


@pytest.fixture
def package(tmp_path):
    """``src/bmis`` of two files, in a folder that is no checkout yet."""
    folder = tmp_path / "src" / "bmis"
    (folder / "train").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "train" / "run.py").write_text("EPOCHS = 60")
    source_hash.cache_clear()
    source_commit.cache_clear()
    return folder


def changed(package, change):
    before = source_hash(package)
    change()
    source_hash.cache_clear()
    return source_hash(package) != before


def test_the_hash_follows_names_and_content_of_source_files_only(package):
    run = package / "train" / "run.py"
    assert changed(package, lambda: run.write_text("EPOCHS = 61"))
    assert changed(package, lambda: run.rename(package / "run.py"))
    assert changed(package, lambda: (package / "new.py").write_text(""))
    assert not changed(package, lambda: (package / "counts.csv").write_text("1"))
    copy = shutil.copytree(package, package.parents[1] / "elsewhere")
    assert source_hash(copy) == source_hash(package)


def test_what_cannot_be_read_has_no_hash(package, tmp_path):
    assert source_hash(tmp_path / "nothing") is None
    (package / "dangling.py").symlink_to(tmp_path / "gone")
    assert source_hash(package) is None


def git(folder, *args):
    settings = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    run = ["git", *settings, "-C", str(folder), *args]
    return subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()


def commit_of(package):
    source_commit.cache_clear()
    return source_commit(package)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_that_of_the_checkout_and_changes_are_said(package, monkeypatch):
    root = package.parents[1]
    assert commit_of(package) is None
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    commit = git(root, "rev-parse", "HEAD")[:12]
    assert commit_of(package) == commit
    (root / "notes.txt").write_text("not of the package")
    assert commit_of(package) == commit
    monkeypatch.setenv("GIT_DIR", str(ROOT / ".git"))  # as in a hook of another repository
    assert commit_of(package) == commit
    (package / "new.py").write_text("")
    assert commit_of(package) == f"{commit}+changes"
    installed = root / "lib" / "bmis"  # a checkout around it is not its own
    shutil.copytree(package, installed)
    assert commit_of(installed) is None


@pytest.mark.parametrize(
    "answer",
    [
        FileNotFoundError("git"),
        PermissionError("git"),
        subprocess.TimeoutExpired("git", 5),
        subprocess.CalledProcessError(128, "git"),
    ],
)
def test_without_an_answer_of_git_there_is_no_commit(package, monkeypatch, answer):
    (package.parents[1] / ".git").mkdir()

    def fail(*_, **__):
        raise answer

    monkeypatch.setattr(subprocess, "run", fail)
    assert commit_of(package) is None


def test_code_and_commit_are_looked_up_once(monkeypatch):
    before = software_versions(())

    def fail(*_, **__):
        raise AssertionError("looked up again")

    monkeypatch.setattr(subprocess, "run", fail)
    monkeypatch.setattr(Path, "read_bytes", fail)
    assert software_versions(()) == before


def test_what_may_change_a_result_is_compared_and_nothing_else():
    before = {"source": "a", "torch": "2.8", "system": "Linux 6.1", "threads": 2}
    now = {"source": "b", "torch": "2.8", "system": "Linux 6.2", "threads": 2, "device": "cpu"}
    one, other = (
        influences(before, {"clip": 1.0, "augmentation": {"scale": [1, 2]}}),
        influences(now, {"clip": 0.0, "augmentation": {"scale": (1, 2)}}),
    )
    assert changes(one, other) == "code a, now b; recipe clip 1.0, now 0.0"
    assert changes({}, other) == changes(other, other) == ""
