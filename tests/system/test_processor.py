"""What Linux reports of its processor is read right; other systems are no error."""

import os

import pytest

import bmis.system.processor
from bmis.system.processor import computes_bf16, processor_flags, processor_name, usable_cores


@pytest.fixture
def cpuinfo(tmp_path, monkeypatch):
    monkeypatch.setattr(bmis.system.processor, "_CPUINFO", tmp_path / "cpuinfo")
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
    monkeypatch.setattr(bmis.system.processor, "_QUOTA", tmp_path / "cpu.max")
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


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("100000 100000", 1), ("50000 100000", 1), ("400000 100000", 2), ("max 100000", 2), ("", 2)],
)
def test_a_container_gets_what_it_may_use(machine, quota, cores):
    (machine / "cpu.max").write_text(quota)
    assert usable_cores() == cores


def test_where_nothing_is_pinned_all_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1
