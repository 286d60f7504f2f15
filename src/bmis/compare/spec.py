"""What a trial needs to be run, on this machine or on another one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bmis.records import Conditions, Trial

SPLIT_SEED = 0  # a split that has to be made is the same for every seed of the training


@dataclass(frozen=True)
class TrialSpec:
    """All that is needed to run a trial.

    Attributes:
        trial: Data set, method, fold and seed.
        conditions: The rules that all trials of the comparison share.
        data: Folder of the data set, the same on every machine.
        model: Name of the network.
        options: Arguments of its constructor.
        work: Folder for the run; an interrupted training is resumed from it.
        device: "auto", "cpu" or "cuda".
        precision: Precision of the training; see ``TrainConfig``.
        learning_rate: Highest learning rate; None for the recipe's.
        plugins: Python files that register networks.
        alone: Whether no other trial runs beside it.
        keep: Whether ``work`` is kept when the trial is done.
        threads: Processor threads; None for the number that is fastest.
        costs: The ``costs`` of the record, if they were measured before; else the trial measures.

    Example:
        >>> trial = Trial("polyps", "bmis", seed=1)
        >>> spec = TrialSpec(trial, Conditions(), "polyps", "bmis", {}, work=Path("work"))
        >>> str(spec.trial)
        'bmis on polyps, seed 1'
    """

    trial: Trial
    conditions: Conditions
    data: str
    model: str
    options: dict[str, Any]
    work: Path
    device: str = "auto"
    precision: str = "auto"
    learning_rate: float | None = None
    plugins: tuple[str, ...] = ()
    alone: bool = True
    keep: bool = False
    threads: int | None = None
    costs: dict[str, Any] | None = None
