"""The names of methods in a comparison: networks, networks with options, groups of networks."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bmis.errors import ConfigError, did_you_mean
from bmis.models import (
    build_model,
    find_method,
    initial_weights,
    list_models,
    takes_weights,
)
from bmis.models.plugins import missing_network
from bmis.models.registry import GROUPS
from bmis.records import read_records
from bmis.system.plain_yaml import parse_yaml

_OUTSIDE_BRACKETS = re.compile(r",(?![^\[]*\])")


@dataclass(frozen=True)
class Variant:
    """A network with its options, as it takes part in a comparison.

    Attributes:
        text: Its name in the comparison: "bmis", or "bmis:eca=false" with options sorted.
        name: Name of the network.
        options: Arguments of its constructor.

    Example:
        >>> Variant("bmis:eca=false", "bmis", {"eca": False}).name
        'bmis'
    """

    text: str
    name: str
    options: dict[str, Any]


def find_methods(texts: Iterable[str], weights: str | None = None) -> tuple[Variant, ...]:
    """The networks that some texts stand for, each once, in the order given.

    Args:
        texts: Each a name, a name with options (``bmis:eca=false,attention=false``), a group
            ("light", "classic", "transformer", "own"), "all", or several of these with commas.
        weights: "imagenet" or "none" for all that have the choice and whose text does not say.

    Raises:
        ConfigError: There is none of that name, or it refuses its options.
        MissingExtraError: A library that one of them needs is not installed.

    Example:
        >>> [variant.text for variant in find_methods(["unet", "bmis:eca=False"])]
        ['unet', 'bmis:eca=false']
    """
    found: dict[str, Variant] = {}
    for text in texts:
        for variant in (v for part in _split(text) for v in _expand(part)):
            chosen = _starting_from(variant, weights)
            found.setdefault(chosen.text, chosen)
    if not found:
        raise ConfigError("no methods were given; name networks, a group, or all")
    for variant in found.values():
        with torch.device("meta"):  # shapes only, so large networks cost nothing
            build_model(variant.name, **variant.options)
    return tuple(found.values())


def check_plugins(folder: Path, texts: Iterable[str]) -> None:
    """Refuse networks that are not known here, but were when records of a comparison were made.

    Args:
        folder: Results folder.
        texts: Methods, as in ``find_methods``.

    Raises:
        ConfigError: The plugin of a network was not loaded.
        DataError: A record is damaged.

    Example:
        >>> check_plugins(Path("results"), ["bmis,unet"])  # nothing there
    """
    asked = {name for text in texts for name in re.split(r"[:,\s]+", text)}
    for record in read_records(folder) if folder.is_dir() else ():
        name, plugin = record.model.get("name"), record.model.get("plugin")
        if plugin and name in asked and name not in list_models():
            raise ConfigError(f"{folder}: {missing_network(name, [plugin])}")


def _split(text: str) -> list[str]:
    """Split at commas, except between the options of one network or inside brackets."""
    parts: list[str] = []
    for part in (piece.strip() for piece in _OUTSIDE_BRACKETS.split(text)):
        if parts and "=" in part and ":" not in part and ":" in parts[-1]:
            parts[-1] += f",{part}"
        elif part:
            parts.append(part)
    return parts


def _expand(text: str) -> list[Variant]:
    names = list_models()
    if text == "all":
        return [Variant(name, name, {}) for name in names]
    if text in GROUPS:
        return [Variant(n, n, {}) for n in names if find_method(n).group == text]
    name, _, settings = text.partition(":")
    if name not in names:
        raise ConfigError(
            f"unknown method {name!r}{did_you_mean(name, (*names, *GROUPS, 'all'))}; one of your "
            "own: give --plugin FILE"
        )
    options = dict(_option(text, part) for part in _OUTSIDE_BRACKETS.split(settings) if part)
    return [make_variant(name, options)]


def _starting_from(variant: Variant, weights: str | None) -> Variant:
    """The network with these weights to start from, if it has the choice and does not say."""
    if weights is None or "weights" in variant.options or not takes_weights(variant.name):
        return variant
    if initial_weights(variant.name, variant.options) == weights:
        return variant
    return make_variant(variant.name, {**variant.options, "weights": weights})


def make_variant(name: str, options: dict[str, Any]) -> Variant:
    """A network with its options, spelt as in a comparison.

    Example:
        >>> make_variant("bmis", {"widths": [8, 16, 24], "eca": False}).text
        'bmis:eca=false,widths=[8,16,24]'
    """
    spelling = ",".join(
        f"{key}={json.dumps(options[key], separators=(',', ':'))}" for key in sorted(options)
    )
    return Variant(f"{name}:{spelling}" if spelling else name, name, options)


def _option(text: str, part: str) -> tuple[str, Any]:
    key, found, value = part.partition("=")
    try:
        if found and key.strip().isidentifier():
            return key.strip(), parse_yaml(value)
    except ValueError:
        pass
    raise ConfigError(f"{text!r}: options are NAME:OPTION=VALUE, such as bmis:eca=false")
