"""The process that runs one trial beside others: the trial as JSON on stdin, JSON lines on stdout.

``compare.parallel`` runs it as ``python -m bmis.compare.worker``. Each line holds ``log`` (a level
and a message) or, the last one, ``record``. The trial stops when stdin is closed, as on Ctrl-C, and
goes on from there when it is run again; so does that of a comparison that was killed.
"""

import json
import logging
import os
import signal
import sys
import threading
import warnings
from _thread import interrupt_main
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bmis.compare.spec import TrialSpec
from bmis.compare.trial import run_trial
from bmis.errors import TrainingInterrupted
from bmis.records import Conditions, Trial


def to_plain(spec: TrialSpec) -> dict[str, Any]:
    """A trial as plain values for JSON.

    Example:
        >>> spec = TrialSpec(Trial("polyps", "bmis"), Conditions(), "polyps", "bmis", {}, Path("a"))
        >>> from_plain(json.loads(json.dumps(to_plain(spec)))) == spec
        True
    """
    return {
        **asdict(spec),
        "trial": spec.trial.to_dict(),
        "conditions": spec.conditions.to_dict(),
        "work": str(spec.work),
    }


def from_plain(values: Mapping[str, Any]) -> TrialSpec:
    """The inverse of ``to_plain``.

    Example:
        >>> spec = TrialSpec(Trial("polyps", "unet"), Conditions(), "polyps", "unet", {}, Path("a"))
        >>> from_plain(to_plain(spec)).work.name
        'a'
    """
    spec = TrialSpec(**values)
    return replace(
        spec,
        trial=Trial.from_dict(values["trial"]),
        conditions=Conditions.from_dict(values["conditions"]),
        work=Path(values["work"]),
        plugins=tuple(values["plugins"]),
    )


class _Tell(logging.Handler):
    """Hands log messages to the process that waits for the trial."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell({"log": [record.levelno, record.getMessage()]})


def _main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    spec = from_plain(json.loads(sys.stdin.readline()))
    answers, sys.stdout = sys.stdout, sys.stderr  # a library that prints must not answer

    def tell(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    log = logging.getLogger("bmis")
    log.handlers, log.propagate = [_Tell(tell)], False
    log.setLevel(logging.INFO)
    warnings.showwarning = lambda message, *_, **__: log.warning(" ".join(str(message).split()))
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    with suppress(TrainingInterrupted, KeyboardInterrupt, BrokenPipeError):
        tell({"record": run_trial(spec).to_dict()})


def _stop_with_parent() -> None:
    """Wait for the end of stdin, and stop the trial as Ctrl-C does."""
    while os.read(0, 1):  # sys.stdin would be locked when the process ends
        pass
    interrupt_main()


if __name__ == "__main__":
    _main()
