"""Trials that Ray spreads over the cores and GPUs of a machine or of a cluster."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bmis.compare.spec import TrialSpec
from bmis.compare.trial import run_trial
from bmis.errors import ConfigError, require
from bmis.records import Record
from bmis.system.processor import usable_cores

HERE = "local"
_RETRIES = 3  # how often a trial is run again after its worker died


def run_on_cluster(specs: Sequence[TrialSpec], address: str) -> Iterator[Record]:
    """Run trials side by side; a trial whose worker dies is run again by another.

    Each trial takes a GPU with its share of the processors where there are GPUs, else one core.
    Data sets and plugins must have the same paths on every machine.

    Args:
        specs: The trials.
        address: Address of a cluster ("auto" finds that of this machine), or "local" to start one
            on this machine alone for as long as the trials run.

    Yields:
        The records, each as soon as it is there.

    Raises:
        ConfigError: There is no cluster at that address.
        MissingExtraError: Ray is not installed.

    Example:
        >>> records = run_on_cluster([], "local")  # Ray starts when the first record is asked for
    """
    ray: Any = require("ray", extra="cluster")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    here = {"include_dashboard": False, "num_cpus": usable_cores()}  # Ray counts the machine's
    settings |= here if address == HERE else {"address": address}
    try:
        ray.init(**settings, ignore_reinit_error=True)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"no Ray cluster at {address!r} ({_line(error)}); start one with `ray start --head`, "
            "or give --ray alone to use this machine"
        ) from error
    try:
        yield from _run(ray, specs)
    finally:
        ray.shutdown()


def _run(ray: Any, specs: Sequence[TrialSpec]) -> Iterator[Record]:
    resources = resources_per_trial(ray.cluster_resources())
    remote = ray.remote(**resources, max_retries=_RETRIES)(run_trial)
    waiting = {remote.remote(replace(spec, alone=False)): spec for spec in specs}
    while waiting:
        (ready, *_), _ = ray.wait(list(waiting), num_returns=1)
        spec = waiting.pop(ready)
        try:
            yield ray.get(ready)
        except ray.exceptions.RayError as error:
            reason = f"its worker was lost {_RETRIES + 1} times ({_line(error)})"
            yield Record(spec.trial, spec.conditions, "failed", reason)


def resources_per_trial(resources: Mapping[str, float]) -> dict[str, float]:
    """What one trial takes of a cluster: a GPU with its share of the cores, or one core.

    Args:
        resources: Numbers of ``CPU`` and ``GPU`` of the whole cluster.

    Example:
        >>> resources_per_trial({"CPU": 16, "GPU": 4})
        {'num_cpus': 4, 'num_gpus': 1}
    """
    cpus, gpus = resources.get("CPU", 1), resources.get("GPU", 0)
    return {"num_cpus": max(1, cpus // gpus), "num_gpus": 1} if gpus else {"num_cpus": 1}


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
