"""Give mutants to a worker, one by one, and kill it where it takes too long or too much memory."""

import json
import multiprocessing
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

from fuzzing.worker import FINE, REFUSED, kind_of, work

MOST_SECONDS, MOST_MB = 30, 2048  # of a processor: on a busy machine the clock says nothing
_MOST_WAITING = 20  # times as long by the clock, for what waits for ever
_LOOK = 0.05  # seconds between two looks at a worker
_RENEW = 500  # mutants that one process runs


class Watched:
    """A worker process under a limit to its time and its memory."""

    def __init__(self, seed: int, material: Path, place: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, seed, material, place))
        self.process.start()
        theirs.close()
        self.done = 0

    def run(self, number: int) -> dict[str, Any]:
        """Run one mutant. A worker that is killed or dies is of no use afterwards."""
        self.done += 1
        self.pipe.send(number)
        start, used = time.perf_counter(), self._seconds()
        most = MOST_SECONDS + (30 if self.done == 1 else 0)  # it loads torch first
        while not self.pipe.poll(_LOOK):
            seconds, megabytes = self._seconds() - used, self._megabytes()
            if max(seconds, (time.perf_counter() - start) / _MOST_WAITING) > most:
                return self._kill(number, "over time", seconds, megabytes)
            if megabytes > MOST_MB:
                return self._kill(number, "over memory", seconds, megabytes)
        try:
            found: dict[str, Any] = self.pipe.recv()
        except EOFError:
            return self._kill(number, "crash", time.perf_counter() - start, 0)
        if found["peak_mb"] > MOST_MB:
            found["outcome"] = "over memory"
        return found

    def _seconds(self) -> float:
        """Time of a processor that the worker has used."""
        try:
            times = psutil.Process(self.process.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)

    def _megabytes(self) -> int:
        try:
            return int(psutil.Process(self.process.pid).memory_info().rss) // 2**20
        except psutil.Error:
            return 0

    def _kill(self, number: int, outcome: str, seconds: float, megabytes: int) -> dict[str, Any]:
        self.close(kill=True)
        return {
            "number": number,
            "kind": kind_of(number),
            "note": "",
            "outcome": outcome,
            "message": f"exit code {self.process.exitcode}",
            "seconds": round(seconds, 3),
            "peak_mb": megabytes,
        }

    def close(self, *, kill: bool = False) -> None:
        """End the process."""
        self.pipe.close()
        if kill:
            self.process.kill()
        self.process.join()


def run_mutants(numbers: Iterable[int], seed: int, work_folder: Path) -> Iterator[dict[str, Any]]:
    """Run mutants in workers; the folders of those that failed are kept in ``failed/``."""
    material, place = work_folder / "material", work_folder / "mutants"
    shutil.rmtree(place, ignore_errors=True)
    worker: Watched | None = None
    for number in numbers:
        if worker is None:
            worker = Watched(seed, material, place)
        found = worker.run(number)
        _tidy(place / str(number), work_folder / "failed" / str(number), found)
        yield found
        if worker.pipe.closed:
            worker = None
        elif worker.done >= _RENEW:
            worker.close()
            worker = None
    if worker is not None:
        worker.close()


def _tidy(folder: Path, kept: Path, found: dict[str, Any]) -> None:
    """Remove what a mutant left; that of a failed one is kept with what came of it."""
    if found["outcome"] in (FINE, REFUSED):
        shutil.rmtree(folder, ignore_errors=True)
        return
    shutil.rmtree(kept, ignore_errors=True)
    kept.parent.mkdir(exist_ok=True)
    if folder.exists():
        folder.rename(kept)
    kept.mkdir(exist_ok=True)
    (kept / "outcome.json").write_text(json.dumps(found, indent=2), encoding="utf-8")
