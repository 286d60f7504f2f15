"""This machine's processor: its name, what it can compute, and the cores that we may use."""

import os
import platform
from pathlib import Path

from bmis.system.control_groups import group_folders, numbers
from bmis.system.files import read_system_file

_CPUINFO = Path("/proc/cpuinfo")
_BOARD = Path("/proc/device-tree/model")  # of ARM boards, whose processors have no name there
_CORES = Path("/sys/devices/system/cpu")
_QUOTA = {  # version of the control groups -> files of microseconds of work, of how many
    1: ("cpu.cfs_quota_us", "cpu.cfs_period_us"),
    2: ("cpu.max",),
}
_BF16_FLAGS = {  # of the processors on which a library computes in bf16
    "torch": {"avx512_bf16", "amx_bf16"},
    "onnxruntime": {"bf16"},  # as ARM calls it; on x86 it has none
}


def processor_name() -> str:
    """What the processor or its board calls itself, or the architecture where neither has a name.

    Example:
        >>> bool(processor_name())
        True
    """
    for line in _cpuinfo().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return read_system_file(_BOARD).strip("\0 \n") or platform.processor() or platform.machine()


def processor_flags() -> frozenset[str]:
    """Instructions that Linux reports, such as "avx512_bf16"; empty elsewhere.

    Example:
        >>> "no_such_instruction" in processor_flags()
        False
    """
    for line in _cpuinfo().splitlines():
        if line.startswith(("flags", "Features")):  # on x86, on ARM
            return frozenset(line.split(":", 1)[1].split())
    return frozenset()


def computes_bf16(library: str) -> bool:
    """Whether this processor has bfloat16 that a library uses; False where its flags are unknown.

    Args:
        library: "torch" or "onnxruntime".

    Example:
        >>> isinstance(computes_bf16("torch"), bool)
        True
    """
    return not processor_flags().isdisjoint(_BF16_FLAGS[library])


def usable_cores() -> int:
    """Cores that this process may use, at least 1.

    Two hardware threads of one core count once, because networks keep its arithmetic units busy
    with one. The cores that the process is pinned to count alone, and so does what its container
    may use.

    Example:
        >>> usable_cores() >= 1
        True
    """
    try:
        allowed = os.sched_getaffinity(0)
    except AttributeError:  # not Linux
        return os.cpu_count() or 1
    siblings = "topology/thread_siblings_list"
    cores = {
        read_system_file(_CORES / f"cpu{number}" / siblings) or str(number) for number in allowed
    }
    return max(1, min(len(cores), container_cores() or len(cores)))


def container_cores() -> int | None:
    """Whole cores that the container leaves to this process, at least 1; None without a limit.

    Example:
        >>> container_cores() is None or container_cores() >= 1
        True
    """
    found = [numbers(folder, *_QUOTA[version]) for folder, version in group_folders("cpu")]
    shares = [one[0] // one[1] for one in found if one and len(one) == 2 and one[1]]
    return max(1, min(shares)) if shares else None


def _cpuinfo() -> str:
    return read_system_file(_CPUINFO)
