"""The data set that a network was trained on, and the split that holds for it.

The same fold and seed as in the training, so that no training image gets among those that judge
the network, also where the data set was moved.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bmis.bundle import SUFFIX
from bmis.config import ModelInfo
from bmis.data.folder import Case, Dataset, find_cases
from bmis.data.images import read_mask
from bmis.data.labels import class_names, count_classes, value_counts
from bmis.errors import ConfigError, DataError
from bmis.pretrained.lookup import is_shipped
from bmis.system.pipeline import each
from bmis.system.progress import track


@dataclass(frozen=True)
class Origin:
    """Where labelled images for a network are, and how they are split.

    Attributes:
        root: Dataset folder.
        fold: Number or file of the fold, None for the data set's own split.
        seed: Of a split that has to be made.
    """

    root: Path
    fold: int | str | None
    seed: int


def output_dir(run: Path) -> Path:
    """Where what belongs to a run lies: its folder; for a bundle one of its name beside it.

    For one that comes with the package, a folder of its name here.
    """
    if is_shipped(run):
        return Path(run.stem)
    if run.suffix.lower() == SUFFIX:
        return run.with_suffix("")
    return run if run.is_dir() else run.parent


def find_origin(
    run: Path,
    info: ModelInfo,
    *,
    data: Path | str | None = None,
    fold: int | str | None = None,
) -> Origin:
    """What the training was done with, but for what is said here.

    Args:
        run: Run folder, ``.safetensors`` file or bundle.
        info: What is saved in it.
        data: Another folder than that of the training.
        fold: Another fold.

    Raises:
        ConfigError: Neither the run nor the caller tells the data set.
        DataError: It is not there, or ``config.yaml`` cannot be read.
    """
    told = _training(run, info)
    return Origin(
        _folder(run, told["data"], data), told["fold"] if fold is None else fold, told["seed"]
    )


def _training(run: Path, info: ModelInfo) -> dict[str, Any]:
    """Data, fold and seed of the split: from the run's ``config.yaml``, else what is in ``run``."""
    names = ("data", "fold", "seed", "split_seed")
    # in the weights "data" is but the data set's name, no path
    told = {"data": None, "fold": None, "seed": 0, "split_seed": None}
    told |= {name: info.provenance[name] for name in names[1:] if name in info.provenance}
    source, file = run, output_dir(run) / "config.yaml"
    try:
        if run.suffix.lower() != SUFFIX and file.is_file():  # a bundle may lie beside any
            source = file
            config = yaml.safe_load(file.read_text(encoding="utf-8"))
            told |= {name: config[name] for name in names if name in config}
        chosen = told["seed"] if told["split_seed"] is None else told["split_seed"]
        seed = int(chosen or 0)
    except (OSError, ArithmeticError, ValueError, TypeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{source}: cannot be read ({reason}); restore it, or remove it") from error
    if not 0 <= seed < 2**32 or not isinstance(told["fold"], int | str | None):
        raise DataError(
            f"{source}: tells of the seed {seed} and the fold {told['fold']!r}, which cannot be; "
            "restore it"
        )
    return told | {"seed": seed}


def _folder(run: Path, told: str | None, data: Path | str | None) -> Path:
    if data is not None:
        return Path(data)
    if told is None:
        raise ConfigError(f"{run}: does not tell its data set; name one with --data")
    root = Path(told)
    if not root.exists():
        raise DataError(
            f"{root}: the data set of the training is not here; say where it is with --data"
        )
    return root


def open_origin(origin: Origin, info: ModelInfo) -> Dataset:
    """``open_dataset`` for a known network, which stops at no file that cannot be read.

    Raises:
        ConfigError: The data set has other classes than the network.
        DataError: See ``data.folder.find_cases``.
    """
    found = find_cases(origin.root, fold=origin.fold, seed=origin.seed)
    told = found.description
    judged = max(2, info.model.num_classes)  # one logit tells two classes apart
    classes = told.classes or _count_classes(found.cases)
    if classes and len(classes) != judged:
        raise ConfigError(
            f"{origin.root}: has {len(classes)} classes ({', '.join(classes)}), the network "
            f"{judged} ({', '.join(info.classes)}); choose other data, or name its classes in "
            "dataset.yaml if some do not occur in it"
        )
    return Dataset(
        origin.root,
        told.name or origin.root.resolve().name,
        found.cases,
        classes or class_names(judged),
        info.input.channels,
        told.spacing,
        told.modality,
        told.licence,
    )


def _count_classes(cases: Sequence[Case]) -> tuple[str, ...]:
    """Names for the classes in all masks that can be read; the others are reported later."""

    def values(path: Path) -> tuple[Path, tuple[int, ...]] | None:
        try:
            return path, tuple(value_counts(read_mask(path)))
        except DataError:
            return None

    masks = [mask for case in cases for mask in case.masks]
    found = [
        mask for mask in track(each(values, masks), "looking at masks", total=len(masks)) if mask
    ]
    return class_names(count_classes(found)) if found else ()
