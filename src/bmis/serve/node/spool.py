"""The spool: objects that came and are not answered yet, each on the disk before it is confirmed.

A file has its place before the database knows of it, and is removed only when the database knows
that it is settled. So a process that is killed at any moment leaves nothing that `recovery` cannot
make whole.
"""

import os
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO

from bmis.errors import ConfigError, DataError
from bmis.serve.node.database import Database
from bmis.serve.node.identity import Identity, digest
from bmis.serve.node.settings import NodeSettings
from bmis.system.files import output_folder
from bmis.system.lock import take_lock

_DATABASE = "node.sqlite"
_TRIES = 5  # times that a series may take the process down with it
_KILLED = f"the node ended {_TRIES} times while it worked on this; send it again"


class SpoolFullError(DataError):
    """There is no room for another object.

    Example:
        >>> issubclass(SpoolFullError, DataError)
        True
    """


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
        DataError: The folder cannot be written to, or holds something else.

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
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._limit = output_folder(folder), limit
        self.arriving, self.working = folder / "arriving", folder / "working"
        self._objects, self._results = folder / "objects", folder / "results"
        parts = self.arriving, self.working, self._objects, self._results
        known = folder / _DATABASE
        self._lock: IO[bytes] | None = None
        if not known.exists() and (found := [part.name for part in parts if part.exists()]):
            # whatever it is, it would be removed as what nobody knows
            raise DataError(
                f"{folder}: holds {', '.join(found)}, but not {known.name}; bring that back, or "
                "give an empty folder"
            )
        self.database = Database(known)  # first, so that folders never are without it
        for part in parts:
            part.mkdir(mode=0o700, exist_ok=True)
        _sync(folder)

    def lock(self) -> None:
        """Keep other nodes out of the spool, until ``unlock`` or the end of the process.

        Raises:
            ConfigError: Another node is in it.
        """
        self._lock = take_lock(self._folder / "lock")
        if self._lock is None:
            raise ConfigError(
                f"{self._folder}: another node works on this spool; stop it, or give another "
                "--spool FOLDER"
            )

    def unlock(self) -> None:
        """Let another node work on the spool."""
        if self._lock is not None:
            self._lock.close()

    def path_of_object(self, uid: str) -> Path:
        """Where an object lies."""
        return self._objects / f"{digest(uid)}.dcm"

    def path_of_result(self, uid: str) -> Path:
        """Where a result lies."""
        return self._results / f"{digest(uid)}.dcm"

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
        if self.size() + size > self._limit or shutil.disk_usage(self._folder).free < 2 * size:
            raise SpoolFullError(
                f"{self._folder}: no room for another object; see --spool-gb and --dead-letters"
            )

    def size(self) -> int:
        """Bytes of all objects and results that are not settled."""
        ((held,),) = self.database.rows(
            "SELECT (SELECT coalesce(sum(bytes), 0) FROM objects WHERE state != 'done') "
            "+ (SELECT coalesce(sum(bytes), 0) FROM results WHERE state != 'done')"
        )
        return int(held)

    def count(self, table: str, state: str) -> int:
        """How many objects or results are in a state: "waiting" or "dead"."""
        query = f"SELECT count(*) FROM {table} WHERE state = ?"  # noqa: S608
        return int(self.database.rows(query, [state])[0][0])

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

    def give_back(self, taken: Collection[str]) -> None:
        """Take the count of ``take`` back: the process lives, the series was not at fault."""
        with self.database.transaction():
            for uid in taken:
                self.database.rows(
                    "UPDATE objects SET attempts = attempts - 1 WHERE uid = ? AND attempts > 0",
                    [uid],
                )

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


def open_spool(settings: NodeSettings) -> Spool:
    """The spool that settings name.

    Raises:
        DataError: See ``Spool``.

    Example:
        >>> open_spool(NodeSettings(spool="spool")).size()
        0
    """
    return Spool(Path(settings.spool or ""), limit=int(settings.spool_gb * 2**30))


def _settle(path: Path, target: Path) -> None:
    """Give a file its place, and come back when both are on the disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    path.replace(target)
    _sync(target.parent)


def _sync(folder: Path) -> None:
    """Come back when the names in a folder are on the disk."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
