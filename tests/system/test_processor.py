"""What Linux reports of its processor is read right; other systems are no error."""

import os

import pytest

import bmis.system.control_groups
import bmis.system.processor
from bmis.system.processor import (
    computes_bf16,
    container_cores,
    processor_flags,
    processor_name,
    usable_cores,
)


@pytest.fixture
def cpuinfo(tmp_path, monkeypatch):
    monkeypatch.setattr(bmis.system.processor, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(bmis.system.processor, "_BOARD", tmp_path / "model")
    return tmp_path / "cpuinfo"


def test_x86(cpuinfo):
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Some: CPU\nflags\t\t: sse avx512_bf16\n")
    assert processor_name() == "Some: CPU"
    assert processor_flags() == {"sse", "avx512_bf16"}


def test_arm(cpuinfo, monkeypatch):
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    cpuinfo.write_text("processor\t: 0\nFeatures\t: fp asimd bf16\nCPU part\t: 0xd0b\n")
    assert processor_name() == "aarch64"
    assert processor_flags() == {"fp", "asimd", "bf16"}
    cpuinfo.with_name("model").write_text("Raspberry Pi 5 Model B Rev 1.0\0")
    assert processor_name() == "Raspberry Pi 5 Model B Rev 1.0"


def test_elsewhere(cpuinfo, monkeypatch):
    monkeypatch.setattr("platform.processor", lambda: "arm")
    assert (processor_name(), processor_flags()) == ("arm", frozenset())


@pytest.mark.parametrize(
    ("flags", "torch", "onnxruntime"),
    [
        ({"avx512_bf16"}, True, False),
        ({"amx_bf16"}, True, False),
        ({"bf16", "asimd"}, False, True),
        ({"avx512f"}, False, False),
        (set(), False, False),
    ],
)
def test_bf16_is_computed_where_the_flags_say_so(monkeypatch, flags, torch, onnxruntime):
    monkeypatch.setattr(bmis.system.processor, "processor_flags", lambda: frozenset(flags))
    assert computes_bf16("torch") is torch
    assert computes_bf16("onnxruntime") is onnxruntime


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Two cores of two threads each: 0 and 2, 1 and 3."""
    for number in range(4):
        file = tmp_path / f"cpu{number}" / "topology" / "thread_siblings_list"
        file.parent.mkdir(parents=True)
        file.write_text(f"{number % 2},{number % 2 + 2}\n")
    monkeypatch.setattr(bmis.system.processor, "_CORES", tmp_path)
    monkeypatch.setattr(bmis.system.control_groups, "_OWN", tmp_path / "own")
    monkeypatch.setattr(bmis.system.control_groups, "_ROOT", tmp_path / "groups")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    return tmp_path


def test_threads_of_one_core_count_once(machine):
    assert usable_cores() == 2


@pytest.mark.parametrize(("pinned", "cores"), [({0}, 1), ({0, 2}, 1), ({2, 3}, 2)])
def test_a_pinned_process_has_its_own_cores_alone(machine, monkeypatch, pinned, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: pinned)
    assert usable_cores() == cores


def test_without_a_topology_each_processor_is_a_core(machine, monkeypatch):
    monkeypatch.setattr(bmis.system.processor, "_CORES", machine / "missing")
    assert usable_cores() == 4


def limit(folder, **files):
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("quota", "cores", "container"),
    [
        ("100000 100000", 1, 1),
        ("50000 100000", 1, 1),
        ("150000 100000", 1, 1),
        ("400000 100000", 2, 4),
        ("max 100000", 2, None),
        ("", 2, None),
        ("100000", 2, None),
        ("100000 0", 2, None),
    ],
)
@pytest.mark.parametrize(("own", "place"), [("/", ""), ("/a/b", "a/b"), ("/a/b", "a"), ("/a", "")])
def test_a_container_gets_what_it_may_use(machine, own, place, quota, cores, container):
    """Its group may be the root, as it sees it, or that of the machine; outer limits hold too."""
    (machine / "own").write_text(f"0::{own}\n")
    limit(machine / "groups" / place, cpu__max=quota)
    assert (usable_cores(), container_cores()) == (cores, container)


@pytest.mark.parametrize("place", ["cpu/docker/x", "cpu", "cpu,cpuacct/docker/x", "cpu,cpuacct"])
@pytest.mark.parametrize(("quota", "container"), [(100000, 1), (350000, 3), (-1, None)])
def test_the_first_version_of_control_groups_is_read_too(machine, place, quota, container):
    (machine / "own").write_text("5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/docker/x\n")
    limit(machine / "groups" / place, cpu__cfs_quota_us=quota, cpu__cfs_period_us=100000)
    assert container_cores() == container
    assert usable_cores() == min(2, container or 2)


def test_the_tightest_of_several_limits_counts(machine):
    (machine / "own").write_text("0::/a/b\n")
    limit(machine / "groups" / "a" / "b", cpu__max="300000 100000")
    (machine / "groups" / "a" / "cpu.max").write_text("200000 100000")
    assert container_cores() == 2


def test_unreadable_lines_are_passed_over(machine):
    (machine / "own").write_text("nonsense\n\n1:\n0::/../outside\n")
    limit(machine / "groups" / "outside", cpu__max="100000 100000")
    assert container_cores() == 1


def test_where_nothing_is_pinned_all_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1
