"""Loggers beside ``log.csv``: TensorBoard and MLflow, by Lightning's own classes."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.fabric import Fabric
from lightning.fabric.loggers.logger import Logger

from bmis.config import TrainConfig
from bmis.errors import ConfigError, require
from bmis.train.resume import LAST_CHECKPOINT

_EXPERIMENT = "bmis"
_RUN_TAG = "bmis.run_folder"


def make_loggers(config: TrainConfig, run: Path) -> list[Logger]:
    """The logger that a training asks for, if it asks for one beside ``log.csv``.

    TensorBoard's files are in ``tensorboard`` in the run folder. MLflow writes to the server or
    data base in ``MLFLOW_TRACKING_URI``, or to ``mlflow.db`` in the run folder. A training that
    goes on goes on in the same run of MLflow.

    Args:
        config: The settings of the training.
        run: The run folder.

    Raises:
        ConfigError: MLflow's server or data base cannot be used.
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

    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # seven take two minutes
    where = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(run / 'mlflow.db').resolve()}"
    try:
        logger = MLFlowLogger(
            experiment_name=_EXPERIMENT,
            run_name=run.name,
            tracking_uri=where,
            tags={_RUN_TAG: str(run.resolve())},
            run_id=_earlier_run(where, run) if (run / LAST_CHECKPOINT).exists() else None,
        )
        _ = logger.run_id  # the server answers, or nothing is begun
    except Exception as error:  # of MLflow, of what it stores in, of the network
        raise ConfigError(
            f"--logger mlflow cannot write to {where} ({_line(error)}); set MLFLOW_TRACKING_URI, "
            "or leave --logger out: log.csv is always written"
        ) from error
    return logger


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


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


def log_epoch(fabric: Fabric, row: dict[str, float], epoch: int) -> None:
    """Hand an epoch to the loggers; one that fails is warned of, and the training goes on.

    Args:
        fabric: Its loggers.
        row: What the epoch gave, as in ``log.csv``.
        epoch: Its number, from 1.

    Example:
        >>> log_epoch(Fabric(accelerator="cpu"), {"loss": 0.5}, 1)
    """
    try:
        fabric.log_dict(row, step=epoch)
    except Exception as error:  # a server that is gone is no reason to lose a training
        warnings.warn(f"epoch {epoch} is not logged ({_line(error)}); log.csv has it", stacklevel=2)


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
    if fabric.is_global_zero:
        for logger in fabric.loggers:
            logger.log_hyperparams(settings)
    status = "failed"
    try:
        yield
        status = "success"
    finally:
        for logger in fabric.loggers:
            logger.finalize(status)
