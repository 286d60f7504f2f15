"""The spool: objects that came and are not answered yet, each on the disk before it is confirmed.

A file has its place before the database knows of it, and is removed only when the database knows
that it is settled. So a process that is killed at any moment leaves nothing that `recover` cannot
make whole.
"""

import os
import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bmis.errors import DataError
from bmis.serve.node.database import Database
from bmis.serve.node.identity import Identity, digest
from bmis.serve.node.settings import NodeSettings
from bmis.system.files import output_folder

_TRIES = 5  # times that a series may take the process down with it
_KILLED = f"the node failed or ended {_TRIES} times while it worked on this; send it again"


class SpoolFullError(DataError):
    """There is no room for another object.

    Example:
        >>> issubclass(SpoolFullError, DataError)
        True
    """


@dataclass(frozen=True)
class DeadLetter:
    """Something that could not be done, and is kept.

    Attributes:
        path: The object or the result.
        destination: Where the result should go; None for an object that has no result.
        error: One line that says why.

    Example:
        >>> print(DeadLetter(Path("spool/objects/a.dcm"), None, "truncated"))
        spool/objects/a.dcm: truncated
    """

    path: Path
    destination: str | None
    error: str

    def __str__(self) -> str:
        to = "" if self.destination is None else f", to {self.destination}"
        where = "" if self.error.startswith(str(self.path)) else f"{self.path}{to}: "
        return f"{where}{self.error}"


