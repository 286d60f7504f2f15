"""The process of a ``workers.Worker``: trainings as JSON lines on stdin, the answers on stdout.

It is run as ``python -m bmis.fit.worker MODULE:FUNCTION``, and ends when stdin is closed, as by a
fit that was killed.
"""

import json
import os
import sys
import threading
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from bmis.config import TrainConfig
from bmis.errors import BmisError, DataError
from bmis.fit.workers import Score


def train(score: Score, job: str) -> dict[str, Any]:
    """Train, and tell what came of it in plain values.

    Args:
        score: Trains in a folder, and gives the validation IoU.
        job: The settings of the training and its folder, as JSON.

    Example:
        >>> config = TrainConfig("polyps").to_dict()
        >>> train(lambda config, run: 0.5, json.dumps({"config": config, "run": "trial"}))
        {'iou': 0.5}
    """
    asked = json.loads(job)
    try:
        return {"iou": score(TrainConfig.from_dict(asked["config"]), Path(asked["run"]))}
    except BmisError as error:
        return {"error": str(error), "of_files": isinstance(error, DataError)}
    except Exception as error:  # of a library
        reason = f"{type(error).__name__}: {error}"
        return {"error": reason, "of_files": isinstance(error, OSError)}


def _main() -> None:
    module, _, name = sys.argv[1].partition(":")
    answers, sys.stdout = sys.stdout, sys.stderr  # a library that prints must not answer
    jobs = SimpleQueue[str]()
    threading.Thread(target=_read, args=(jobs,), daemon=True).start()
    score: Score = getattr(import_module(module), name)
    while True:
        answers.write(json.dumps(train(score, jobs.get())) + "\n")
        answers.flush()


def _read(jobs: "SimpleQueue[str]") -> None:
    """Pass on each line of stdin, and end with the fit, in the middle of a training too."""
    for line in sys.stdin:
        jobs.put(line)
    os._exit(1)


if __name__ == "__main__":
    _main()
