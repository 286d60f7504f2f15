"""Which of several engines is the quickest here: measured once, then remembered.

What was found is kept in ``engines.json`` in the user's cache folder. It is a convenience: a file
that is damaged, foreign or cannot be written is no error, only measured again.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bmis.errors import BmisError, DataError
from bmis.files import output_folder, write_json

Judge = Callable[[NDArray[np.float32]], NDArray[np.float32]]
_J = TypeVar("_J", bound=Judge)
_WARM_UP = 2  # calls that are not counted: they compile and fill caches
_CALLS = 5  # at most, that are; the quickest tells best what the engine can do
_SECONDS = 0.2  # for them, for each engine
_BETTER = 1.1  # times as quick must an engine be to be taken instead of the first
_KEPT = 100  # answers in the file


def quickest(
    question: str, starts: Mapping[str, Callable[[], _J]], image: NDArray[np.float32]
) -> _J:
    """Start the engine that was the quickest for this question, or find out which that is.

    An engine that cannot be started or run is passed over while another one can. The first is
    taken where none is clearly quicker.

    Args:
        question: Everything that the answer depends on: network, precision, threads, machine.
        starts: Starts each engine, by its name.
        image: A batch of the network's usual size.

    Raises:
        BmisError: No engine can be started and run; what the first one says.
    """
    file = _file()
    answers = _read(file)
    known = answers.get(question, "")
    if known in starts:
        return starts[known]()
    times: dict[str, float] = {}
    started: dict[str, _J] = {}
    faults: list[BmisError] = []
    for name, start in starts.items():
        try:
            started[name] = start()
            times[name] = _seconds(started[name], image)
        except BmisError as error:
            faults.append(error)
    if not times:
        raise faults[0]
    first = next(iter(times))
    best = min(times, key=lambda name: times[name] * (1 if name == first else _BETTER))
    if not faults:  # what failed for want of memory may be the quickest the next time
        _write(file, {**answers, question: best})
    return started[best]


def _seconds(judge: Judge, image: NDArray[np.float32]) -> float:
    """The quickest of some calls."""
    for _ in range(_WARM_UP):
        judge(image)
    best, begun = float("inf"), time.perf_counter()
    for _ in range(_CALLS):
        before = time.perf_counter()
        judge(image)
        after = time.perf_counter()
        best = min(best, after - before)
        if after - begun > _SECONDS:
            break
    return best


def _file() -> Path | None:
    """Where the answers are kept; None where there is no such place."""
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    told = os.environ.get(variable, "")
    try:
        folder = Path(told) if Path(told).is_absolute() else Path.home() / ".cache"
    except RuntimeError:  # a user without a home
        return None
    return folder / "bmis" / "engines.json"


def _read(file: Path | None) -> dict[str, str]:
    """What is known; only what has the right form."""
    try:
        found: Any = json.loads(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {question: name for question, name in found.items() if isinstance(name, str)}


def _write(file: Path | None, answers: Mapping[str, str]) -> None:
    if file is None:
        return
    try:
        output_folder(file.parent)
        write_json(file, dict(list(answers.items())[-_KEPT:]))
    except DataError:
        return  # a read-only system measures each time
