"""This machine's processor: its name, what it can compute, and the cores that we may use."""

import os
import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_CORES = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds of work, of how many


def processor_name() -> str:
    """What the processor calls itself; its architecture where it does not say."""
    for line in _cpuinfo().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def processor_flags() -> frozenset[str]:
    """Instructions that Linux reports, such as "avx512_bf16"; empty elsewhere."""
    for line in _cpuinfo().splitlines():
        if line.startswith(("flags", "Features")):  # on x86, on ARM
            return frozenset(line.split(":", 1)[1].split())
    return frozenset()


def computes_bf16() -> bool:
    """Whether an x86 processor has instructions for bfloat16; always False elsewhere than on Linux.

    Where they are not known of, float32 is always right.
    """
    return not processor_flags().isdisjoint({"avx512_bf16", "amx_bf16"})


def usable_cores() -> int:
    """Cores that this process may use, at least 1.

    Two hardware threads of one core count once: networks keep its arithmetic units busy with one.
    What the process is pinned to and what its container may use are respected.
    """
    try:
        allowed = os.sched_getaffinity(0)
    except AttributeError:  # not Linux
        return os.cpu_count() or 1
    siblings = "topology/thread_siblings_list"
    cores = {_read(_CORES / f"cpu{number}" / siblings) or str(number) for number in allowed}
    quota, _, period = _read(_QUOTA).partition(" ")
    most = int(quota) // int(period) if quota.isdecimal() and int(period or 0) else len(cores)
    return max(1, min(len(cores), most))


def _cpuinfo() -> str:
    return _read(_CPUINFO)


def _read(path: Path) -> str:
    """The text of a small system file; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
