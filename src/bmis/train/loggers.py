"""Loggers beside ``log.csv``: TensorBoard and MLflow, by Lightning's own classes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.fabric import Fabric
from lightning.fabric.loggers.logger import Logger

from bmis.config import TrainConfig
from bmis.errors import require
from bmis.train.resume import LAST_CHECKPOINT

_EXPERIMENT = "bmis"
_RUN_TAG = "bmis.run_folder"


def make_loggers(config: TrainConfig, run: Path) -> list[Logger]:
    """The logger that a training asks for, if it asks for one beside ``log.csv``.

    TensorBoard's files are in ``tensorboard`` in the run folder. MLflow writes to the server or
    folder in ``MLFLOW_TRACKING_URI``, or to ``mlruns`` in the run folder. A training that goes on
    goes on in the same run of MLflow.

    Args:
        config: The settings of the training.
        run: The run folder.

    Raises:
        MissingExtraError: The package of the logger is not installed.

    Example:
        >>> make_loggers(TrainConfig("polyps"), Path("run"))
        []
    """
    if config.logger == "tensorboard":
        require("tensorboard", extra="tensorboard")
        from lightning.fabric.loggers.tensorboard import TensorBoardLogger

        return [TensorBoardLogger(root_dir=run, name="tensorboard", version="")]
    return [_mlflow(run)] if config.logger == "mlflow" else []


def _mlflow(run: Path) -> Logger:
    require("mlflow", extra="mlflow")
    from lightning.pytorch.loggers.mlflow import MLFlowLogger

    where = os.environ.get("MLFLOW_TRACKING_URI") or (run / "mlruns").resolve().as_uri()
    return MLFlowLogger(
        experiment_name=_EXPERIMENT,
        run_name=run.name,
        tracking_uri=where,
        tags={_RUN_TAG: str(run.resolve())},
        run_id=_earlier_run(where, run) if (run / LAST_CHECKPOINT).exists() else None,
    )


def _earlier_run(where: str, run: Path) -> str | None:
    """The run of MLflow that the epochs before were logged to."""
    client: Any = require("mlflow.tracking", extra="mlflow").MlflowClient(where)
    experiment = client.get_experiment_by_name(_EXPERIMENT)
    if experiment is None:
        return None
    found = client.search_runs(
        [experiment.experiment_id], f"tags.`{_RUN_TAG}` = '{run.resolve()}'", max_results=1
    )
    return found[0].info.run_id if found else None


@contextmanager
def logging_to(fabric: Fabric, settings: dict[str, Any]) -> Iterator[None]:
    """Give the loggers the settings of a training, and tell them how it ended.

    Args:
        fabric: Its loggers.
        settings: Plain values.

    Example:
        >>> with logging_to(Fabric(accelerator="cpu"), {"epochs": 1}):
        ...     pass
    """
    for logger in fabric.loggers:
        logger.log_hyperparams(settings)
    status = "failed"
    try:
        yield
        status = "success"
    finally:
        for logger in fabric.loggers:
            logger.finalize(status)
