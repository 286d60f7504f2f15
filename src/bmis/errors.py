"""All errors that ``bmis`` raises on purpose, and the one way to ask for an optional package."""

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType


class BmisError(Exception):
    """Base of all errors that say in one line what came, what is wanted and how to fix it.

    Each argument is a line; few errors have more than one. Names and contents of files are part of
    many, so whatever could steer a terminal, a new line included, becomes a question mark.

    Example:
        >>> import bmis
        >>> try:
        ...     bmis.load("no-such-network")
        ... except bmis.BmisError as error:
        ...     print(str(error)[:39])
        no-such-network: no such file or folder
    """

    def __str__(self) -> str:
        return "\n".join(printable(str(line)) for line in self.args)


class ConfigError(BmisError):
    """A setting, option or name is wrong.

    Example:
        >>> raise ConfigError("epochs must be 1 or more, got 0")
        Traceback (most recent call last):
        bmis.errors.ConfigError: epochs must be 1 or more, got 0
    """


class NoMemoryError(ConfigError):
    """The memory of the machine or its device is too small for what was asked.

    Example:
        >>> issubclass(NoMemoryError, ConfigError)  # smaller settings fix it
        True
    """


class DataError(BmisError):
    """A file, folder or array is not what it should be.

    Example:
        >>> import bmis
        >>> try:
        ...     bmis.open_dataset("nowhere")
        ... except DataError as error:
        ...     print(str(error)[:32])
        nowhere: there is no such folder
    """


class BundleError(BmisError):
    """A checkpoint or bundle is damaged, foreign or of another version.

    Example:
        >>> import bmis
        >>> try:
        ...     bmis.load("photo.bmis")
        ... except BundleError as error:
        ...     print(str(error)[:34])
        photo.bmis: no such file or folder
    """


class TrainingError(BmisError):
    """A training cannot go on, for example because its loss is not finite any more.

    Example:
        >>> issubclass(TrainingInterrupted, TrainingError)
        True
    """


class TrainingInterrupted(TrainingError):  # noqa: N818  (an answer to Ctrl-C, not an error)
    """Ctrl-C ended a training; the run folder keeps what was done.

    Example:
        >>> raise TrainingInterrupted("stopped after 3 epochs")
        Traceback (most recent call last):
        bmis.errors.TrainingInterrupted: stopped after 3 epochs
    """


class MissingExtraError(BmisError):
    """An optional package is not installed.

    Example:
        >>> require("no_such_package", extra="train")
        Traceback (most recent call last):
        bmis.errors.MissingExtraError: no_such_package is needed for this; install it with: ...
    """


_NO_MEMORY = (  # in the messages of Python, torch, CUDA, ONNX Runtime and OpenVINO
    "out of memory",
    "not enough memory",
    "failed to allocate",
    "could not allocate",
    "cannot allocate",
    "can not allocate",
    "can't alloc",
    "alloc_failed",
    "bad_alloc",
    "bad allocation",
    "failed to map segment",  # of a library
    "can't start new thread",
    "resource temporarily unavailable",  # a thread again
)

_NO_SPACE = ("no space left", "disk is full", "disk quota exceeded")  # of systems and SQLite


def printable(text: str) -> str:
    r"""The text in one line that can be shown: control characters become question marks.

    Example:
        >>> printable("a\x1b[2Jb")
        'a?[2Jb'
    """
    return "".join(c if c.isprintable() else "?" for c in text)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of any library means that memory ran out.

    Example:
        >>> is_out_of_memory(RuntimeError("std::bad_alloc"))
        True
        >>> is_out_of_memory(RuntimeError("shapes do not match"))
        False
    """
    return isinstance(error, MemoryError) or any(
        words in str(error).lower() for words in _NO_MEMORY
    )


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or what caused it, means that there is no room for a file.

    Example:
        >>> is_disk_full(OSError(errno.ENOSPC, "No space left on device"))
        True
        >>> is_disk_full(DataError("a.png: cannot be written (Permission denied)"))
        False
    """
    numbers = (errno.ENOSPC, errno.EDQUOT)
    return (
        (isinstance(error, OSError) and error.errno in numbers)
        or any(words in str(error).lower() for words in _NO_SPACE)
        or (error.__cause__ is not None and is_disk_full(error.__cause__))
    )


