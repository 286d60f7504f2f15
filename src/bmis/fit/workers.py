"""Trainings in processes of their own, so that several run side by side.

A process trains with one thread, which is faster for several networks than one network on all
cores. It dies with the fit, however that ends: nobody else may be training in its folders when the
fit goes on.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import redirect_stderr
from multiprocessing.connection import Connection, wait
from pathlib import Path

from bmis.config import TrainConfig
from bmis.errors import BmisError, TrainingError

_PROCESSES = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork

Score = Callable[[TrainConfig, Path], float]  # trains in a folder, and gives the validation IoU


class Worker:
    """A process that trains what it is given, one network after the other.

    Args:
        score: Trains in a folder, and gives the validation IoU; a function of a module, which the
            process imports.

    Example:
        >>> from bmis.fit.search import train_and_score
        >>> worker = Worker(train_and_score)
        >>> worker.stop()
    """

    def __init__(self, score: Score) -> None:
        self._score, self._stopped = score, False
        self._start()

    def _start(self) -> None:
        self._pipe, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=_serve, args=(theirs, self._score), daemon=True)
        self._process.start()
        theirs.close()

    def __call__(self, config: TrainConfig, run: Path) -> float:
        """Train in the process, and give the validation IoU.

        Raises:
            BmisError: See ``train_model``.
            TrainingError: The process died; the next call starts another one.
        """
        if not self._process.is_alive() and not self._stopped:
            self._start()
        try:
            self._pipe.send((config, run))
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join()
            raise TrainingError("its process died, perhaps because memory ran out") from error
        if isinstance(answer, BmisError):
            raise answer
        return float(answer)

    def stop(self) -> None:
        """End the process at once; a training goes on from its last whole epoch."""
        self._stopped = True
        self._process.terminate()


def _serve(pipe: Connection, score: Score) -> None:
    """What the process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the fit, which ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):  # bars would mix
        while True:
            try:
                config, run = pipe.recv()
            except EOFError:
                return
            pipe.send(_answer(config, run, score))


def _answer(config: TrainConfig, run: Path, score: Score) -> float | BmisError:
    try:
        return score(config, run)
    except BmisError as error:
        return error
    except Exception as error:  # which the fit may not be able to read
        return TrainingError(f"{type(error).__name__}: {error}")


def _end_with_parent() -> None:
    """Wait for the end of the fit, which may be killed, and end too."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
