"""Free memory counts the container; a limit is kept, lifted again, or refused."""

import resource
import sys

import numpy as np
import pytest

import bmis.system.control_groups
import bmis.system.memory
from bmis.errors import ConfigError
from bmis.system.memory import _taken, free_memory, memory_limit, peak_resident

MEGABYTE = 2**20


@pytest.fixture
def before():
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    yield limits
    assert resource.getrlimit(resource.RLIMIT_DATA) == limits


def test_who_asks_for_more_gets_nothing(before):
    with memory_limit(_taken() + 100):
        assert np.ones(10 * MEGABYTE, np.uint8).all()
        with pytest.raises(MemoryError):
            np.ones(4000 * MEGABYTE, np.uint8)  # more than what is free in the heap of any test
    assert len(np.ones(200 * MEGABYTE, np.uint8))


def test_it_is_lifted_after_an_error_too(before):
    with pytest.raises(KeyError), memory_limit(_taken() + 100):
        raise KeyError


def test_none_is_no_limit(before):
    with memory_limit(None):
        assert resource.getrlimit(resource.RLIMIT_DATA) == before


@pytest.mark.parametrize("more", [-10000, -1])
def test_a_limit_that_leaves_too_little_is_refused(before, monkeypatch, more):
    monkeypatch.setattr(bmis.system.memory, "_taken", lambda: 500)
    wanted = f"of {564 + more} MB is too low, 500 MB are taken before .*; give 564 or more"
    with pytest.raises(ConfigError, match=wanted), memory_limit(564 + more):
        pass


def test_other_systems_say_that_they_cannot(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ConfigError, match="needs Linux, this is darwin"), memory_limit(1000):
        pass


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """A machine with 8000 bytes free, whose control groups are files in a folder."""

    class Machine:
        available = 8000

    monkeypatch.setattr("psutil.virtual_memory", Machine)
    monkeypatch.setattr(bmis.system.control_groups, "_OWN", tmp_path / "own")
    monkeypatch.setattr(bmis.system.control_groups, "_ROOT", tmp_path / "groups")
    return tmp_path


def write_group(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")


def test_without_a_container_all_that_the_machine_has_is_free(groups):
    assert free_memory() == 8000
    (groups / "own").write_text("0::/\n")
    assert free_memory() == 8000
    write_group(groups / "groups", memory__max="max", memory__current=7999)
    assert free_memory() == 8000


@pytest.mark.parametrize(
    ("limit", "used", "cached", "free"),
    [(5000, 1000, 0, 4000), (5000, 4000, 500, 1500), (90000, 1000, 0, 8000), (5000, 5001, 0, 0)],
)
def test_a_container_has_what_its_limit_leaves(groups, limit, used, cached, free):
    (groups / "own").write_text("0::/a/b\n")
    statistics = f"anon 1\ninactive_file {cached}\nslab 3"
    write_group(
        groups / "groups" / "a" / "b",
        memory__max=limit, memory__current=used, memory__stat=statistics,
    )  # fmt: skip
    assert free_memory() == free


def test_the_tightest_of_several_limits_counts(groups):
    (groups / "own").write_text("0::/a/b\n")
    write_group(groups / "groups" / "a" / "b", memory__max=5000, memory__current=0)
    write_group(groups / "groups" / "a", memory__max=3000, memory__current=1000)
    write_group(groups, memory__max=1, memory__current=0)  # outside of the control groups
    assert free_memory() == 2000


@pytest.mark.parametrize("place", ["memory/docker/x", "memory"])
def test_the_first_version_of_control_groups_is_read_too(groups, place):
    """The folder may be that of the machine, or the root as the container sees it."""
    (groups / "own").write_text("5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/docker/x\n")
    write_group(
        groups / "groups" / place,
        memory__limit_in_bytes=6000,
        memory__usage_in_bytes=1000,
        memory__stat="inactive_file 1\ntotal_inactive_file 200",
    )
    assert free_memory() == 5200


def test_the_peak_is_at_least_what_was_held(before):
    np.ones(50 * MEGABYTE, np.uint8)
    assert peak_resident() > 50 * MEGABYTE


def test_other_systems_do_not_know_the_peak(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert peak_resident() is None
