"""The memory of this process: what is left for it, what it took, and a limit that it is given."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bmis.errors import ConfigError
from bmis.system.control_groups import group_folders, numbers
from bmis.system.files import read_system_file

_STATUS = Path("/proc/self/status")
_FILES = {  # version of the control groups -> limit, use, and in memory.stat what can be dropped
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}
_LEAST = 64  # megabytes to work with; with less, the start of a thread can end the process


def free_memory() -> int:
    """Bytes that this process can still take without swapping; never below 0.

    This is what the machine has left, or what the limit of a container leaves if that is less.
    Files that the system keeps in memory count as free, because it drops them when asked for more.

    Example:
        >>> free_memory() > 2**20
        True
    """
    from psutil import virtual_memory

    return max(0, min([int(virtual_memory().available), *_left_in_groups()]))


def peak_resident() -> int | None:
    """The most bytes of memory that this process ever held, libraries included; None off Linux.

    Example:
        >>> peak = peak_resident()
        >>> peak is None or peak > 2**20
        True
    """
    if not sys.platform.startswith("linux"):
        return None
    # psutil has no peak, and getrusage counts the process that started this one
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


@contextmanager
def memory_limit(megabytes: int | None) -> Iterator[None]:
    """Let the process take no more than this for its data while the block runs; Linux only.

    All memory counts that the process may write to and shares with no other process: arrays,
    weights, stacks of threads. The code of libraries does not count. A request for more ends in a
    ``MemoryError``, or in what a library makes of it.

    Args:
        megabytes: The limit, in units of 2**20 bytes; None for no limit.

    Raises:
        ConfigError: This is not Linux, or the process has already taken almost as much.

    Example:
        >>> with memory_limit(8000):
        ...     sum(range(10))
        45
    """
    if megabytes is None:
        yield
        return
    if not sys.platform.startswith("linux"):
        raise ConfigError(f"a memory limit needs Linux, this is {sys.platform}; leave it out")
    import resource

    least = _taken() + _LEAST
    if megabytes < least:
        raise ConfigError(
            f"a memory limit of {megabytes} MB is too low, {least - _LEAST} MB are taken before "
            f"the work begins; give {least} or more"
        )
    before = resource.getrlimit(resource.RLIMIT_DATA)
    wanted, most = megabytes * 2**20, before[1]
    soft = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _taken() -> int:
    """Megabytes that the process has for its data now."""
    from psutil import Process

    return int(Process().memory_info().data) // 2**20


def _left_in_groups() -> Iterator[int]:
    """Bytes that the limit of each control group around this process leaves; Linux only."""
    for folder, version in group_folders("memory"):
        limit, used, cached = _FILES[version]
        found = numbers(folder, limit, used)
        if found is not None:
            statistics = read_system_file(folder / "memory.stat").split()
            caches = dict(zip(statistics[::2], statistics[1::2], strict=False))
            yield found[0] - found[1] + int(caches.get(cached, 0))
