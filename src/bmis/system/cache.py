"""Small things to remember from one call to the next, in the user's cache folder.

A convenience: a file that is damaged, foreign or cannot be written is no error; what it held is
found out again.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bmis.errors import DataError
from bmis.system.files import output_folder, write_json

_KEPT = 100  # answers in a file


def recall(name: str) -> dict[str, str]:
    """What the file of that name holds; only what has the right form."""
    file = _file(name)
    try:
        found: Any = json.loads(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)}


def remember(name: str, values: Mapping[str, str]) -> None:
    """Write the file of that name; only the last hundred values are kept."""
    file = _file(name)
    if file is None:
        return
    try:
        output_folder(file.parent)
        write_json(file, dict(list(values.items())[-_KEPT:]))
    except DataError:
        return  # a read-only system finds it out each time


def _file(name: str) -> Path | None:
    """None where there is no such place."""
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    told = os.environ.get(variable, "")
    try:
        folder = Path(told) if Path(told).is_absolute() else Path.home() / ".cache"
    except RuntimeError:  # a user without a home
        return None
    return folder / "bmis" / name
