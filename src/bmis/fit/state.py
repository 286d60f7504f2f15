"""What each step of a fit leaves behind, so that a fit that was killed goes on from there."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from bmis.config import Settings
from bmis.errors import ConfigError, DataError, require
from bmis.fit.settings import FitConfig
from bmis.system.files import write_json
from bmis.system.reading import read_text

_S = TypeVar("_S", bound=Settings)
_SETTINGS, _LOCK = "settings.json", ".lock"
PLAN = "plan.json"
_INPUTS = "inputs"
# What only the plan and the steps after it rest on: an answer such as "give --hours 0.3" can be
# followed in the same folder, and nothing is measured twice.
_OPEN = (
    *("max_ms", "max_mb", "max_memory", "hours", "engine"),
    *("epochs", "trials", "recipes", "teacher"),
)
_LARGEST = 2**26  # bytes of a step's file


def remembered(path: Path, kind: type[_S], make: Callable[[], _S]) -> _S:
    """What a step found out: read where its file is there, else found out now and written.

    Args:
        path: The step's file.
        kind: The settings that it holds.
        make: Does the step.

    Raises:
        DataError: The file is damaged, or cannot be written.

    Example:
        >>> from bmis.config import ModelConfig
        >>> remembered(Path("step.json"), ModelConfig, lambda: ModelConfig("unet")).name
        'unet'
        >>> remembered(Path("step.json"), ModelConfig, ModelConfig).name  # it is there
        'unet'
    """
    known = recalled(path, kind)
    if known is None:
        known = make()
        write_json(path, known.to_dict())
    return known


def recalled(path: Path, kind: type[_S]) -> _S | None:
    """What a step's file holds; None where there is none.

    Raises:
        DataError: The file is damaged.

    Example:
        >>> from bmis.config import ModelConfig
        >>> recalled(Path("step.json"), ModelConfig) is None
        True
    """
    if not path.exists():
        return None
    try:
        return kind.from_dict(json.loads(read_text(path, limit=_LARGEST)))
    except (ValueError, TypeError, AttributeError, ConfigError) as error:
        raise DataError(
            f"{path}: cannot be resumed ({error}); delete {path.parent} or choose another --out"
        ) from error


@contextmanager
def only_here(folder: Path) -> Iterator[None]:
    """Keep other fits out of a folder for as long as the block runs, however this one ends.

    Raises:
        ConfigError: Another fit runs in it.
        DataError: The file system knows no locks.
        MissingExtraError: filelock is not installed.

    Example:
        >>> with only_here(Path(".")), only_here(Path(".")):
        ...     pass
        Traceback (most recent call last):
        bmis.errors.ConfigError: .: another fit runs in this folder; wait for its end, or ...
    """
    filelock = require("filelock", extra="fit")
    lock = filelock.FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise ConfigError(
            f"{folder}: another fit runs in this folder; wait for its end, or choose another --out"
        ) from error
    except (OSError, NotImplementedError) as error:
        raise DataError(f"{folder}: cannot be locked ({error}); choose another --out") from error
    try:
        yield
    finally:
        lock.release()


def claim_folder(folder: Path, config: FitConfig, inputs: Mapping[str, Any]) -> None:
    """Note what a folder's fit is asked to do, or refuse to go on with something else.

    Before the search is planned, budget, time, epochs and recipes may change; workers always.

    Args:
        folder: Folder of the fit; it exists.
        config: Its settings, with absolute paths.
        inputs: What the settings name, by what people call it: the content of files.

    Raises:
        ConfigError: The folder holds something else, or a fit with other settings or inputs.

    Example:
        >>> Path("fit").mkdir()
        >>> claim_folder(Path("fit"), FitConfig("polyps", max_ms=10), {})
        >>> claim_folder(Path("fit"), FitConfig("polyps", max_ms=5, seed=1), {})
        Traceback (most recent call last):
        bmis.errors.ConfigError: fit: holds a fit with other settings (seed 0, now 1); ...
    """
    path, now = folder / _SETTINGS, {**config.to_dict(), _INPUTS: dict(inputs)}
    if path.exists():
        changes = _changes(path, now)
        if changes:
            raise ConfigError(
                f"{folder}: holds a fit with other settings ({'; '.join(changes)}); choose another "
                "--out or delete it"
            )
    elif any(not one.name.startswith(".") for one in folder.iterdir()):
        raise ConfigError(f"{folder}: holds other files; choose a new folder with --out")
    write_json(path, now)


def _changes(path: Path, now: Mapping[str, Any]) -> list[str]:
    """What is not as before and may not change any more."""
    try:
        before: dict[str, Any] = dict(json.loads(read_text(path)))
        inputs = dict(before[_INPUTS])
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{path}: cannot be read; choose another --out") from error
    free = ("workers",) if path.with_name(PLAN).exists() else ("workers", *_OPEN)
    found = [
        f"{key} {before.get(key)}, now {value}"
        for key, value in now.items()
        if key not in (*free, _INPUTS) and before.get(key) != value
    ]
    return found + [
        f"{name} changed"
        for name, value in now[_INPUTS].items()
        if name in inputs and inputs[name] != value
    ]
