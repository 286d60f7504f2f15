"""The command ``bmis``: read the arguments, run one command, answer any error in one line."""

import io
import os
import sys
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn, Protocol

from bmis.cli import (
    bench,
    compare,
    convert,
    demo,
    evaluate,
    export,
    fit,
    import_,
    inspect,
    models,
    phantom,
    predict,
    profile,
    report,
    serve,
    share,
    train,
)
from bmis.cli.console import say, set_up_messages, warn
from bmis.errors import (
    BmisError,
    ConfigError,
    TrainingInterrupted,
    did_you_mean,
    is_out_of_memory,
    needs,
)

_TRAINING_SIDE = (  # what the extra "train" brings
    *("torch", "lightning", "safetensors", "scipy"),
    *("jinja2", "matplotlib", "pandas", "adjustText"),
)
_INTERRUPTED = 130  # what shells say after Ctrl-C
_NO_READER = 141  # and of a program that wrote to a closed pipe


class Command(Protocol):
    """What a file of ``cli`` that is named for a command holds.

    Commands import what they need when they run, so that ``bmis --help`` and the device side stay
    fast and need no torch.

    Attributes:
        HELP: What it does, in a few words.
        EXAMPLE: Arguments that it takes.

    Example:
        >>> COMMANDS["predict"].HELP
        'write masks for images, DICOM studies, NIfTI volumes and TIFF stacks'
    """

    HELP: str
    EXAMPLE: str

    def add_options(self, parser: ArgumentParser) -> None:
        """Add the options of the command to its parser."""

    def run(self, args: Namespace) -> int:
        """Do what the arguments ask for, print the answer and return the exit code."""


COMMANDS: dict[str, Command] = {
    "import": import_,
    "inspect": inspect,
    "phantom": phantom,
    "train": train,
    "evaluate": evaluate,
    "profile": profile,
    "predict": predict,
    "export": export,
    "fit": fit,
    "bench": bench,
    "convert": convert,
    "demo": demo,
    "models": models,
    "compare": compare,
    "report": report,
    "share": share,
    "serve": serve,
}


class _Parser(ArgumentParser):
    """Answers a wrong command line as every other error is answered: in one line."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see `{self.prog} --help`")


class _Version(Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: ArgumentParser, *_: Any) -> NoReturn:
        import bmis

        say(f"bmis {bmis.__version__}")
        parser.exit()


def parse(argv: Sequence[str]) -> Namespace:
    """Read a command line.

    Returns:
        The arguments; ``command`` is the module of the command, ``argv`` what was read.

    Raises:
        ConfigError: The command line is wrong.

    Example:
        >>> args = parse(["train", "polyps", "--epochs", "3"])
        >>> args.command.__name__, args.data, args.epochs
        ('bmis.cli.train', 'polyps', 3)
    """
    _check_command(argv)
    parser = _Parser(
        prog="bmis",
        description="Minimalistic medical image segmentation: train, score, measure, predict.",
        epilog="example: bmis phantom --modality endoscopy --count 200 polyps && bmis train polyps",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what is being done")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    asked = next((word for word in argv if word in COMMANDS), None)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=command.HELP,
            description=f"{command.HELP[0].upper()}{command.HELP[1:]}.",
            epilog=f"example: bmis {name} {command.EXAMPLE}",
        )
        sub.set_defaults(command=command)
        if name == asked:  # the options of the others are not needed, and cost time
            command.add_options(sub)
    return parser.parse_args(argv, Namespace(argv=list(argv)))


def _check_command(argv: Sequence[str]) -> None:
    """Raise ``ConfigError`` if the first word is no command, with the nearest one."""
    name = next((word for word in argv if not word.startswith("-")), None)
    before = argv[: argv.index(name)] if name else argv
    if name and name not in COMMANDS and all(flag in ("-v", "--verbose") for flag in before):
        raise ConfigError(f"unknown command {name!r}{did_you_mean(name, COMMANDS)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments without the name of the program; those of the process by default.

    Returns:
        0; 2 for anything wrong with what was given; 130 after Ctrl-C; 141 if whoever reads the
        answer has ended, as ``head`` does.

    Example:
        >>> main(["inspect", "polyps", "--json"])
        {...
        0
    """
    if sys.stdout is None:  # closed before the start
        sys.stdout = io.StringIO()
    try:
        try:
            return _run(sys.argv[1:] if argv is None else argv)
        finally:
            sys.stdout.flush()  # here, where a closed pipe can still be caught
    except BrokenPipeError:
        _write_nowhere()
        return _NO_READER


def _run(argv: Sequence[str]) -> int:
    """Run one command, and answer errors in one line."""
    try:
        args = parse(argv)
        set_up_messages(verbose=args.verbose)
        if getattr(args, "plugins", None):
            from bmis.models.plugins import load_plugins

            load_plugins(args.plugins)
        return int(args.command.run(args))
    except BmisError as error:
        warn(*str(error).split("\n"))
        return _INTERRUPTED if isinstance(error, TrainingInterrupted) else 2
    except KeyboardInterrupt:
        warn("stopped")
        return _INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        hint = _hint(error)
        if hint is None:
            raise
        warn(hint)
        return 2


def _write_nowhere() -> None:
    """Let what is still to be written vanish; Python would complain of it at its end."""
    with suppress(OSError):  # there may be no such descriptors
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _hint(error: Exception) -> str | None:
    """What to do about an error of a library, where that is known."""
    if is_out_of_memory(error):  # every library says it in its own way
        return "not enough memory; use smaller images, a larger machine or a larger --memory-limit"
    if isinstance(error, OSError) and error.strerror:  # of a path that no file can have, say
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}; check the path, its permissions and the room on the disk"
    package = (getattr(error, "name", None) or "").split(".")[0]
    if isinstance(error, ModuleNotFoundError) and package in _TRAINING_SIDE:
        return needs(package, extra="train")
    return None
