"""The verb ``train``: a dataset folder in, a run folder with the best weights out."""

import logging
import os
import platform
import time
import warnings
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.fabric import Fabric
from lightning.fabric.loggers.tensorboard import TensorBoardLogger

from bmis.checkpoint import save_model
from bmis.config import InputSpec, ModelConfig, ModelInfo, TrainConfig
from bmis.data.folder import Dataset, open_dataset
from bmis.data.store import Store
from bmis.errors import ConfigError, TrainingError, TrainingInterrupted, require
from bmis.files import output_folder, write_json, write_text
from bmis.models import build_model
from bmis.progress import progress_bar
from bmis.recipes import Recipe, find_recipe
from bmis.trainer import Trainer

_log = logging.getLogger("bmis")


@dataclass(frozen=True)
class TrainResult:
    """What ``train_model`` did.

    Attributes:
        run: The run folder.
        epochs: Epochs done in all.
        best_epoch: The epoch, from 1, whose weights are in ``model.safetensors``.
        val_iou: Of that epoch, mean over the validation images at the network's size.
        val_dice: Likewise.
        seconds: Of this call.
        images_per_second: Training images over the whole of this call, validation included.
    """

    run: Path
    epochs: int
    best_epoch: int
    val_iou: float
    val_dice: float
    seconds: float
    images_per_second: float


def train_model(config: TrainConfig, *, out: Path | str | None = None) -> TrainResult:
    """Train a network, or go on where an interrupted call with the same settings stopped.

    Args:
        config: What to do.
        out: Run folder; by default ``runs/<data>-<model>-<recipe>[-fold<K>]-seed<S>``.

    Raises:
        ConfigError: A setting is wrong, or the folder holds a run with other settings.
        DataError: The data set cannot be used.
        TrainingError: The loss is not a number, or not even one image fits into memory.
        TrainingInterrupted: Ctrl-C; the last whole epoch is kept.
    """
    recipe = find_recipe(
        config.recipe, batch_size=config.batch_size, learning_rate=config.learning_rate
    )
    dataset = open_dataset(Path(config.data), fold=config.fold, seed=config.seed)
    spec = InputSpec(size=config.size, channels=dataset.channels, resize=config.resize)
    run = output_folder(Path(out) if out else default_run(config, dataset.name))
    _claim(run, config)
    fabric = _fabric(config, run)
    stores = {
        split: Store(dataset.split(split), dataset, spec, fabric.device, scratch=run)
        for split in ("train", "val")
    }
    start = time.perf_counter()
    while True:
        trainer = _trainer(fabric, config, recipe, spec, dataset)
        try:
            images = _fit(trainer, stores, run, _info(config, recipe, spec, dataset))
            break
        except KeyboardInterrupt:
            raise TrainingInterrupted(
                f"stopped after epoch {trainer.progress.epoch} of {config.epochs}; "
                f"give the same command again to go on from {run / 'last.ckpt'}"
            ) from None
        except (RuntimeError, MemoryError) as error:
            recipe = _smaller(recipe, error)
    seconds = time.perf_counter() - start
    done = trainer.progress
    best = done.log[done.best_epoch - 1]
    return TrainResult(
        run=run,
        epochs=done.epoch,
        best_epoch=done.best_epoch,
        val_iou=best["val_iou"],
        val_dice=best["val_dice"],
        seconds=seconds,
        images_per_second=images / seconds,
    )


def default_run(config: TrainConfig, name: str) -> Path:
    """``runs/<data>-<model>-<recipe>[-fold<K>]-seed<S>``."""
    fold = "" if config.fold is None else f"-fold{Path(str(config.fold)).stem.removeprefix('fold')}"
    return Path("runs") / f"{name}-{config.model}-{config.recipe}{fold}-seed{config.seed}"


def _claim(run: Path, config: TrainConfig) -> None:
    """Write the settings, or check that the folder was begun with the same."""
    file = run / "config.yaml"
    wanted = config.to_dict()
    if file.exists():
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        other = [
            f"{key} {found.get(key)!r}, now {value!r}"
            for key, value in wanted.items()
            if found.get(key) != value
        ]
        if other:
            raise ConfigError(
                f"{run}: holds a run with other settings ({'; '.join(other)}); "
                "choose another --out or delete it"
            )
    elif (run / "last.ckpt").exists():
        raise ConfigError(f"{run}: holds a checkpoint but no config.yaml; choose another --out")
    write_text(file, yaml.safe_dump(wanted, sort_keys=False))


def _fabric(config: TrainConfig, run: Path) -> Fabric:
    """Fabric with the device, precision and processes that were asked for, launched."""
    cuda = torch.cuda.is_available() if config.device == "auto" else config.device == "cuda"
    if cuda and not torch.cuda.is_available():
        raise ConfigError("--device cuda: no CUDA device is found; use --device cpu")
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    if cuda:  # convolutions tuned for the one shape, unless the same bits are wanted
        torch.backends.cudnn.benchmark = not config.deterministic
    loggers: list[Any] = []
    if config.tensorboard:
        require("tensorboard", extra="train")
        loggers.append(TensorBoardLogger(root_dir=run, name="tensorboard", version=""))
    many = config.devices * config.nodes > 1
    fabric = Fabric(
        accelerator="cuda" if cuda else "cpu",
        devices=config.devices,
        num_nodes=config.nodes,
        strategy="ddp" if many else "auto",
        precision="bf16-mixed" if _bf16(config.precision, cuda=cuda) else "32-true",
        loggers=loggers,
    )
    fabric.launch()
    return fabric


