"""The memory of this process: what it took, and a limit that the system itself enforces."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bmis.errors import ConfigError

_STATUS = Path("/proc/self/status")
_LEAST = 64  # megabytes to work with; with less, the start of a thread can end the process


@contextmanager
def memory_limit(megabytes: int | None) -> Iterator[None]:
    """Let the process take no more than this for its data while the block runs; Linux only.

    What counts is all that the process may write to and shares with no other (``VmData`` in
    ``/proc/self/status``): arrays, weights, stacks of threads; not the code of libraries. Who asks
    for more gets a ``MemoryError``, or what a library makes of it.

    Args:
        megabytes: 2**20 bytes each; None for no limit.

    Raises:
        ConfigError: Not Linux, or it leaves too little beside what the process has already.
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


def peak_resident() -> int | None:
    """The most bytes of memory that this process ever held, libraries included; None off Linux."""
    return _status("VmHWM") * 1024 if sys.platform.startswith("linux") else None


def _taken() -> int:
    """Megabytes that the process has for its data now."""
    return _status("VmData") // 1024


def _status(name: str) -> int:
    """Kilobytes that Linux tells of this process."""
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