class Spool:
    """The objects of a node, and the results that wait to be sent.

    Args:
        folder: Where all of it lies; made if it is not there, for this user alone.
        limit: Bytes that it may hold.

    Attributes:
        arriving: Folder for what is not whole yet, on the same disk.
        working: Folder for what is made of a series.
        database: What is known.

    Raises:
        DataError: The folder cannot be written to.

    Example:
        >>> import shutil
        >>> spool = Spool(Path("spool"), limit=10**9)
        >>> path = shutil.copy("clip.dcm", spool.arriving)
        >>> spool.add(Identity("1.2", "1.3"), Path(path))
        True
        >>> [series, *_] = spool.complete(quiet=0)
        >>> series, [path.suffix for path in spool.take(series).values()]
        ('1.3', ['.dcm'])
    """

    def __init__(self, folder: Path, *, limit: int) -> None:
        self._folder, self._limit = output_folder(folder), limit
        self.arriving, self.working = folder / "arriving", folder / "working"
        self._objects, self._results = folder / "objects", folder / "results"
        for part in (self.arriving, self.working, self._objects, self._results):
            part.mkdir(mode=0o700, exist_ok=True)
        self.database = Database(folder / "node.sqlite")

    def path_of_object(self, uid: str) -> Path:
        """Where an object lies."""
        return self._objects / f"{digest(uid)}.dcm"

    def path_of_result(self, uid: str) -> Path:
        """Where a result lies."""
        return self._results / f"{digest(uid)}.dcm"

    def recover(self) -> None:
        """Tidy up after a process that ended at any moment: what is half made is removed.

        Nothing that a sender was told to be stored is among it. What somebody removed from the
        spool by hand is forgotten. The quiet time of all series begins anew.
        """
        for folder in (self.arriving, self.working):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
        with self.database.transaction():
            for table, place in (
                ("objects", self.path_of_object),
                ("results", self.path_of_result),
            ):
                self._match(table, place)
            # a sender that the end has cut off gets time to go on with its series
            query = "UPDATE objects SET came = ? WHERE state = 'waiting'"
            self.database.rows(query, [time.time()])

    def _match(self, table: str, place: Callable[[str], Path]) -> None:
        """Forget what has no file any more, and remove files that nobody knows."""
        uids = self.database.rows(f"SELECT DISTINCT uid FROM {table} WHERE state != 'done'")  # noqa: S608
        known = {place(uid): uid for (uid,) in uids}
        found = set(place("").parent.glob("*.dcm"))
        for path in known.keys() - found:
            query = f"DELETE FROM {table} WHERE uid = ? AND state != 'done'"  # noqa: S608
            self.database.rows(query, [known[path]])
        for path in found - known.keys():
            path.unlink()

    def add(self, identity: Identity, path: Path) -> bool:
        """Keep an object for good.

        Args:
            identity: What it is.
            path: A file in ``arriving``, which is moved.

        Returns:
            Whether there is something to do: not for one that came before, or was made here.

        Raises:
            SpoolFullError: There is no room for it.
        """
        size = path.stat().st_size
        with self.database.transaction():
            if self._is_known(identity.uid):
                return False
            self._check_room(size)
            _settle(path, self.path_of_object(identity.uid))
            self.database.rows(
                "INSERT OR REPLACE INTO objects (uid, series, bytes, came) VALUES (?, ?, ?, ?)",
                [identity.uid, identity.series, size, time.time()],
            )
        return True

    def _is_known(self, uid: str) -> bool:
        """Whether an object waits, is answered, or was made here. A dead letter may come again."""
        query = (
            "SELECT 1 FROM objects WHERE uid = ? AND state != 'dead' "
            "UNION SELECT 1 FROM results WHERE uid = ?"
        )
        return bool(self.database.rows(query, [uid, uid]))

    def _check_room(self, size: int) -> None:
        ((held,),) = self.database.rows(
            "SELECT (SELECT coalesce(sum(bytes), 0) FROM objects WHERE state != 'done') "
            "+ (SELECT coalesce(sum(bytes), 0) FROM results WHERE state != 'done')"
        )
        if held + size > self._limit or shutil.disk_usage(self._folder).free < 2 * size:
            raise SpoolFullError(
                f"{self._folder}: no room for another object; see --spool-gb and --dead-letters"
            )

    def complete(self, *, quiet: float) -> list[str]:
        """The series of which nothing has come for a while, the oldest first.

        Args:
            quiet: How many seconds.
        """
        now = time.time()
        found = self.database.rows(
            "SELECT series, max(came) AS last FROM objects WHERE state = 'waiting' "
            "GROUP BY series HAVING last <= ? OR last > ? ORDER BY last",
            [now - quiet, now],  # the second where the clock was set back
        )
        return [series for series, _ in found]

    def take(self, series: str) -> dict[str, Path]:
        """The objects of a series that wait, by UID; counted, in case the process dies of them."""
        with self.database.transaction():
            self.database.rows(
                "UPDATE objects SET state = 'dead', error = ? "
                "WHERE series = ? AND state = 'waiting' AND attempts >= ?",
                [_KILLED, series, _TRIES],
            )
            self.database.rows(
                "UPDATE objects SET attempts = attempts + 1 WHERE series = ? AND state = 'waiting'",
                [series],
            )
            rows = self.database.rows(
                "SELECT uid FROM objects WHERE series = ? AND state = 'waiting'", [series]
            )
        return {uid: self.path_of_object(uid) for (uid,) in rows}

    def finish(
        self,
        taken: Collection[str],
        results: Mapping[str, Path],
        send_to: Sequence[str],
        dead: Mapping[str, str],
    ) -> None:
        """Keep the results of a series and let its objects go, both at the same moment.

        Args:
            taken: UIDs of all its objects.
            results: Files in ``working`` by their UIDs, which are moved.
            send_to: Names of destinations.
            dead: Objects that have no result, each with one line that says why.
        """
        now = time.time()
        for uid, path in results.items():
            _settle(path, self.path_of_result(uid))
        with self.database.transaction():
            for uid, size in [(uid, self.path_of_result(uid).stat().st_size) for uid in results]:
                for name in send_to:
                    self.database.rows(
                        "INSERT OR IGNORE INTO results (uid, destination, bytes, came) "
                        "VALUES (?, ?, ?, ?)",
                        [uid, name, size, now],
                    )
            for uid in taken:
                state = "dead" if uid in dead else "done"
                self.database.rows(
                    "UPDATE objects SET state = ?, error = ? WHERE uid = ?",
                    [state, dead.get(uid), uid],
                )
        for uid in set(taken) - dead.keys():
            self.path_of_object(uid).unlink(missing_ok=True)
        for uid in results:
            self.remove_if_sent(uid)

    def remove_if_sent(self, uid: str) -> None:
        """Remove a result that nobody waits for."""
        query = "SELECT 1 FROM results WHERE uid = ? AND state != 'done'"
        if not self.database.rows(query, [uid]):
            self.path_of_result(uid).unlink(missing_ok=True)

    def dead_letters(self) -> list[DeadLetter]:
        """All that could not be done, the oldest first."""
        objects = self.database.rows(
            "SELECT uid, error FROM objects WHERE state = 'dead' ORDER BY came"
        )
        results = self.database.rows(
            "SELECT uid, destination, error FROM results WHERE state = 'dead' ORDER BY came"
        )
        return [
            *(DeadLetter(self.path_of_object(uid), None, why) for uid, why in objects),
            *(DeadLetter(self.path_of_result(uid), to, why) for uid, to, why in results),
        ]


def open_spool(settings: NodeSettings) -> Spool:
    """The spool that settings name.

    Raises:
        DataError: See ``Spool``.

    Example:
        >>> open_spool(NodeSettings(spool="spool")).dead_letters()
        []
    """
    return Spool(Path(settings.spool or ""), limit=int(settings.spool_gb * 2**30))


def _settle(path: Path, target: Path) -> None:
    """Give a file its place, and come back when both are on the disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    path.replace(target)
    if os.name == "posix":
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