def _bf16(precision: str, *, cuda: bool) -> bool:
    """Whether to compute in bfloat16: as asked, or where the processor does it in hardware."""
    if precision != "auto":
        return precision == "bf16"
    if cuda:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:  # not Linux: float32 is always right
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _trainer(
    fabric: Fabric, config: TrainConfig, recipe: Recipe, spec: InputSpec, dataset: Dataset
) -> Trainer:
    torch.manual_seed(config.seed)  # the weights
    model = build_model(
        config.model, in_channels=spec.channels, num_classes=dataset.num_classes, **config.options
    )
    if any(side % model.stride for side in spec.size):
        fits = [max(1, round(side / model.stride)) * model.stride for side in spec.size]
        raise ConfigError(
            f"{config.model} needs a size that is a multiple of {model.stride}, "
            f"got {spec.size[0]}x{spec.size[1]}; use --size {fits[0]},{fits[1]}"
        )
    return Trainer(
        fabric, model, recipe, epochs=config.epochs, seed=config.seed, compiled=config.compile
    )


def _fit(trainer: Trainer, stores: dict[str, Store], run: Path, info: ModelInfo) -> int:
    """Train from the last checkpoint to the last epoch; the number of images passed."""
    last = run / "last.ckpt"
    if last.exists():
        trainer.load(last)
        _log.info("resuming after epoch %d", trainer.progress.epoch)
    fabric, train, images = trainer.fabric, stores["train"], 0
    total = trainer.epochs * len(train) * train.crops_per_image()
    with progress_bar(disable=not fabric.is_global_zero) as bar:
        task = bar.add_task(
            "training", total=total, completed=total * trainer.progress.epoch // trainer.epochs
        )

        def step_done(count: int) -> None:
            nonlocal images
            images += count
            bar.advance(task, count)

        while trainer.progress.epoch < trainer.epochs:
            start = time.perf_counter()
            row = trainer.train_epoch(train, step_done)
            row |= trainer.validate(stores["val"])
            row["seconds"] = time.perf_counter() - start
            better = trainer.record(row)
            fabric.log_dict(row, step=trainer.progress.epoch)
            if fabric.is_global_zero:
                _write(trainer, run, info, better=better)
            text = (
                f"epoch {trainer.progress.epoch}/{trainer.epochs}  loss {row['loss']:.3f}  "
                f"val IoU {row['val_iou']:.3f}  Dice {row['val_dice']:.3f}  "
                f"best epoch {trainer.progress.best_epoch}"
            )
            bar.update(
                task, description=text, completed=total * trainer.progress.epoch // trainer.epochs
            )
            _log.info("%s  %.1f s", text, row["seconds"])
    fabric.barrier()
    return images


def _write(trainer: Trainer, run: Path, info: ModelInfo, *, better: bool) -> None:
    """The epoch's files; the checkpoint last, so that whatever it counts as done is there."""
    if better:
        row = trainer.progress.log[-1]
        provenance = {
            **info.provenance,
            "best_epoch": trainer.progress.epoch,
            "val_iou": row["val_iou"],
            "val_dice": row["val_dice"],
        }
        save_model(
            run / "model.safetensors", trainer.averaged, replace(info, provenance=provenance)
        )
    rows = trainer.progress.log
    lines = [",".join(rows[0])] + [",".join(f"{v:.6g}" for v in row.values()) for row in rows]
    write_text(run / "log.csv", "\n".join(lines) + "\n")
    write_json(run / "environment.json", info.provenance["environment"])
    trainer.save(run / "last.ckpt")


def _info(config: TrainConfig, recipe: Recipe, spec: InputSpec, dataset: Dataset) -> ModelInfo:
    environment = {
        "python": platform.python_version(),
        "system": platform.platform(),
        **{name: version(name) for name in ("bmis", "torch", "lightning", "numpy")},
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
    }
    return ModelInfo(
        model=ModelConfig(config.model, spec.channels, dataset.num_classes, config.options),
        input=spec,
        classes=dataset.classes,
        provenance={
            "data": dataset.name,
            "licence": dataset.licence,
            "recipe": {"name": config.recipe, **recipe.to_dict()},
            "epochs": config.epochs,
            "fold": config.fold,
            "seed": config.seed,
            "environment": environment,
        },
    )


def _smaller(recipe: Recipe, error: BaseException) -> Recipe:
    """The recipe with half the batch if memory ran out; otherwise the error again."""
    text = str(error)
    if not (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "not enough memory" in text
        or "can't allocate memory" in text
    ):
        raise error
    if recipe.batch_size == 1:
        raise TrainingError(
            "out of memory even with one image at a time; use a smaller --size or model"
        ) from error
    half = recipe.batch_size // 2
    warnings.warn(
        f"out of memory with a batch of {recipe.batch_size}; going on with {half}", stacklevel=2
    )
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return replace(recipe, batch_size=half)
