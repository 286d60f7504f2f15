"""What a training leaves for its page: facts at the start, scored validation images at the end."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bmis.config import ModelInfo, TrainConfig
from bmis.config.run_files import FACTS_FILE
from bmis.data.cases import Case, Dataset
from bmis.data.splits import SPLITS
from bmis.evaluate.validation import score_validation
from bmis.models import SegmentationModel, find_method
from bmis.models.complexity import count_macs
from bmis.report.runs.live import only_warn, try_to_write
from bmis.system.files import write_json
from bmis.train.cached_dataset import CachedDataset
from bmis.train.recipes import RECIPES
from bmis.train.settings import split_seed


def write_facts(
    run: Path,
    info: ModelInfo,
    model: SegmentationModel,
    dataset: Dataset,
    cached: Mapping[str, CachedDataset],
) -> None:
    """Write ``facts.json``: network, start, data and the default recipe, for the run's page.

    Args:
        run: The run folder.
        info: What is saved with the network.
        model: The network.
        dataset: The data set.
        cached: What was read of it, by split.

    Whatever goes wrong becomes a warning.

    Example:
        >>> import json, torch
        >>> from bmis import load_model, open_dataset
        >>> model, info = load_model("run")
        >>> dataset, cpu = open_dataset("polyps"), torch.device("cpu")
        >>> val = CachedDataset(dataset.split("val"), dataset, info.input, cpu, scratch=Path())
        >>> write_facts(Path("run"), info, model, dataset, {"val": val})
        >>> json.loads(Path("run/facts.json").read_text())["data"]["splits"]["val"]["images"]
        1
    """
    with only_warn(f"{run / FACTS_FILE} cannot be written"):
        write_json(run / FACTS_FILE, _facts(info, model, dataset, cached))


def _facts(
    info: ModelInfo,
    model: SegmentationModel,
    dataset: Dataset,
    cached: Mapping[str, CachedDataset],
) -> dict[str, Any]:
    method, known = find_method(info.model.name), info.provenance
    return {
        "network": {
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "macs": count_macs(model, model.valid_size(*info.input.size)),
            **{name: getattr(method, name) for name in ("group", "source", "licence")},
        },
        **{name: known.get(name) for name in ("weights", "init", "teacher")},
        "default": RECIPES["default"].to_dict(),
        "data": {
            "name": dataset.name,
            "licence": dataset.licence,
            "channels": dataset.channels,
            "classes": list(dataset.classes),
            "splits": _splits(dataset, cached),
        },
    }


def _splits(dataset: Dataset, cached: Mapping[str, CachedDataset]) -> dict[str, Any]:
    """Images, groups and pixels of each split; pixels of those that were read."""
    found: dict[str, Any] = {}
    for split in SPLITS:
        cases: list[Case] = [case for case in dataset.cases if case.split == split]
        if not cases:
            continue
        groups = {case.group for case in cases if case.group is not None}
        found[split] = {"images": len(cases), "groups": len(groups)}
        if split in cached:
            counts = cached[split].count_classes(dataset.num_classes)
            found[split]["pixels"] = counts.sum(axis=0).tolist()
            found[split]["showing"] = np.count_nonzero(counts, axis=0).tolist()
    return found


def finish_page(run: Path, config: TrainConfig, dataset: Dataset) -> None:
    """Score validation images and draw the page of a finished training.

    Whatever goes wrong becomes a warning, because the training itself is done.

    Args:
        run: The run folder.
        config: The settings of the training.
        dataset: The data set, split as it was for the training.

    Example:
        >>> from bmis import open_dataset
        >>> finish_page(Path("run"), TrainConfig("polyps"), open_dataset("polyps"))
        >>> Path("run/validation/cases.csv").exists()
        True
    """
    seed, device = split_seed(config), config.device
    with only_warn(f"{run}: validation images cannot be shown"):
        score_validation(run, dataset, fold=config.fold, seed=seed, device=device)
    try_to_write(run, dataset)
