"""Scores that a folder holds already: those of the same question are replaced, others never."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bmis.config.run_files import METRICS_FILE
from bmis.errors import ConfigError

_PATHS = ("checkpoint", "averaged_with", "data", "fold")  # a fold may be the path of a file
_NEW: dict[str, Any] = {"averaged_with": [], "postprocessing": {}}  # what was always so before


def check_earlier(folder: Path, now: Mapping[str, Any], *, own: bool) -> None:
    """Refuse a folder that holds scores of another network, data set, split, fold or option.

    Args:
        folder: Where scores are to be written.
        now: What is to be scored and how, see ``question``.
        own: Whether it is the network's own folder, which may have been moved together with it.

    Raises:
        ConfigError: The folder holds other scores, or a ``metrics.json`` that cannot be read.

    Example:
        >>> check_earlier(Path("new"), {"split": "val"}, own=True)  # nothing there
        >>> _ = Path("metrics.json").write_text('{"split": "test"}')
        >>> check_earlier(Path("."), {"split": "val"}, own=True)
        Traceback (most recent call last):
        bmis.errors.ConfigError: .: holds other scores (split 'test', now 'val'); choose another ...
    """
    file = folder / METRICS_FILE
    if not file.exists():
        return
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        # what earlier versions did not record is taken to be the same
        other = [n for n in now if _value(n, found.get(n, _NEW.get(n, now[n]))) != now[n]]
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{file}: cannot be read, so the scores there may be of anything; remove it, or choose "
            "another --out"
        ) from error
    if own and "checkpoint" in other:
        other.remove("checkpoint")
    if other:
        found = {**_NEW, **found}
        changes = "; ".join(f"{name} {found[name]!r}, now {now[name]!r}" for name in other)
        place = folder / "-".join(_word(name, now[name]) for name in other)
        raise ConfigError(
            f"{folder}: holds other scores ({changes}); choose another --out, such as {place}"
        )


def question(**now: Any) -> dict[str, Any]:
    """What is to be scored and how, as ``metrics.json`` records it, with absolute paths.

    Example:
        >>> question(split="val", fold=2)
        {'split': 'val', 'fold': 2}
    """
    return {name: _value(name, value) for name, value in now.items()}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_value(name, one) for one in value]
    is_path = name in _PATHS and isinstance(value, str | Path)
    return str(Path(value).resolve()) if is_path else value


def _word(name: str, value: Any) -> str:
    """A part of a folder's name that tells a value."""
    if name in _PATHS and isinstance(value, str):
        return Path(value).stem
    if name == "averaged_with":
        return f"mean-of-{len(value) + 1}"
    if isinstance(value, dict):
        return "-".join(f"{key}{one}" for key, one in value.items()) or f"no-{name}"
    return str(value) if name in ("split", "engine", "precision") else f"{name}{value}"
