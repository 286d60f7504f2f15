"""All that stays the same in a training when its batch has to be made smaller."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.fabric import Fabric

from bmis.config import ModelConfig, ModelInfo, TrainConfig
from bmis.data.cases import Dataset
from bmis.data.fingerprint import split_fingerprint
from bmis.models import SegmentationModel, build_model, initial_weights
from bmis.train.cached_dataset import CachedDataset
from bmis.train.distillation import Teacher, link_maps
from bmis.train.objective import Objective
from bmis.train.recipes import Recipe
from bmis.train.resume import LAST_CHECKPOINT
from bmis.train.run_folder import environment
from bmis.train.settings import split_seed
from bmis.train.trainer import Trainer
from bmis.train.warm_start import WarmStart


@dataclass(frozen=True, eq=False)
class Session:
    """What one call of ``train_model`` has read and decided.

    Attributes:
        config: The settings, complete.
        dataset: The images and their classes.
        fabric: Device, precision and processes.
        cached: The images of "train", "val" and, where there are some, "unlabelled".
        run: The run folder.
        start: The weights to start from.
        teacher: The network to learn from.
        class_weights: Weights of the classes in the cross-entropy.
        page: Whether to leave ``report.html``.

    Example:
        >>> from bmis import InputSpec, open_dataset
        >>> data, spec, cpu = open_dataset("polyps"), InputSpec((32, 32)), torch.device("cpu")
        >>> cached = CachedDataset(data.split("train"), data, spec, cpu, scratch=Path())
        >>> config, fabric = TrainConfig("polyps", size=(32, 32)), Fabric(accelerator="cpu")
        >>> session = Session(config, data, fabric, {"train": cached}, Path("new-run"))
        >>> make_trainer(session, Recipe()).epochs
        60
    """

    config: TrainConfig
    dataset: Dataset
    fabric: Fabric
    cached: Mapping[str, CachedDataset]
    run: Path
    start: WarmStart | None = None
    teacher: Teacher | None = None
    class_weights: tuple[float, ...] | None = None
    page: bool = False


def make_trainer(session: Session, recipe: Recipe) -> Trainer:
    """A trainer of a new network: random weights, or those to start from.

    Raises:
        ConfigError: None of these weights fits, or the teacher's maps cannot be compared.

    Example:
        >>> from bmis import InputSpec, open_dataset
        >>> data, spec, cpu = open_dataset("polyps"), InputSpec((32, 32)), torch.device("cpu")
        >>> cached = CachedDataset(data.split("train"), data, spec, cpu, scratch=Path())
        >>> config, fabric = TrainConfig("polyps", size=(32, 32)), Fabric(accelerator="cpu")
        >>> session = Session(config, data, fabric, {"train": cached}, Path("new-run"))
        >>> make_trainer(session, Recipe()).model.num_classes
        2
    """
    config = session.config
    torch.manual_seed(config.seed)  # the weights
    model = build_model(
        config.model,
        in_channels=session.dataset.channels,
        num_classes=session.dataset.num_classes,
        **config.options,
    )
    if session.start and not (session.run / LAST_CHECKPOINT).exists():
        session.start.apply(model)
    return Trainer(
        session.fabric,
        model,
        recipe,
        epochs=config.epochs,
        seed=config.seed,
        compiled=config.compile,
        objective=_objective(session, recipe, model),
    )


def _objective(session: Session, recipe: Recipe, model: SegmentationModel) -> Objective:
    """What is minimised; the maps of the network are found where they are learnt."""
    teacher, weights = session.teacher, session.class_weights
    unlabelled = session.cached.get("unlabelled")
    if teacher is None or not recipe.distillation.features:
        return Objective(recipe, weights, teacher, unlabelled=unlabelled)
    teacher, ours = link_maps(teacher, model, session.config.size)
    return Objective(recipe, weights, teacher, ours, teacher.maps, unlabelled)


def model_info(session: Session, recipe: Recipe) -> ModelInfo:
    """What the checkpoint of the best epoch says of the network and its training.

    Example:
        >>> from bmis import InputSpec, open_dataset
        >>> data, spec, cpu = open_dataset("polyps"), InputSpec((32, 32)), torch.device("cpu")
        >>> cached = CachedDataset(data.split("train"), data, spec, cpu, scratch=Path())
        >>> config, fabric = TrainConfig("polyps", size=(32, 32)), Fabric(accelerator="cpu")
        >>> session = Session(config, data, fabric, {"train": cached}, Path("new-run"))
        >>> model_info(session, Recipe()).classes
        ('background', 'polyp')
    """
    config, dataset = session.config, session.dataset
    start, teacher = session.start, session.teacher
    unlabelled = session.cached.get("unlabelled")
    return ModelInfo(
        model=ModelConfig(config.model, dataset.channels, dataset.num_classes, config.options),
        input=session.cached["train"].spec,
        classes=dataset.classes,
        provenance={
            "data": dataset.name,
            "licence": dataset.licence,
            "recipe": {"name": config.recipe, **recipe.to_dict()},
            "epochs": config.epochs,
            "fold": config.fold,
            "seed": config.seed,
            "split_seed": split_seed(config),
            "split_fingerprint": split_fingerprint(dataset.cases),
            "weights": initial_weights(config.model, config.options),
            "init": start.provenance if start else None,
            "teacher": teacher.provenance if teacher else None,
            "unlabelled": len(unlabelled) if unlabelled else None,
            "class_weights": session.class_weights and list(session.class_weights),
            "precision": str(session.fabric.strategy.precision.precision),
            "environment": environment(),
        },
    )
