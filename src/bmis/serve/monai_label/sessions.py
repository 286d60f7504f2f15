"""Sessions: images that clients leave with a service for a while, to ask for several masks."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from threading import Lock

import msgspec

from bmis.serve.body import private_folder, remove
from bmis.serve.refusals import Refused

_SECONDS = 1800  # without use


class Session(msgspec.Struct):
    """What a client is told of a session. Times are in seconds since 1970.

    Example:
        >>> Session("4be0643f", 0, 0, 1800).expiry
        1800
    """

    name: str
    create_ts: int
    last_access_ts: int
    expiry: int


@dataclass
class _Kept:
    folder: Path
    files: list[Path]
    made: float
    used: float


class Sessions:
    """The sessions of a service: a few, each with the images of one client, in private folders.

    Args:
        most: How many there may be; the one that was not used for longest makes room.
        seconds: How long one lives without use.

    Example:
        >>> sessions = Sessions(most=2)
        >>> name = sessions.add([Path("photo.png")]).name
        >>> folder = private_folder()
        >>> [path.name for path in sessions.lend(name, folder)]
        ['photo.png']
        >>> remove(folder)
        >>> sessions.remove(name).name == name
        True
    """

    def __init__(self, most: int, *, seconds: float = _SECONDS) -> None:
        self._most, self._seconds, self._lock = most, seconds, Lock()
        self._kept: dict[str, _Kept] = {}

    def add(self, files: Sequence[Path]) -> Session:
        """Begin a session.

        Args:
            files: The images, which are moved.

        Raises:
            Refused: There are no sessions here.
        """
        if not self._most:
            raise Refused(404, "no sessions here; send the image with the request for its mask")
        name, folder, now = token_hex(16), private_folder(), time.time()
        moved = [path.rename(folder / path.name) for path in files]
        with self._lock:
            self._kept[name] = _Kept(folder, moved, now, now)
            while len(self._kept) > self._most:
                self._drop(min(self._kept, key=lambda other: self._kept[other].used))
            return self._told(name)

    def find(self, name: str) -> Session:
        """What is known of a session.

        Raises:
            Refused: There is no such session.
        """
        with self._lock:
            self._touch(name)
            return self._told(name)

    def lend(self, name: str, folder: Path) -> list[Path]:
        """The images of a session in another folder, where they stay if the session ends.

        Raises:
            Refused: There is no such session.
        """
        with self._lock:
            self._touch(name)
            lent = []
            for path in self._kept[name].files:
                lent.append(folder / path.name)
                os.link(path, lent[-1])
            return lent

    def remove(self, name: str) -> Session:
        """End a session.

        Raises:
            Refused: There is no such session.
        """
        with self._lock:
            self._touch(name)
            told = self._told(name)
            self._drop(name)
            return told

    def remove_expired(self) -> None:
        """End the sessions that nobody has used for long."""
        with self._lock:
            self._drop_expired()

    def close(self) -> None:
        """End all sessions."""
        with self._lock:
            for name in list(self._kept):
                self._drop(name)

    def _touch(self, name: str) -> None:
        self._drop_expired()
        if name not in self._kept:
            raise Refused(404, "no such session, or one that has ended; send the image again")
        self._kept[name].used = time.time()

    def _told(self, name: str) -> Session:
        kept = self._kept[name]
        return Session(name, int(kept.made), int(kept.used), int(self._seconds))

    def _drop_expired(self) -> None:
        limit = time.time() - self._seconds
        for name in [name for name, kept in self._kept.items() if kept.used < limit]:
            self._drop(name)

    def _drop(self, name: str) -> None:
        remove(self._kept.pop(name).folder)
