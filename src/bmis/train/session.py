"""What a training stands on: its settings, its images, its device and the weights to start from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from lightning.fabric import Fabric

from bmis.config import InputSpec, TrainConfig
from bmis.data.cases import Case, Dataset
from bmis.data.folder import open_dataset
from bmis.data.on_error import raise_together
from bmis.data.split_checks import warn_of_splits
from bmis.errors import ConfigError, DataError
from bmis.importing.suggest import warn_of_masks
from bmis.models import build_model
from bmis.models.plugins import check_given, load_plugins
from bmis.system.files import output_folder, remove_if_empty
from bmis.train.cached_dataset import CachedDataset
from bmis.train.distillation import Teacher, read_teacher
from bmis.train.fabric import launch_fabric
from bmis.train.recipes import Recipe, find_recipe
from bmis.train.run_folder import default_run_folder
from bmis.train.settings import resolve_config, split_seed
from bmis.train.trainer import Trainer
from bmis.train.warm_start import WarmStart, read_warm_start
from bmis.wording import counted


@dataclass(frozen=True, eq=False)
class Plan:
    """A training whose settings and data set are checked; no image is read yet.

    Attributes:
        config: Its settings, complete.
        recipe: The recipe with the changes that the settings ask for.
        dataset: The data set.
        cases: The cases of "train" and "val".
        run: The run folder; it exists.
        start: Weights to start from, if not random ones.
        teacher: A network to learn from, if any.

    Example:
        >>> plan = make_plan(TrainConfig("polyps", epochs=1, size=(64, 64)), out="new-run")
        >>> plan.recipe.optimizer, len(plan.cases["train"])
        ('muon', 9)
    """

    config: TrainConfig
    recipe: Recipe
    dataset: Dataset
    cases: Mapping[str, tuple[Case, ...]]
    run: Path
    start: WarmStart | None
    teacher: Teacher | None


@dataclass(frozen=True, eq=False)
class Session:
    """All that stays the same when the batch has to be made smaller.

    Attributes:
        plan: Settings and data set.
        fabric: Device, precision and processes; launched.
        cached: The images of "train" and "val".

    Example:
        >>> config = TrainConfig("polyps", epochs=1, size=(64, 64), device="cpu")
        >>> session = open_session(make_plan(config, out="new-run"))
        >>> len(session.cached["val"])
        1
    """

    plan: Plan
    fabric: Fabric
    cached: Mapping[str, CachedDataset]


def make_plan(config: TrainConfig, *, out: Path | str | None = None) -> Plan:
    """Check everything about a training that can be checked before its images are read.

    Args:
        config: Data set, network, recipe and everything else about the training.
        out: Run folder; by default ``runs/<data>-<model>-<recipe>[-fold<K>]-seed<S>``.

    Raises:
        BundleError: The file of weights to start or to learn from is missing, damaged or not of
            bmis.
        ConfigError: A setting is wrong.
        DataError: The data set cannot be used.

    Example:
        >>> make_plan(TrainConfig("polyps", size=(64, 64)), out="new-run").run.is_dir()
        True
    """
    load_plugins(config.plugins)
    for earlier in (out, config.init):
        if earlier is not None:
            check_given(config.model, Path(earlier))
    recipe = find_recipe(
        config.recipe,
        config.changes,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        patience=config.patience,
    )
    config = resolve_config(config)
    start = read_warm_start(config)
    warn_of_masks(Path(config.data))
    dataset = open_dataset(config.data, fold=config.fold, seed=split_seed(config))
    if start:
        start.check_classes(dataset.classes)
    teacher = read_teacher(config, dataset)
    warn_of_splits(dataset)
    cases = _select_cases(dataset, processes=config.devices * config.nodes)
    run = output_folder(Path(out) if out else default_run_folder(config, dataset.name))
    return Plan(config, recipe, dataset, cases, run, start, teacher)


def _select_cases(dataset: Dataset, *, processes: int) -> dict[str, tuple[Case, ...]]:
    """The cases to train on and those to choose the epoch by."""
    try:
        cases = {split: dataset.split(split) for split in ("train", "val")}
    except DataError as error:
        raise DataError(
            f"{error}; training needs train and val: name them in splits.csv, or use --fold"
        ) from error
    if len(cases["train"]) < processes:
        raise ConfigError(
            f"{counted(len(cases['train']), 'training image')} cannot be shared by "
            f"{counted(processes, 'process')}; "
            "use fewer --devices or --nodes"
        )
    return cases


def open_session(plan: Plan) -> Session:
    """Start the processes of a training and read its images.

    Raises:
        ConfigError: The device is not there.
        DataError: Some images or masks cannot be used; all of them are named.
        MissingExtraError: A logger is wanted whose package is not installed.

    Example:
        >>> config = TrainConfig("polyps", epochs=1, size=(64, 64), device="cpu")
        >>> session = open_session(make_plan(config, out="new-run"))
        >>> sorted(session.cached)
        ['train', 'val']
    """
    config, dataset, run = plan.config, plan.dataset, plan.run
    spec = InputSpec(size=config.size, channels=dataset.channels, resize=config.resize)
    with remove_if_empty(run), raise_together(dataset.root) as on_error:
        fabric = launch_fabric(config, run)
        if plan.teacher:
            plan.teacher.model.to(fabric.device)
        read = partial(CachedDataset, dataset=dataset, spec=spec, device=fabric.device, scratch=run)
        cached = {split: read(chosen, on_error=on_error) for split, chosen in plan.cases.items()}
    return Session(plan, fabric, cached)


def make_trainer(session: Session, recipe: Recipe, *, resumed: bool = False) -> Trainer:
    """A trainer of a new network: random weights, or those to start from.

    Args:
        session: What the training stands on.
        recipe: That of the plan, or one with a smaller batch.
        resumed: Whether a checkpoint is to replace the weights, so that none are copied.

    Raises:
        ConfigError: None of the weights to start from fits.

    Example:
        >>> config = TrainConfig("polyps", epochs=1, size=(64, 64), device="cpu")
        >>> session = open_session(make_plan(config, out="new-run"))
        >>> make_trainer(session, session.plan.recipe).progress.epoch
        0
    """
    plan, config = session.plan, session.plan.config
    torch.manual_seed(config.seed)  # the weights
    model = build_model(
        config.model,
        in_channels=plan.dataset.channels,
        num_classes=plan.dataset.num_classes,
        **config.options,
    )
    if plan.start and not resumed:
        plan.start.apply(model)
    return Trainer(
        session.fabric,
        model,
        recipe,
        epochs=config.epochs,
        seed=config.seed,
        compiled=config.compile,
        teacher=plan.teacher,
    )
