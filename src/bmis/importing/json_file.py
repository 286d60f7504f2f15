"""JSON of annotation tools, read as untrusted input: only what is needed, in bounded memory."""

import json
import math
from pathlib import Path
from typing import TypeVar

import msgspec

from bmis.errors import DataError
from bmis.system.reading import read_bytes

_T = TypeVar("_T")
MAX_BYTES = 2**30
_DEEP = "its values lie too deep inside of one another; export it again"


def read_json(path: Path, kind: type[_T]) -> _T:
    """Read the part of a JSON file that a type asks for. NaN and infinity become null.

    Raises:
        DataError: The file is too large, no JSON, too deep, or of another kind.

    Example:
        >>> size = Path("a.json").write_text('{"a": [1, NaN], "b": {}}')
        >>> read_json(Path("a.json"), dict[str, list[float | None] | dict])
        {'a': [1.0, None], 'b': {}}
    """
    data = read_bytes(path, limit=MAX_BYTES)
    try:
        return msgspec.json.decode(data, type=kind)
    except RecursionError as error:
        raise DataError(f"{path}: {_DEEP}") from error
    except msgspec.ValidationError as error:
        first: Exception = error
    except (msgspec.DecodeError, UnicodeError) as error:
        first = error
    try:  # Python writes and reads NaN, which is no JSON
        tame = json.dumps(json.loads(data, parse_constant=_null, parse_float=_finite))
        return msgspec.json.decode(tame, type=kind)
    except RecursionError as error:
        raise DataError(f"{path}: {_DEEP}") from error
    except (ValueError, msgspec.MsgspecError):
        reason = str(first).replace("`", "'")
        raise DataError(f"{path}: cannot be read as JSON of this kind ({reason})") from first


def _null(_: str) -> None:
    return None


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None
