"""Small things to remember from one call to the next, in the user's cache folder.

This is a convenience. A file that is damaged, foreign or cannot be written is no error: what it
held is found out again.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bmis.errors import DataError
from bmis.system.files import output_folder, write_json

_MOST_ENTRIES = 100  # in a file


def recall(name: str) -> dict[str, str]:
    """What the cache file of that name holds; entries of another form are left out.

    Example:
        >>> recall("no-such-file.json")
        {}
    """
    file = _file(name)
    try:
        found: Any = json.loads(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)}


def remember(name: str, values: Mapping[str, str]) -> None:
    """Write the cache file of that name; only the last hundred entries are kept.

    Example:
        >>> remember("example.json", {"question": "answer"})
        >>> recall("example.json") in ({"question": "answer"}, {})  # {} on a read-only system
        True
    """
    file = _file(name)
    if file is None:
        return
    try:
        output_folder(file.parent)
        write_json(file, dict(list(values.items())[-_MOST_ENTRIES:]))
    except DataError:
        return  # a read-only system finds it out each time


def _file(name: str) -> Path | None:
    """Where the cache file of that name is; None where there is no such place."""
    from platformdirs import user_cache_path

    try:
        folder = user_cache_path("bmis", appauthor=False)
    except RuntimeError:  # a user without a home
        return None
    return folder / name if folder.is_absolute() else None  # "~/.cache", in older versions
