"""The control groups around this process, by which Linux limits containers and services."""

from collections.abc import Iterator
from pathlib import Path

from bmis.system.files import read_system_file

_OWN = Path("/proc/self/cgroup")
_ROOT = Path("/sys/fs/cgroup")


def group_folders(controller: str) -> Iterator[tuple[Path, int]]:
    """Folders with the limits of each group around this process, innermost first; none off Linux.

    A limit holds for all groups inside a group, so that the tightest one counts. In a container
    the path of the group may be that of the machine, which is not there, but its root is.

    Args:
        controller: What is limited: "memory" or "cpu".

    Yields:
        The folder, which need not exist, and the version of its files: 1 or 2.

    Example:
        >>> {version for _, version in group_folders("memory")} <= {1, 2}
        True
    """
    for line in read_system_file(_OWN).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if not controllers:  # version 2, beside which version 1 may be in use
            for root in (_ROOT, _ROOT / "unified"):
                yield from ((folder, 2) for folder in _upwards(root, group))
        elif controller in controllers.split(","):
            for name in dict.fromkeys((controller, controllers)):  # mounted alone, or together
                yield from ((folder, 1) for folder in _upwards(_ROOT / name, group))


def numbers(folder: Path, *names: str) -> list[int] | None:
    """The numbers in some files of a group; None where one is missing or no number ("max").

    Example:
        >>> numbers(Path("/no/such/group"), "memory.max") is None
        True
    """
    texts = [word for name in names for word in read_system_file(folder / name).split() or [""]]
    return [int(text) for text in texts] if all(text.isdecimal() for text in texts) else None


def _upwards(root: Path, group: str) -> Iterator[Path]:
    parts = [part for part in group.split("/") if part not in ("", ".", "..")]
    for count in range(len(parts), -1, -1):
        yield root.joinpath(*parts[:count])
