"""Names of unfinished files and folders, and the removal of what killed processes left behind."""

import os
import re
import shutil
import time
from contextlib import suppress
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from platform import node
from secrets import token_hex

_NAME = re.compile(r"\.bmis-(?P<host>[0-9a-f]{6})-(?P<process>\d+)-[0-9a-f]{8}\.tmp(\..*)?")
_LONGEST_SUFFIX = 16  # longer ones are no format that a writer would know
_REMEMBERED = 1000  # folders; a service makes one for each request, for months
_OLD = 24 * 3600  # seconds; nobody writes a file for a day


def temporary_name(suffix: str) -> str:
    """A short name for something unfinished; it says what process of what machine writes it.

    Args:
        suffix: End of the name, by which writers choose a format; empty for a folder.

    Example:
        >>> name = temporary_name(".png")
        >>> name.startswith(".bmis-"), name.endswith(".tmp.png")
        (True, True)
    """
    suffix = suffix if len(suffix) <= _LONGEST_SUFFIX else ""
    return f".bmis-{_host()}-{os.getpid()}-{token_hex(4)}.tmp{suffix}"


@lru_cache(maxsize=_REMEMBERED)
def remove_remains(folder: Path) -> None:
    """Remove unfinished files and folders of processes that are gone; once for each folder.

    Folders may be shared. So a file of another machine is removed only when it is a day old.

    Example:
        >>> remains = Path(temporary_name(".csv"))
        >>> remove_remains(Path("."))  # nothing is removed that this process may be writing
    """
    for path in folder.glob(".bmis-*"):
        found = _NAME.fullmatch(path.name)
        with suppress(OSError):  # another process was first, or may not
            if not found or not _is_abandoned(path, found["host"], int(found["process"])):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _is_abandoned(path: Path, host: str, process: int) -> bool:
    if time.time() - path.lstat().st_mtime > _OLD:
        return True
    if host != _host():
        return False
    from psutil import pid_exists

    return not pid_exists(process)


@cache
def _host() -> str:
    """The machine, or the container in it, without telling its name."""
    return sha256(node().encode()).hexdigest()[:6]
