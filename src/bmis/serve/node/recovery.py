"""What a node does with its spool before it begins: what a killed one left is made whole."""

import logging
import shutil
import time
from collections.abc import Callable, Collection
from pathlib import Path

from bmis.serve.node.logs import log
from bmis.serve.node.spool import Spool


def recover(spool: Spool, destinations: Collection[str]) -> None:
    """Tidy up after a process that ended at any moment: what is half made is removed.

    Nothing that a sender was told to be stored is among it. What somebody removed from the
    spool by hand is forgotten. Results for a destination that the rules no longer name become dead
    letters. The quiet time of all series begins anew.

    Args:
        spool: The spool; no other node works on it.
        destinations: Names of all that the rules have.

    Example:
        >>> spool = Spool(Path("spool"), limit=10**9)
        >>> half = spool.arriving / "half"
        >>> size = half.write_bytes(b"of an object")
        >>> recover(spool, ["pacs"])
        >>> half.exists()
        False
    """
    for folder in (spool.arriving, spool.working):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    with spool.database.transaction():
        _match(spool, "objects", spool.path_of_object)
        _match(spool, "results", spool.path_of_result)
        _bury(spool, destinations)
        # a sender that the end has cut off gets time to go on with its series
        query = "UPDATE objects SET came = ? WHERE state = 'waiting'"
        spool.database.rows(query, [time.time()])


def _match(spool: Spool, table: str, place: Callable[[str], Path]) -> None:
    """Forget what has no file any more, and remove files that nobody knows."""
    uids = spool.database.rows(f"SELECT DISTINCT uid FROM {table} WHERE state != 'done'")  # noqa: S608
    known = {place(uid): uid for (uid,) in uids}
    found = set(place("").parent.glob("*.dcm"))
    for path in known.keys() - found:
        log("file is gone", level=logging.WARNING, file=f"{table}/{path.name}")
        query = f"DELETE FROM {table} WHERE uid = ? AND state != 'done'"  # noqa: S608
        spool.database.rows(query, [known[path]])
    for path in found - known.keys():
        path.unlink()


def _bury(spool: Spool, destinations: Collection[str]) -> None:
    """Make dead letters of results that nobody would ever send."""
    for (name,) in spool.database.rows("SELECT DISTINCT destination FROM results"):
        if name not in destinations:
            spool.database.rows(
                "UPDATE results SET state = 'dead', error = ? "
                "WHERE destination = ? AND state != 'done'",
                ["no rules name this destination any more; name it again", name],
            )
