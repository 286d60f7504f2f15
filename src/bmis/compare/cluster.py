"""Trials spread by Ray over the cores and GPUs of a machine or of a cluster."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from bmis.compare.trial import TrialSpec, run_trial
from bmis.errors import ConfigError, require
from bmis.records import Record

HERE = "local"
_TRIES = 3  # a worker may die that often before its trial counts as failed


def run_on_cluster(jobs: Sequence[TrialSpec], address: str) -> Iterator[Record]:
    """Run trials side by side; a trial whose worker dies is done again by another.

    Each trial takes a GPU with its share of the processors, where there are GPUs, else one core.
    Data sets and plugins must lie under the same paths on every machine.

    Args:
        jobs: The trials.
        address: Of an existing cluster ("auto" finds that of this machine), or "local" to start
            one on this machine alone, for as long as the trials run.

    Yields:
        Their records, as they come.

    Raises:
        ConfigError: There is no cluster at that address.
        MissingExtraError: Ray is not installed.
    """
    ray: Any = require("ray", extra="cluster")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    settings |= {"include_dashboard": False} if address == HERE else {"address": address}
    try:
        ray.init(**settings, ignore_reinit_error=True)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"no Ray cluster at {address!r} ({_line(error)}); start one with `ray start --head`, "
            "or give --ray alone to use this machine"
        ) from error
    try:
        yield from _run(ray, jobs)
    finally:
        ray.shutdown()


def _run(ray: Any, jobs: Sequence[TrialSpec]) -> Iterator[Record]:
    remote = ray.remote(**_share(ray.cluster_resources()), max_retries=_TRIES)(run_trial)
    waiting = {remote.remote(replace(job, alone=False)): job for job in jobs}
    while waiting:
        (ready, *_), _ = ray.wait(list(waiting), num_returns=1)
        job = waiting.pop(ready)
        try:
            yield ray.get(ready)
        except ray.exceptions.RayError as error:
            reason = f"its worker was lost {_TRIES + 1} times ({_line(error)})"
            yield Record(job.trial, job.conditions, "failed", reason)


def _share(resources: dict[str, float]) -> dict[str, float]:
    """What one trial takes."""
    cpus, gpus = resources.get("CPU", 1), resources.get("GPU", 0)
    return {"num_cpus": max(1, cpus // gpus), "num_gpus": 1} if gpus else {"num_cpus": 1}


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
