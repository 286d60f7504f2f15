"""What a node knows of its objects and results: a SQLite file, which outlives a killed process."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from bmis.errors import DataError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    uid TEXT PRIMARY KEY, series TEXT NOT NULL, bytes INTEGER NOT NULL, came REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting', attempts INTEGER NOT NULL DEFAULT 0, error TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS open_objects ON objects (state, series) WHERE state != 'done';
CREATE TABLE IF NOT EXISTS results (
    uid TEXT, destination TEXT, bytes INTEGER NOT NULL, came REAL NOT NULL,
    due REAL NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'waiting',
    attempts INTEGER NOT NULL DEFAULT 0, error TEXT, PRIMARY KEY (uid, destination)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS open_results ON results (state, destination) WHERE state != 'done';
"""


class Database:
    """A SQLite file that several threads share. What a transaction has ended with is on the disk.

    Args:
        path: The file; made if it is not there.

    Raises:
        DataError: It is no such file, or cannot be written.

    Example:
        >>> database = Database(Path("node.sqlite"))
        >>> database.rows("SELECT count(*) FROM objects")
        [(0,)]
    """

    def __init__(self, path: Path) -> None:
        self._lock = RLock()
        try:
            path.touch(mode=0o600)  # it keeps UIDs; what SQLite puts beside it gets the same rights
            self._connection = sqlite3.connect(path, timeout=30, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise DataError(
                f"{path}: cannot be used ({error}); name the spool of a node, or an empty folder"
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes in the block are made together, or none; one thread at a time."""
        with self._lock, self._connection:
            yield

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement, and give what it finds."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
