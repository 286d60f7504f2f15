"""Trials side by side on this machine, each with one thread in a process of its own.

A network of this size trains on one thread with little loss, so that N trials on N cores are done
in nearly an Nth of the time, which one trial on N cores is not. Costs are measured before, while
nothing else runs.
"""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from threading import Lock
from typing import Any

from bmis.compare.costs import measure_costs
from bmis.compare.spec import SPLIT_SEED, TrialSpec
from bmis.compare.trial import failed_record
from bmis.compare.worker import to_plain
from bmis.data.folder import open_dataset
from bmis.errors import TrainingError, TrainingInterrupted
from bmis.records import Record
from bmis.system.progress import track

_log = logging.getLogger("bmis")
_COMMAND = (sys.executable, "-m", "bmis.compare.worker")
_PATIENCE = 30  # seconds for a trial to stop after its last step


def run_side_by_side(
    specs: Sequence[TrialSpec], count: int, show: Callable[[Sequence[str]], None]
) -> Iterator[Record]:
    """Run several trials at once. One whose process dies is a failed trial, and the others go on.

    Args:
        specs: The trials.
        count: How many run at once.
        show: Called with a few words on each trial that runs, whenever one has done an epoch.

    Yields:
        The records, each as soon as it is there.

    Raises:
        TrainingInterrupted: Ctrl-C; all trials have stopped, and what they trained is kept.

    Example:
        >>> list(run_side_by_side([], 2, print))
        []
    """
    ready: list[TrialSpec] = []
    for spec in _with_costs(specs):
        if isinstance(spec, Record):
            yield spec
        else:
            ready.append(spec)
    workers = _Workers(show)
    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(workers.run, spec) for spec in ready]
        try:
            for future in as_completed(futures):
                yield future.result()
        except KeyboardInterrupt:
            raise TrainingInterrupted(
                "stopped; give the same command again to go on with the trials that were under way"
            ) from None
        finally:  # also where the caller fails, or needs no more records
            for future in futures:
                future.cancel()
            workers.stop()


def _with_costs(specs: Sequence[TrialSpec]) -> Iterator[TrialSpec | Record]:
    """The trials with their costs, measured once for each network and data set, alone."""
    measured: dict[tuple[str, str], dict[str, Any] | Exception] = {}
    for spec in track(specs, "measuring costs"):
        key = (spec.data, spec.trial.method)
        if key not in measured:
            try:
                dataset = open_dataset(spec.data, fold=spec.trial.fold, seed=SPLIT_SEED)
                measured[key] = measure_costs(spec, dataset)
            except Exception as error:  # as in ``run_trial``: one network, not the comparison
                measured[key] = error
        found = measured[key]
        if isinstance(found, Exception):
            yield failed_record(spec, found)
        else:
            yield replace(spec, costs=found, threads=1)


class _Workers:
    """The processes of the trials that run now."""

    def __init__(self, show: Callable[[Sequence[str]], None]) -> None:
        self._running: dict[subprocess.Popen[str], str] = {}  # and what to show of each
        self._show, self._lock, self._stopped = show, Lock(), False

    def run(self, spec: TrialSpec) -> Record:
        """Run a trial in a new process, and pass on what it says."""
        process = self._start()
        if process is None or process.stdin is None or process.stdout is None:
            raise TrainingInterrupted(f"{spec.trial}: not begun")
        record, last = None, ""
        try:
            with process:  # closes its pipes
                with suppress(BrokenPipeError):  # it has ended already
                    process.stdin.write(json.dumps(to_plain(spec)) + "\n")
                    process.stdin.flush()
                for line in process.stdout:
                    answer = json.loads(line)
                    if "record" in answer:
                        record = Record.from_dict(answer["record"])
                    else:
                        level, last = answer["log"]
                        self._pass_on(process, spec, level, last)
                code = process.wait()
        finally:
            with self._lock:
                self._running.pop(process)
        if record is None:
            after = f" after {last!r}" if last else ""
            error = TrainingError(
                f"its process ended with code {code}{after}; --retry runs it again"
            )
            return failed_record(spec, error)
        return record

    def _pass_on(
        self, process: "subprocess.Popen[str]", spec: TrialSpec, level: int, message: str
    ) -> None:
        _log.log(level, "%s: %s", spec.trial, message)
        if message.startswith("epoch "):
            with self._lock:
                self._running[process] = f"{spec.trial.method} {message.partition('  ')[0]}"
                states = [state for state in self._running.values() if state]
            self._show(states)

    def _start(self) -> "subprocess.Popen[str] | None":
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # of all libraries, from the start
        with self._lock:
            if self._stopped:
                return None
            process = subprocess.Popen(  # noqa: S603  (this Python, with our own module)
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                env=environment,
                start_new_session=True,  # Ctrl-C is for the comparison, which stops them all
            )
            self._running[process] = ""
        return process

    def stop(self) -> None:
        """Have all trials stop at their next step, and wait for that."""
        with self._lock:
            self._stopped, running = True, list(self._running)
        for process in running:
            if process.stdin:
                with suppress(OSError):
                    process.stdin.close()
        for process in running:
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
