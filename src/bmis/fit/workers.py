"""Trainings in processes of their own, so that several run side by side.

A process trains with one thread, which is faster for several networks than one network on all
cores. It dies with the fit, however that ends: nobody else may be training in its folders when the
fit goes on.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bmis.config import TrainConfig
from bmis.errors import DataError, TrainingError

_MODULE = "bmis.fit.worker"  # not imported: it loads torch

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
        self._score = f"{score.__module__}:{score.__qualname__}"
        self._stopped = False
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(  # noqa: S603  (this Python, with our own module)
            (sys.executable, "-m", _MODULE, self._score),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env={**os.environ, "OMP_NUM_THREADS": "1"},  # of all libraries, from the start
            start_new_session=True,  # Ctrl-C is for the fit, which ends them all
        )

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def __call__(self, config: TrainConfig, run: Path) -> float:
        """Train in the process, and give the validation IoU.

        Raises:
            DataError: A file cannot be read or written.
            TrainingError: The training failed, or the process died; the next call starts another
                one.
        """
        if self._process.poll() is not None and not self._stopped:
            self._process = self._start()
        job = json.dumps({"config": config.to_dict(), "run": str(run)})
        line = ""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin and stdout:
            with suppress(OSError):  # it has ended, which an empty line says too
                stdin.write(job + "\n")
                stdin.flush()
            line = stdout.readline()
        if not line:
            code = self._process.wait()
            self._close()
            raise TrainingError(f"its process died (code {code}), perhaps because memory ran out")
        answer = json.loads(line)
        if "error" in answer:
            raise (DataError if answer["of_files"] else TrainingError)(answer["error"])
        return float(answer["iou"])

    def stop(self) -> None:
        """End the process at once; a training goes on from its last whole epoch."""
        self._stopped = True
        self._process.kill()
        self._process.wait()
        self._close()

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()
