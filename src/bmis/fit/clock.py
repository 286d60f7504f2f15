"""The time that a fit has taken, in whichever calls."""

import json
import time
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from types import TracebackType

from bmis.errors import DataError
from bmis.system.files import write_json
from bmis.system.reading import read_text

_FILE = "time.json"
_MOST = 1e9  # seconds
_PERIOD = 5.0  # seconds between two notes: a call that is killed loses no more of its time


class Clock:
    """Counts the seconds of a fit while a ``with`` block runs, after those of earlier calls.

    They are noted every few seconds, so that a call which is killed counts too.

    Args:
        folder: Folder of the fit; it exists.

    Example:
        >>> with Clock(Path(".")) as clock:
        ...     time.sleep(0.1)
        >>> Clock(Path(".")).seconds >= 0.1
        True
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._before = self._noted()
        self._begun: float | None = None
        self._end = Event()

    @property
    def seconds(self) -> float:
        """Seconds of this call and of those before it."""
        return self._before + (time.monotonic() - self._begun if self._begun is not None else 0.0)

    def __enter__(self) -> "Clock":
        self._begun = time.monotonic()
        self._thread = Thread(target=self._note_often, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._before, self._begun = self.seconds, None
        self._end.set()
        self._thread.join()

    def _note_often(self) -> None:
        ended = False
        while not ended:
            ended = self._end.wait(_PERIOD)
            with suppress(DataError):  # a full disk is told of by what it harms
                write_json(self._path, {"seconds": self.seconds})

    def _noted(self) -> float:
        """What earlier calls noted; nothing where that cannot be read: it decides no result."""
        with suppress(OSError, DataError, ValueError, TypeError, KeyError):
            return min(max(0.0, float(json.loads(read_text(self._path))["seconds"])), _MOST)
        return 0.0
