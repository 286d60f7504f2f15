"""The data set that a network was trained on, and the split that holds for it.

Fold and seed are those of the training, also where the data set was moved. Otherwise training
images could get among the test images.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from bmis.bundle import SUFFIX
from bmis.config import MODEL_FILE, SETTINGS_FILE, ModelInfo
from bmis.config.checks import check_value
from bmis.data.cases import Case, Dataset
from bmis.data.class_order import class_order
from bmis.data.fingerprint import split_fingerprint
from bmis.data.folder import find_cases
from bmis.data.labels import class_names
from bmis.data.not_read import warn_of_not_read
from bmis.data.scan import scan_coding
from bmis.errors import ConfigError, DataError
from bmis.importing.suggest import point_to_import
from bmis.pretrained.hub import place_of
from bmis.pretrained.lookup import is_shipped
from bmis.system.plain_yaml import read_yaml
from bmis.wording import counted

_log = logging.getLogger("bmis")
_Seed = Annotated[
    Annotated[int, Meta(ge=0, lt=2**32)] | None, Meta(title="a number from 0 to 2**32 - 1")
]
_RECORDED: dict[str, Any] = {"data": str | None, "fold": int | str | None} | dict.fromkeys(
    ("seed", "split_seed"), _Seed
)


@dataclass(frozen=True)
class TrainingData:
    """Where labelled images for a network are, and how they are split.

    Attributes:
        root: Dataset folder.
        fold: Number or file of the fold, None for the data set's own split.
        seed: Seed of the split, where the data set brings none.

    Example:
        >>> TrainingData(Path("polyps"), fold=None, seed=0).root.name
        'polyps'
    """

    root: Path
    fold: int | str | None
    seed: int


def output_dir(run: Path) -> Path:
    """Where results of a run are written.

    This is the run's own folder. For a bundle and other files it is a folder of their name beside
    them, and for a bundle of the package or of the Hub one in the working directory.

    Example:
        >>> output_dir(Path("run")), output_dir(Path("run/model.safetensors"))
        (PosixPath('run'), PosixPath('run'))
        >>> output_dir(Path("models/lesion.bmis"))
        PosixPath('models/lesion')
    """
    if is_shipped(run):
        return Path(run.stem)
    if place := place_of(run):
        return Path(place)
    if run.is_dir():
        return run
    return run.parent if run.name == MODEL_FILE else run.with_suffix("")


def results_dir(run: Path, others: Sequence[Path], out: Path | str | None) -> Path:
    """Where the scores of a network, or of the mean of several, are written.

    Raises:
        ConfigError: There are several networks, and no folder is given.

    Example:
        >>> results_dir(Path("run"), [], None), results_dir(Path("run"), [Path("other")], "both")
        (PosixPath('run'), PosixPath('both'))
    """
    if others and out is None:
        raise ConfigError("scores of several networks need a folder of their own; name one: --out")
    return output_dir(run) if out is None else Path(out)


def find_training_data(
    run: Path,
    info: ModelInfo,
    *,
    data: Path | str | None = None,
    fold: int | str | None = None,
) -> TrainingData:
    """Data set, fold and seed of a training; what is given here takes precedence.

    Args:
        run: Run folder, ``.safetensors`` file or bundle.
        info: What was saved with the network.
        data: Another folder than that of the training.
        fold: Another fold than that of the training.

    Raises:
        ConfigError: Neither the run nor the caller names the data set.
        DataError: The data set is not there, or ``config.yaml`` cannot be read.

    Example:
        >>> import bmis
        >>> _, info = bmis.load_model("run")
        >>> find_training_data(Path("run"), info, data="polyps")
        TrainingData(root=PosixPath('polyps'), fold=None, seed=0)
    """
    recorded = _recorded(run, info)
    root = _root(run, recorded["data"], data)
    return TrainingData(root, recorded["fold"] if fold is None else fold, recorded["seed"])


def _recorded(run: Path, info: ModelInfo) -> dict[str, Any]:
    """Data, fold and seed of the split: from ``config.yaml``, else what was saved in the file."""
    names = ("data", "fold", "seed", "split_seed")
    # in the weights "data" is only the data set's name, not its path
    recorded = {"data": None, "fold": None, "seed": 0, "split_seed": None}
    recorded |= {name: info.provenance[name] for name in names[1:] if name in info.provenance}
    source, file = run, (run if run.is_dir() else run.parent) / SETTINGS_FILE
    try:
        if run.suffix.lower() != SUFFIX and file.is_file():  # beside a bundle it may be any run's
            source = file
            config = read_yaml(file)
            if not isinstance(config, dict):
                raise ConfigError("it must have lines like 'seed: 0'")
            recorded |= {name: config[name] for name in names if name in config}
        for name, kind in _RECORDED.items():
            recorded[name] = check_value(name, recorded[name], kind)
    except ConfigError as error:
        raise DataError(f"{source}: {error}; restore it, or remove it") from error
    chosen = recorded["seed"] if recorded["split_seed"] is None else recorded["split_seed"]
    return recorded | {"seed": chosen or 0}


def _root(run: Path, recorded: str | None, data: Path | str | None) -> Path:
    if data is not None:
        return Path(data)
    if recorded is None:
        raise ConfigError(f"{run}: does not name its data set; name one with --data")
    root = Path(recorded)
    if not root.exists():
        raise DataError(
            f"{root}: the data set of the training is not here; name its folder with --data"
        )
    return root


def open_training_data(source: TrainingData, info: ModelInfo) -> Dataset:
    """Open a data set for a network. Files that cannot be read are left for later.

    Unlike ``open_dataset`` this takes the number of channels from the network, and the order of
    the classes where both name the same ones in different orders.

    Args:
        source: Where the images are and how they are split.
        info: What was saved with the network.

    Raises:
        ConfigError: The data set has other classes than the network, by number or by name.
        DataError: See ``data.folder.find_cases``.

    Example:
        >>> import bmis
        >>> _, info = bmis.load_model("run")
        >>> dataset = open_training_data(TrainingData(Path("polyps"), None, seed=0), info)
        >>> len(dataset.cases), dataset.classes
        (12, ('background', 'polyp'))
    """
    point_to_import(source.root)
    found = find_cases(source.root, fold=source.fold, seed=source.seed)
    warn_of_not_read(source.root, found.not_read)
    description = found.description
    expected = max(2, info.model.num_classes)  # one logit separates two classes
    masks = [mask for case in found.cases for mask in case.masks]
    coding = scan_coding(source.root, masks, description.mask_rules, otherwise=expected)
    classes = description.classes or class_names(coding.num_classes)
    if len(classes) != expected:
        raise ConfigError(
            f"{source.root}: has {counted(len(classes), 'class')} ({', '.join(classes)}), the "
            f"network {expected} ({', '.join(info.classes)}); choose other data, or name its "
            "classes in dataset.yaml if some do not occur in it"
        )
    order = _class_order(source.root, classes, info.classes)
    name = description.name or source.root.resolve().name
    _check_split(source, name, found.cases, info)
    return Dataset(
        source.root,
        name,
        found.cases,
        info.classes if order else classes,
        info.input.channels,
        description.spacing,
        description.modality,
        description.licence,
        order,
        coding,
    )


def _check_split(source: TrainingData, name: str, cases: Sequence[Case], info: ModelInfo) -> None:
    """Warn where the data set of the training is divided otherwise now."""
    known = info.provenance
    same = (known.get("data"), known.get("fold")) == (name, source.fold)
    trained_on = known.get("split_fingerprint")  # bundles of earlier versions have none
    if same and trained_on and trained_on != split_fingerprint(cases):
        _log.warning(
            "%s: is split differently than it was for the training (images, masks or splits.csv "
            "have changed), so training images may be among those of the test split",
            source.root,
        )


def warn_of_other_splits(dataset: Dataset, info: ModelInfo, others: Sequence[Path]) -> None:
    """Warn of networks that were trained on another division of the same data set.

    Args:
        dataset: The data set, divided as for the first network.
        info: What ``load_ensemble`` says of all networks.
        others: The networks but the first.

    Example:
        >>> import bmis
        >>> from bmis.runtime.average import load_ensemble
        >>> _, info = load_ensemble(["run", "run"])
        >>> warn_of_other_splits(bmis.open_dataset("polyps"), info, [Path("run")])
    """
    now = split_fingerprint(dataset.cases)
    for path, known in zip(others, info.provenance.get("averaged_with", ()), strict=False):
        if known.get("data") == dataset.name and known.get("split_fingerprint") not in (None, now):
            _log.warning(
                "%s: was trained on another fold or split of %s, so its training images may be "
                "among those that are scored",
                path,
                dataset.name,
            )


def _class_order(root: Path, ours: Sequence[str], theirs: Sequence[str]) -> tuple[int, ...]:
    """The network's number of each class, and a message; () where the two number them alike."""
    if len(ours) != len(theirs):  # names of a network that came without them
        return ()
    order = class_order(ours, theirs, where=str(root))
    if order == tuple(range(len(ours))):
        return ()
    _log.warning(
        "%s: its classes are %s, the network's are %s: matched by name",
        root,
        ", ".join(ours),
        ", ".join(theirs),
    )
    return order
