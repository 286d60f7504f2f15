"""The run folder of a training: its name, settings, log, best weights and last checkpoint."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml

from bmis.config import ModelInfo, TrainConfig
from bmis.errors import ConfigError
from bmis.models.checkpoint import MODEL_FILE, save_model
from bmis.system.environment import software_versions
from bmis.system.files import to_csv, write_json, write_text
from bmis.train.trainer import Trainer

LAST = "last.ckpt"
_SETTINGS = "config.yaml"


def default_run(config: TrainConfig, name: str) -> Path:
    """``runs/<data>-<model>-<recipe>[-fold<K>]-seed<S>``; ``name`` is the data set's."""
    fold = "" if config.fold is None else f"-fold{Path(str(config.fold)).stem.removeprefix('fold')}"
    data = re.sub(r"[^\w.-]+", "-", name).strip("-.")  # a name may hold anything, "/" too
    return Path("runs") / f"{data}-{config.model}-{config.recipe}{fold}-seed{config.seed}"


def check_run(run: Path, config: TrainConfig) -> None:
    """See that a training may write into this folder.

    Raises:
        ConfigError: It holds a run with other settings.
    """
    file = run / _SETTINGS
    if not any((run / name).exists() for name in (LAST, MODEL_FILE)):
        return  # nothing there that could be lost
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        other = [
            f"{key} {found.get(key)!r}, now {value!r}"
            for key, value in config.to_dict().items()
            if found.get(key) != value
        ]
    except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"{run}: holds a run whose {_SETTINGS} cannot be read; choose another --out"
        ) from error
    if other:
        raise ConfigError(
            f"{run}: holds a run with other settings ({'; '.join(other)}); "
            "choose another --out or delete it"
        )


def write_settings(run: Path, config: TrainConfig) -> None:
    """Write ``config.yaml``."""
    write_text(run / _SETTINGS, yaml.safe_dump(config.to_dict(), sort_keys=False))


def environment() -> dict[str, Any]:
    """Versions and hardware, for people to read."""
    return {
        **software_versions(("bmis", "torch", "lightning", "numpy")),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
    }


def write_epoch(trainer: Trainer, run: Path, info: ModelInfo, *, better: bool) -> None:
    """The epoch's files; the checkpoint last, so that whatever it counts as done is there."""
    if better:
        row = trainer.progress.log[-1]
        provenance = {
            **info.provenance,
            "best_epoch": trainer.progress.epoch,
            "val_iou": row["val_iou"],
            "val_dice": row["val_dice"],
        }
        save_model(run / MODEL_FILE, trainer.averaged, replace(info, provenance=provenance))
    rows = trainer.progress.log
    lines = [[f"{value:.6g}" for value in row.values()] for row in rows]
    write_text(run / "log.csv", to_csv([rows[0], *lines]))
    write_json(run / "environment.json", info.provenance["environment"])
    trainer.save(run / LAST)
