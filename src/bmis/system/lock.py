"""A file that one process at a time holds; it is let go when the process ends, however it ends."""

import sys
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


def take_lock(path: Path) -> IO[bytes] | None:
    """Hold a file, which is made if it is not there.

    Returns:
        What to close to let it go; None if somebody else holds it.

    Example:
        >>> held = take_lock(Path("lock"))
        >>> take_lock(Path("lock")) is None
        True
        >>> held.close()
        >>> take_lock(Path("lock")).close()
    """
    file = path.open("ab")
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
