"""A training whose settings and data set are checked, before an image is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bmis.config import TrainConfig
from bmis.data.cases import Case, Dataset
from bmis.data.folder import open_dataset
from bmis.data.split_checks import warn_of_splits
from bmis.errors import ConfigError, DataError
from bmis.importing.suggest import point_to_import
from bmis.models.plugins import check_given, load_plugins
from bmis.system.files import output_folder
from bmis.train.class_weights import check_class_weights
from bmis.train.distillation import Teacher, check_features, read_teacher
from bmis.train.recipes import Recipe, find_recipe
from bmis.train.run_folder import default_run_folder
from bmis.train.settings import resolve_config, split_seed
from bmis.train.unlabelled import find_unlabelled, leave_out_held_out
from bmis.train.warm_start import WarmStart, read_warm_start
from bmis.wording import counted


@dataclass(frozen=True, eq=False)
class Plan:
    """A training whose settings and data set are checked; no image is read yet.

    Attributes:
        config: Its settings, complete.
        recipe: The recipe with the changes that the settings ask for.
        dataset: The data set.
        cases: The cases of "train", "val" and, where there are some, "unlabelled".
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
    check_features(config, recipe)
    more = find_unlabelled(config, recipe)
    config = resolve_config(config)
    start = read_warm_start(config)
    point_to_import(Path(config.data))
    dataset = open_dataset(config.data, fold=config.fold, seed=split_seed(config))
    if start:
        start.check_classes(dataset.classes)
    check_class_weights(recipe.class_weights, dataset.classes)
    teacher = read_teacher(config, dataset)
    warn_of_splits(dataset)
    cases = _select_cases(dataset, processes=config.devices * config.nodes)
    if more:
        cases["unlabelled"] = leave_out_held_out(more, dataset)
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
