"""What each step of a fit leaves behind, so that a fit that was killed goes on from there."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from bmis.config import Settings
from bmis.errors import ConfigError, DataError
from bmis.fit.settings import FitConfig
from bmis.system.files import write_json
from bmis.system.reading import read_text

_S = TypeVar("_S", bound=Settings)
_SETTINGS = "settings.json"
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
            f"{path}: cannot be resumed ({error}); delete it to do that step again"
        ) from error


def claim_folder(folder: Path, config: FitConfig, content: Mapping[str, str]) -> None:
    """Note what a folder's fit is asked to do, or refuse to go on with other settings or data.

    Args:
        folder: Folder of the fit; it exists.
        config: Its settings, with absolute paths.
        content: Fingerprints of the data.

    Raises:
        ConfigError: The folder holds a fit with other settings, or of other data.

    Example:
        >>> Path("fit").mkdir()
        >>> claim_folder(Path("fit"), FitConfig("polyps", max_ms=10), {})
        >>> claim_folder(Path("fit"), FitConfig("polyps", max_ms=5), {})
        Traceback (most recent call last):
        bmis.errors.ConfigError: fit: holds a fit with other settings (max_ms 10.0, now 5.0); ...
    """
    path, now = folder / _SETTINGS, {**config.to_dict(), "content": dict(content)}
    if not path.exists():
        write_json(path, now)
        return
    try:
        before: dict[str, Any] = dict(json.loads(read_text(path)))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path}: cannot be read; choose another --out") from error
    other = [
        "the data have changed" if key == "content" else f"{key} {before.get(key)}, now {value}"
        for key, value in now.items()
        if before.get(key) != value
    ]
    if other:
        raise ConfigError(
            f"{folder}: holds a fit with other settings ({'; '.join(other)}); choose another --out "
            "or delete it"
        )
