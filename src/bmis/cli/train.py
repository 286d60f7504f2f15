"""``bmis train``: train a network on a dataset folder."""

import shlex
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from bmis.cli.console import answer, say
from bmis.cli.options import add_json, add_plugins
from bmis.errors import ConfigError
from bmis.wording import counted

if TYPE_CHECKING:
    from bmis.config import TrainConfig

HELP = "train a network on a dataset folder"
EXAMPLE = "DATA --epochs 60"
_SEARCH = "--find-learning-rate"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command: those of ``TrainConfig``, and where to write.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> parser.parse_args(["polyps", "-o", "attention=false"]).options
        [('attention', False)]
    """
    from bmis.cli.flags import add_flags
    from bmis.config import TrainConfig

    add_json(parser)
    parser.add_argument("--out", help="run folder (default: runs/<data>-<model>-<recipe>-seed<S>)")
    parser.add_argument("data", nargs="?", metavar="DATA", help="dataset folder")
    add_flags(parser, TrainConfig, leave_out=["data", "split_seed", "plugins"])
    parser.add_argument(
        "--show-recipe", action="store_true", help="print the recipe as a file to change, and stop"
    )
    parser.add_argument(
        "--show-augmentation",
        metavar="FILE",
        help="draw 24 training images as the recipe changes them, with their masks, and stop",
    )
    parser.add_argument(
        _SEARCH,
        action="store_true",
        help="suggest a learning rate in a minute, with a plot in the run folder, and stop",
    )
    add_plugins(parser)


def run(args: Namespace) -> int:
    """Train, and say how good the best epoch is.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["train", "polyps", "--model", "bmsi"])  # on stderr: did you mean 'bmis'?
        2
    """
    from bmis.cli.flags import settings_from
    from bmis.config import TrainConfig

    if args.show_recipe:
        say(_show_recipe(args))
        return 0
    if args.data is None:
        raise ConfigError("name the dataset folder: bmis train DATA; see `bmis train --help`")
    config = settings_from(args, TrainConfig)  # before torch is loaded, which takes seconds
    if args.show_augmentation:
        from bmis.train.augmentation_sheet import write_augmentation_sheet

        sheet = str(write_augmentation_sheet(config, args.show_augmentation))
        answer(args, {"sheet": sheet}, f"augmented training images: {sheet}")
        return 0
    if args.find_learning_rate:
        return _find_learning_rate(args, config)
    import json
    from dataclasses import asdict

    from lightning.fabric.utilities import rank_zero_only

    from bmis.config.run_files import PAGE_FILE
    from bmis.train.run import train_model

    done = train_model(config, out=args.out)
    say_once = rank_zero_only(say)  # one answer, however many processes there are
    if args.json:
        say_once(json.dumps({**asdict(done), "run": str(done.run)}, indent=2))
    else:
        count = "all" if done.resumed_after == done.epochs else done.resumed_after
        before = f" ({count} of them before)" if done.resumed_after else ""
        page = done.run / PAGE_FILE
        shown = f"page: {page}\n" if page.exists() else ""
        say_once(
            f"{counted(done.epochs, 'epoch')}{before} in {done.seconds:.0f} s, "
            f"{done.images_per_second:.1f} images/s; best epoch {done.best_epoch}: "
            f"validation IoU {done.val_iou:.3f}, Dice {done.val_dice:.3f}\n"
            f"run folder: {done.run}\n{shown}next: bmis evaluate {done.run}"
        )
    return 0


def _find_learning_rate(args: Namespace, config: "TrainConfig") -> int:
    """Say which learning rate to use, and by which command."""
    from bmis.train.learning_rate import PLOT, find_learning_rate

    found = find_learning_rate(config, out=args.out)
    command = [word for word in args.argv if not _SEARCH.startswith(word)]
    train = shlex.join(["bmis", *command, "--learning-rate", f"{found.rate:g}"])
    text = f"learning rate: {found.rate:g}\nplot: {found.run / PLOT}\nnext: {train}"
    answer(args, {"learning_rate": found.rate, "plot": str(found.run / PLOT), "next": train}, text)
    return 0


def _show_recipe(args: Namespace) -> str:
    """The recipe with its changes, as a file for ``--recipe``."""
    import yaml

    from bmis.train.recipes import find_recipe

    recipe = find_recipe(
        args.recipe,
        dict(args.changes),
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        patience=args.patience,
    )
    return yaml.safe_dump(recipe.to_dict(), sort_keys=False).rstrip()
