"""What a training stands on: its plan, its images and its device; its trainer and its record."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from lightning.fabric import Fabric

from bmis.config import InputSpec, ModelConfig, ModelInfo
from bmis.data.fingerprint import split_fingerprint
from bmis.data.label_checks import label_warnings
from bmis.data.on_error import raise_together, warn_once
from bmis.models import SegmentationModel, build_model, initial_weights
from bmis.system.files import remove_if_empty
from bmis.train.cached_dataset import CachedDataset
from bmis.train.class_weights import choose_class_weights
from bmis.train.distillation import link_maps
from bmis.train.fabric import launch_fabric
from bmis.train.objective import Objective
from bmis.train.plan import Plan
from bmis.train.recipes import Recipe
from bmis.train.run_folder import environment
from bmis.train.settings import split_seed
from bmis.train.trainer import Trainer


@dataclass(frozen=True, eq=False)
class Session:
    """All that stays the same when the batch has to be made smaller.

    Attributes:
        plan: Settings and data set.
        fabric: Device, precision and processes; launched.
        cached: The images of "train", "val" and, where there are some, "unlabelled".
        class_weights: Weights of the classes in the cross-entropy.

    Example:
        >>> from bmis import TrainConfig
        >>> from bmis.train.plan import make_plan
        >>> config = TrainConfig("polyps", epochs=1, size=(64, 64), device="cpu")
        >>> session = open_session(make_plan(config, out="new-run"))
        >>> len(session.cached["val"])
        1
    """

    plan: Plan
    fabric: Fabric
    cached: Mapping[str, CachedDataset]
    class_weights: tuple[float, ...] | None = None


def open_session(plan: Plan) -> Session:
    """Start the processes of a training and read its images.

    Raises:
        ConfigError: The device is not there.
        DataError: Some images or masks cannot be used; all of them are named.
        MissingExtraError: A logger is wanted whose package is not installed.

    Example:
        >>> from bmis import TrainConfig
        >>> from bmis.train.plan import make_plan
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
    if fabric.is_global_zero:
        _warn_of_labels(plan, cached)
    weights = choose_class_weights(plan.recipe.class_weights, cached["train"], dataset.classes)
    return Session(plan, fabric, cached, weights)


def _warn_of_labels(plan: Plan, cached: Mapping[str, CachedDataset]) -> None:
    """Say what is likely wrong with the labels that were read."""
    facts = [one for split in ("train", "val") for one in cached[split].facts]
    flips = plan.recipe.augmentation.flips[0] > 0
    for said in label_warnings(facts, plan.dataset.classes, flips=flips):
        warn_once(f"{plan.dataset.root}: {said}")


def make_trainer(session: Session, recipe: Recipe, *, resumed: bool = False) -> Trainer:
    """A trainer of a new network: random weights, or those to start from.

    Args:
        session: What the training stands on.
        recipe: That of the plan, or one with a smaller batch.
        resumed: Whether a checkpoint is to replace the weights, so that none are copied.

    Raises:
        ConfigError: None of the weights to start from fits, or the teacher's maps cannot be
            compared.

    Example:
        >>> from bmis import TrainConfig
        >>> from bmis.train.plan import make_plan
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
        objective=_objective(session, recipe, model),
    )


def _objective(session: Session, recipe: Recipe, model: SegmentationModel) -> Objective:
    """What is minimised; the maps of the network are found where they are learnt."""
    teacher, weights = session.plan.teacher, session.class_weights
    unlabelled = session.cached.get("unlabelled")
    if teacher is None or not recipe.distillation.features:
        return Objective(recipe, weights, teacher, unlabelled=unlabelled)
    teacher, ours = link_maps(teacher, model, session.plan.config.size)
    return Objective(recipe, weights, teacher, ours, teacher.maps, unlabelled)


def model_info(session: Session, recipe: Recipe, *, threads_measured: bool = False) -> ModelInfo:
    """What the checkpoint of the best epoch says of the network and its training.

    Args:
        session: What the training stands on.
        recipe: That of the plan, or one with a smaller batch.
        threads_measured: Whether the number of threads is found in the first steps.

    Example:
        >>> from bmis import TrainConfig
        >>> from bmis.train.plan import make_plan
        >>> config = TrainConfig("polyps", epochs=1, size=(64, 64), device="cpu")
        >>> session = open_session(make_plan(config, out="new-run"))
        >>> model_info(session, session.plan.recipe).classes
        ('background', 'polyp')
    """
    plan, config, dataset = session.plan, session.plan.config, session.plan.dataset
    start, teacher = plan.start, plan.teacher
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
            "environment": environment(threads_measured=threads_measured),
        },
    )