@contextmanager
def one_line_about(path: object, fix: str = "copy it again or remove it") -> Iterator[None]:
    """The last line of defence around one file: whatever the block raises names the file.

    Errors of ``bmis`` pass unchanged. All others become a ``DataError``, so that the other files
    of a folder go on.

    Args:
        path: The file.
        fix: What can be done where the file itself is wrong.

    Raises:
        DataError: The block raised an error of another kind.

    Example:
        >>> with one_line_about("a.tif"):
        ...     {}["dimensions"]
        Traceback (most recent call last):
        bmis.errors.DataError: a.tif: truncated or damaged (KeyError: 'dimensions'); copy it ...
    """
    try:
        yield
    except BmisError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise DataError(
                f"{path}: not enough memory; use a smaller image or a larger machine"
            ) from error
        words = str(error).split()
        words = words if len(words) > 1 else [f"{type(error).__name__}:", *words]
        reason = " ".join(words)[:200].rstrip(":")
        raise DataError(f"{path}: truncated or damaged ({reason}); {fix}") from error


@contextmanager
def enough_memory_for(path: object) -> Iterator[None]:
    """Reading a file for which memory runs out is no sign of a damaged file, and says so.

    Raises:
        NoMemoryError: Memory ran out in the block, in the words of whatever library.

    Example:
        >>> with enough_memory_for("run/last.ckpt"):
        ...     raise MemoryError
        Traceback (most recent call last):
        bmis.errors.NoMemoryError: run/last.ckpt: not enough memory to read it; close other ...
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, BmisError) or not is_out_of_memory(error):
            raise
        raise NoMemoryError(
            f"{path}: not enough memory to read it; close other programs or use a larger machine"
        ) from error


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional module, or raise an error with the exact install line.

    Args:
        module: Dotted name, such as ``"torch"``.
        extra: The extra of ``bmis`` that brings it, such as ``"train"``.

    Raises:
        MissingExtraError: The module's package is not installed.

    Example:
        >>> require("json", extra="train").loads("[1, 2]")
        [1, 2]
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".", 1)[0]
        if error.name != package:  # it is installed, but something inside it is broken
            raise
        raise MissingExtraError(needs(package, extra=extra)) from error


def needs(package: str, *, extra: str) -> str:
    """The message that a package is missing, with the exact install line.

    Args:
        package: Name of the package, such as ``"torch"``.
        extra: The extra of ``bmis`` that brings it, such as ``"train"``.

    Example:
        >>> needs("torch", extra="train")
        'torch is needed for this; install it with: pip install "bmis[train]"'
    """
    return f"{package} is needed for this; install it with: {install_line(extra)}"


def install_line(extra: str) -> str:
    """The command that installs an extra.

    pip asks an installed bmis for its extras, also one from a checkout, so no index needs to have
    it. A bmis that runs from a checkout without being installed is named by that folder.

    Example:
        >>> install_line("zoo")
        'pip install "bmis[zoo]"'
    """
    from importlib.metadata import PackageNotFoundError, distribution  # takes time to import

    try:
        distribution("bmis")
    except PackageNotFoundError:
        return f'pip install "{Path(__file__).parents[2]}[{extra}]"'
    return f'pip install "bmis[{extra}]"'


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """The end of an "unknown name" message: the nearest option if one is near, then all of them.

    Example:
        >>> did_you_mean("papre", ["default", "paper"])
        " (did you mean 'paper'?); available: default, paper"
    """
    known = list(options)
    near = get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"{hint}; available: {', '.join(known)}"
