"""How values on the command line are read, and the options that several commands share."""

import math
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bmis.config import RuntimeOptions

MODEL = "bundle, run folder, .safetensors file, or name (`bmis models --pretrained`)"
_DIGITS = 12  # of the largest amount of memory in megabytes
SIZE = "SIDE|H,W"


def read_size(text: str) -> tuple[int, int]:
    """Read one side, or height and width, in pixels.

    Example:
        >>> read_size("224"), read_size("224,320")
        ((224, 224), (224, 320))
    """
    sides = text.replace("x", ",").split(",")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise ArgumentTypeError(f"{text!r}: give one side or height,width in pixels")
    return int(sides[0]), int(sides[-1])


def read_size_or_word(text: str) -> tuple[int, int] | str:
    """Read a size, or a word in its place.

    Example:
        >>> read_size_or_word("224"), read_size_or_word("any")
        ((224, 224), 'any')
    """
    return text if text.isalpha() else read_size(text)


def read_spacing(text: str) -> tuple[float, float]:
    """Read millimetres per pixel, down and across.

    Example:
        >>> read_spacing("0.1"), read_spacing("0.1,0.2")
        ((0.1, 0.1), (0.1, 0.2))
    """
    try:
        sides = [float(part) for part in text.split(",")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or not all(0 < side < math.inf for side in sides):
        raise ArgumentTypeError(f"{text!r}: give millimetres per pixel, or down,across")
    return sides[0], sides[-1]


def read_batches(text: str) -> tuple[int, ...]:
    """Read numbers of images, each 1 or more.

    Example:
        >>> read_batches("1,8")
        (1, 8)
    """
    sizes = text.split(",")
    if not all(size.isdecimal() and int(size) for size in sizes):
        raise ArgumentTypeError(f"{text!r}: give numbers of images, such as 1,8")
    return tuple(int(size) for size in sizes)


def read_megabytes(text: str) -> int:
    """Read an amount of memory in units of 2**20 bytes, at least 1 and no more than can exist.

    Example:
        >>> read_megabytes("2000")
        2000
    """
    number = int(text) if text.isdecimal() and len(text) <= _DIGITS else 0
    if number < 1:
        raise ArgumentTypeError(f"{text!r}: give megabytes, such as 2000")
    return number


def read_words(text: str) -> tuple[str, ...]:
    """Read words that are separated by commas.

    Example:
        >>> read_words("onnx, openvino")
        ('onnx', 'openvino')
    """
    return tuple(word.strip() for word in text.split(","))


def read_fold(text: str) -> int | str:
    """Read the number of a fold, or the path of a file.

    Example:
        >>> read_fold("3"), read_fold("folds/fold3.csv")
        (3, 'folds/fold3.csv')
    """
    return int(text) if text.isdecimal() else text


def read_assignment(text: str) -> tuple[str, Any]:
    """Read a name and its value, which is YAML.

    Example:
        >>> read_assignment("attention=false"), read_assignment("widths=[8, 32, 48]")
        (('attention', False), ('widths', [8, 32, 48]))
    """
    from bmis.system.plain_yaml import parse_yaml

    name, found, value = text.partition("=")
    if not found:
        raise ArgumentTypeError(f"{text!r}: give NAME=VALUE, such as attention=false")
    try:
        return name, parse_yaml(value)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r}: the value cannot be read as YAML ({error})") from error


def add_json(parser: ArgumentParser) -> None:
    """Add ``--json``, see ``console.answer``.

    Example:
        >>> parser = ArgumentParser()
        >>> add_json(parser)
        >>> parser.parse_args(["--json"]).json
        True
    """
    parser.add_argument("--json", action="store_true", help="answer in JSON")


def add_plugins(parser: ArgumentParser) -> None:
    """Add ``--plugin``; ``main`` loads what it names before the command runs.

    Example:
        >>> parser = ArgumentParser()
        >>> add_plugins(parser)
        >>> parser.parse_args(["--plugin", "mine.py"]).plugins
        ['mine.py']
    """
    parser.add_argument(
        "--plugin",
        dest="plugins",
        action="append",
        default=[],
        metavar="FILE",
        help="Python file with networks of your own; may be repeated",
    )


def add_runtime(parser: ArgumentParser) -> None:
    """Add all that says how a trained network is run; see ``runtime_options``.

    Example:
        >>> parser = ArgumentParser()
        >>> add_runtime(parser)
        >>> parser.parse_args(["--threads", "2"]).threads
        2
    """
    from bmis.cli.flags import add_flags
    from bmis.config import RuntimeOptions

    add_flags(parser, RuntimeOptions)
    parser.add_argument(
        "--memory-limit",
        type=read_megabytes,
        metavar="MB",
        help="take no more memory for data (Linux)",
    )
    add_plugins(parser)


def add_postprocessing(parser: ArgumentParser) -> None:
    """Add all that changes a mask: the networks to average with, and post-processing.

    Example:
        >>> parser = ArgumentParser()
        >>> add_postprocessing(parser)
        >>> args = parser.parse_args(["--with", "fold1", "--with", "fold2", "--threshold", "0.4"])
        >>> args.others, args.threshold
        (['fold1', 'fold2'], 0.4)
    """
    from bmis.cli.flags import add_flags
    from bmis.config import PostProcessing

    parser.add_argument(
        "--with",
        dest="others",
        action="append",
        default=[],
        metavar="MODEL",
        help="average with another network, such as that of another fold; may be repeated",
    )
    group = parser.add_argument_group("post-processing", "in place of what the bundle brings")
    add_flags(group, PostProcessing, changing=True)


@contextmanager
def runtime_options(args: Namespace) -> Iterator["RuntimeOptions"]:
    """How the network ``args.run`` shall be run, within the limit to the memory if there is one.

    Example:
        >>> parser = ArgumentParser()
        >>> add_runtime(parser)
        >>> with runtime_options(parser.parse_args(["--engine", "openvino"])) as options:
        ...     print(options.engine)
        openvino
    """
    from bmis.cli.flags import settings_from
    from bmis.config import RuntimeOptions
    from bmis.system.memory import memory_limit

    options = settings_from(args, RuntimeOptions)
    if args.memory_limit is not None:
        from bmis.runtime.load import load_packages

        for model in (args.run, *args.others):
            load_packages(model, options)
    with memory_limit(args.memory_limit):
        yield options
