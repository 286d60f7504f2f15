"""The run folder of a training: its name, settings, log, best weights and last checkpoint."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml

from bmis.config import MODEL_FILE, SETTINGS_FILE, ModelInfo, TrainConfig
from bmis.errors import ConfigError, DataError
from bmis.models.checkpoint import save_model
from bmis.system.environment import software_versions
from bmis.system.files import to_csv, write_json, write_text
from bmis.system.plain_yaml import read_yaml
from bmis.train.resume import LAST_CHECKPOINT
from bmis.train.trainer import Trainer


def default_run_folder(config: TrainConfig, name: str) -> Path:
    """The folder ``runs/<data>-<model>-<recipe>[-fold<K>]-seed<S>``.

    Args:
        config: The settings of the training.
        name: Name of the data set.

    Example:
        >>> default_run_folder(TrainConfig("polyps", fold=2), "My polyps").as_posix()
        'runs/My-polyps-bmis-default-fold2-seed0'
    """
    fold = "" if config.fold is None else f"-fold{Path(str(config.fold)).stem.removeprefix('fold')}"
    data = re.sub(r"[^\w.-]+", "-", name).strip("-.")  # a name may hold anything, "/" too
    recipe = Path(config.recipe).stem  # it may be a file
    return Path("runs") / f"{data}-{config.model}-{recipe}{fold}-seed{config.seed}"


def check_run_folder(run: Path, config: TrainConfig) -> None:
    """Refuse a folder that holds a run with other settings.

    Args:
        run: The run folder.
        config: The settings of the training that is to write there.

    Raises:
        ConfigError: The run in the folder has other settings, or they cannot be read.

    Example:
        >>> check_run_folder(Path("new-run"), TrainConfig("polyps"))  # nothing there
        >>> check_run_folder(Path("run"), TrainConfig("polyps"))
        Traceback (most recent call last):
        bmis.errors.ConfigError: run: holds a run with other settings (...); choose ...
    """
    file = run / SETTINGS_FILE
    if not any((run / name).exists() for name in (LAST_CHECKPOINT, MODEL_FILE)):
        return  # there is nothing that could be lost
    try:
        found = read_yaml(file)
        other = [
            f"{key} {found.get(key)!r}, now {value!r}"
            for key, value in config.to_dict().items()
            if found.get(key) != value
            and (value or key in found)  # older runs have fewer keys
            and not _may_change(key, config)
        ]
    except (DataError, AttributeError) as error:
        raise ConfigError(
            f"{run}: holds a run whose {SETTINGS_FILE} cannot be read; choose another --out"
        ) from error
    if other:
        raise ConfigError(
            f"{run}: holds a run with other settings ({'; '.join(other)}); "
            "choose another --out or delete it"
        )


def _may_change(key: str, config: TrainConfig) -> bool:
    """Whether a run may go on with another value: of a file that may be moved, for instance."""
    return key in ("plugins", "logger", "tensorboard", "no_pictures") or (
        key == "threads" and not config.deterministic
    )


def write_settings(run: Path, config: TrainConfig) -> None:
    """Write the settings of a training to ``config.yaml``.

    Raises:
        DataError: The file cannot be written.

    Example:
        >>> write_settings(Path(), TrainConfig("polyps", epochs=3))
        >>> yaml.safe_load(Path("config.yaml").read_text())["epochs"]
        3
    """
    write_text(run / SETTINGS_FILE, yaml.safe_dump(config.to_dict(), sort_keys=False))


def environment(*, threads_measured: bool = False) -> dict[str, Any]:
    """Versions, the code of bmis, and hardware, for people to read.

    Args:
        threads_measured: Whether the training chooses the number of threads itself, so that the
            number is not one of its settings.

    Example:
        >>> sorted(environment())[:5]
        ['bmis', 'commit', 'device', 'lightning', 'numpy']
    """
    return {
        **software_versions(("bmis", "torch", "lightning", "numpy")),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        **({"threads_measured": True} if threads_measured else {}),
    }


def write_epoch(trainer: Trainer, run: Path, info: ModelInfo, *, better: bool) -> None:
    """Write the files of an epoch.

    The checkpoint comes last, so that the files of all epochs that it counts as done are there.

    Args:
        trainer: Its last row of ``progress.log`` is this epoch.
        run: The run folder.
        info: What ``model.safetensors`` says of the network.
        better: Whether the epoch is the best so far, so that its weights are kept.

    Raises:
        DataError: A file cannot be written.

    Example:
        >>> from bmis import load_model
        >>> from bmis.train.recipes import find_recipe
        >>> from lightning.fabric import Fabric
        >>> model, info = load_model("run")
        >>> fabric, recipe = Fabric(accelerator="cpu"), find_recipe("fast")
        >>> trainer = Trainer(fabric, model, recipe, epochs=3, seed=0)
        >>> trainer.load(Path("run") / LAST_CHECKPOINT)
        >>> write_epoch(trainer, Path("run"), info, better=False)
    """
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
    names = list(rows[-1])  # rows of an older checkpoint have fewer
    lines = [[f"{row[name]:.6g}" if name in row else "" for name in names] for row in rows]
    write_text(run / "log.csv", to_csv([names, *lines]))
    *earlier, session = trainer.progress.sessions
    last = {**session["environment"], "recipe": session["recipe"]}
    write_json(run / "environment.json", {**last, "earlier": earlier} if earlier else last)
    trainer.save(run / LAST_CHECKPOINT)
