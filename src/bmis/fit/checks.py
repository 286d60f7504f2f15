"""What is checked before a fit begins, in seconds and before any training."""

import logging
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from bmis.config import TrainConfig
from bmis.data.cases import Dataset
from bmis.data.fingerprint import content_fingerprints
from bmis.errors import ConfigError, MissingExtraError, needs, require
from bmis.fit.device import DeviceFile, missing_extra, read_device
from bmis.fit.facts import DataFacts
from bmis.fit.settings import FitConfig
from bmis.runtime.engines import require_engine
from bmis.train.distillation import read_teacher
from bmis.train.recipes import find_recipe, is_recipe_file
from bmis.wording import counted

_log = logging.getLogger("bmis")


def with_absolute_paths(config: FitConfig) -> FitConfig:
    """The settings as they mean the same from every folder.

    Example:
        >>> config = with_absolute_paths(FitConfig("polyps", max_ms=10, recipes=("fast",)))
        >>> Path(config.data).is_absolute(), config.recipes
        (True, ('fast',))
    """
    teacher = config.teacher
    if teacher and Path(teacher).exists():  # it may also be a name
        teacher = str(Path(teacher).resolve())
    return replace(
        config,
        data=str(Path(config.data).resolve()),
        device=config.device and str(Path(config.device).resolve()),
        teacher=teacher,
        recipes=tuple(
            str(Path(name).resolve()) if is_recipe_file(name) else name for name in config.recipes
        ),
    )


def check_packages(config: FitConfig) -> None:
    """Look for what is needed at the end before anything is begun.

    Raises:
        MissingExtraError: A package or the engine is not installed.

    Example:
        >>> check_packages(FitConfig("polyps", max_ms=10))
    """
    require("optuna", extra="fit")
    require("onnx", extra="export")
    require("onnxscript", extra="export")
    if config.engine == "ncnn" and (extra := missing_extra("ncnn fp32")):
        raise MissingExtraError(needs(extra, extra=extra))  # one extra, which brings ncnn too
    if config.engine != "auto":
        require_engine(config.engine)


def find_device(config: FitConfig) -> DeviceFile | None:
    """The device file, if one was given.

    Raises:
        ConfigError: It is for another number of threads, or knows no such engine.
        DataError: See ``read_device``.
        MissingExtraError: Nothing can be exported here for what it measured.

    Example:
        >>> find_device(FitConfig("polyps", max_ms=10)) is None
        True
    """
    if config.device is None:
        return None
    found = read_device(Path(config.device))
    if found.threads != config.threads:
        raise ConfigError(
            f"{config.device}: was measured with {counted(found.threads, 'thread')}, now "
            f"{config.threads}; give --threads {found.threads}, or measure it again"
        )
    if config.engine not in ("auto", *found.engines):
        raise ConfigError(
            f"{config.device}: knows no {config.engine}, only {', '.join(found.engines)}; choose "
            "another --engine"
        )
    return _what_can_be_exported(found, config.device)


def _what_can_be_exported(found: DeviceFile, name: str) -> DeviceFile:
    """The device file without the ways that nothing can be exported for here, which is said."""
    ways = sorted({way.name for bundle in found.bundles for way in bundle.ways})
    missing = {way: extra for way in ways if (extra := missing_extra(way))}
    for way, extra in missing.items():
        why = f"{way} of {name} cannot be exported for: {needs(extra, extra=extra)}"
        if len(missing) == len(ways):
            raise MissingExtraError(why)
        _log.warning("%s; it takes no part", why)
    bundles = (
        replace(one, ways=tuple(way for way in one.ways if way.name not in missing))
        for one in found.bundles
    )
    return replace(found, bundles=tuple(bundles))


def inputs_of(config: FitConfig, dataset: Dataset) -> dict[str, Any]:
    """The content of the files that a fit rests on, by what people call it.

    Example:
        >>> from bmis import open_dataset
        >>> list(inputs_of(FitConfig("polyps", max_ms=10), open_dataset("polyps")))
        ['the data']
    """
    found: dict[str, Any] = {"the data": content_fingerprints(dataset)}
    if config.device is not None:
        found["the device file"] = sha256(Path(config.device).read_bytes()).hexdigest()
    for name in filter(is_recipe_file, config.recipes):
        found[f"the recipe {name}"] = find_recipe(name).to_dict()
    return found


def check_teacher(config: FitConfig, facts: DataFacts, dataset: Dataset) -> None:
    """Look at the teacher before the search, if there is one.

    Raises:
        BundleError: There is no such network.
        ConfigError: It sees other images or other classes.

    Example:
        >>> from bmis import open_dataset
        >>> from bmis.fit.facts import read_facts
        >>> polyps = open_dataset("polyps")
        >>> check_teacher(FitConfig("polyps", max_ms=10, teacher="run"), read_facts(polyps), polyps)
    """
    side = facts.sides[0]
    asked = TrainConfig(config.data, size=(side, side), resize=facts.resize, teacher=config.teacher)
    read_teacher(asked, dataset)
