"""Everything that ``bmis`` raises on purpose, and the one way to ask for an optional package."""

from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from types import ModuleType


class BmisError(Exception):
    """Base of all errors that name what came, what is wanted and how to mend it."""


class ConfigError(BmisError):
    """A setting, option or name is wrong."""


class NoMemoryError(ConfigError):
    """What was asked for does not fit into the memory of the machine or its device."""


class DataError(BmisError):
    """A file, folder or array is not what it should be."""


class BundleError(BmisError):
    """A checkpoint or bundle is damaged, foreign or of another version."""


class TrainingError(BmisError):
    """Training cannot go on: not finite, out of memory, interrupted."""


class TrainingInterrupted(TrainingError):  # noqa: N818  (an answer to Ctrl-C, not a fault)
    """Ctrl-C during training; what was done is kept."""


class MissingExtraError(BmisError):
    """An optional package is not installed."""


_NO_MEMORY = (  # how Python, torch, ONNX Runtime and OpenVINO say it
    "out of memory",
    "not enough memory",
    "failed to allocate",
    "could not allocate",
    "cannot allocate",
    "can not allocate",
    "can't alloc",
    "bad_alloc",
    "bad allocation",
    "failed to map segment",  # of a library
    "can't start new thread",
    "resource temporarily unavailable",  # a thread again
)


def says_no_memory(error: BaseException) -> bool:
    """Whether an error of any library tells of too little memory."""
    return isinstance(error, MemoryError) or any(
        words in str(error).lower() for words in _NO_MEMORY
    )


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional module, or answer with the exact install line.

    Args:
        module: Dotted name, such as ``"torch"``.
        extra: The extra of ``bmis`` that brings it, such as ``"train"``.

    Raises:
        MissingExtraError: The module's package is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".", 1)[0]
        if error.name != package:  # present, but something inside it is broken: say that instead
            raise
        raise MissingExtraError(
            f'{package} is needed for this; install it with: pip install "bmis[{extra}]"'
        ) from error


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """The end of an "unknown name" message: the nearest option if one is near, then all of them."""
    known = list(options)
    near = get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"{hint}; available: {', '.join(known)}"
