"""``bmis predict``: write masks for images."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmis.cli.console import say, say_failures, say_json, warn, warn_out_of_distribution
from bmis.cli.options import (
    MODEL,
    add_json,
    add_postprocessing,
    add_runtime,
    read_spacing,
    runtime_options,
)
from bmis.wording import counted

if TYPE_CHECKING:
    from bmis.data.not_read import NotRead
    from bmis.predict.folder import Prediction

HELP = "write masks for images"
_DOUBTFUL = 0.5  # expected Dice below which a mask needs a look
EXAMPLE = "dermoscopy photos --out masks --overlay"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> parser.parse_args(["run", "a.png", "--out", "masks", "--spacing", "0.1"]).spacing
        (0.1, 0.1)
    """
    add_json(parser)
    parser.add_argument("run", metavar="MODEL", help=MODEL)
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="image files, or folders without those below"
    )
    parser.add_argument("--out", required=True, help="folder for the masks and measurements.csv")
    parser.add_argument("--overlay", action="store_true", help="draw each mask on its image")
    parser.add_argument(
        "--probabilities", action="store_true", help="write probabilities as .npy, float16"
    )
    parser.add_argument("--tile", type=int, metavar="N", help="predict in tiles of this side")
    parser.add_argument(
        "--spacing", type=read_spacing, metavar="MM", help="millimetres per pixel, or down,across"
    )
    add_postprocessing(parser)
    add_runtime(parser)


def run(args: Namespace) -> int:
    """Write the masks, and say how many there are and which images look unlike the training's.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["predict", "run", "photo.png", "--out", "masks"])
        1 mask in masks; measurements in masks/measurements.csv
        0
    """
    from bmis.cli.flags import changes_from
    from bmis.config import PostProcessing
    from bmis.data.image_files import find_images
    from bmis.data.not_read import find_not_read
    from bmis.predict.folder import predict_masks

    sources = [Path(path) for path in args.images]
    images = [file for path in sources for file in find_images(path)]
    with runtime_options(args) as options:
        done = predict_masks(
            [args.run, *args.others],
            images,
            Path(args.out),
            overlay=args.overlay,
            probabilities=args.probabilities,
            tile=args.tile,
            options=options,
            spacing=args.spacing,
            postprocessing=changes_from(args, PostProcessing),
        )
    not_read = {
        str(path): found
        for path in sources
        if path.is_dir() and (found := find_not_read(path, images, out=Path(args.out)))
    }
    if args.json:
        say_json(_plain(done, not_read))
    else:
        masks = counted(len(done.written), "mask")
        say(f"{masks} in {args.out}; measurements in {done.measurements}")
        _say_doubtful(done)
    warn(*(f"{path}: not read: {found}; {_fix(found)}" for path, found in not_read.items()))
    warn_out_of_distribution(done.out_of_distribution)
    return say_failures(done.failed)


def _say_doubtful(done: "Prediction") -> None:
    """Name the mask that is most likely bad, if there are such masks."""
    doubtful = sorted((value, path) for path, value in done.expected_dice if value < _DOUBTFUL)
    if doubtful:
        value, path = doubtful[0]
        say(
            f"expected Dice below {_DOUBTFUL}: {counted(len(doubtful), 'mask')}, the lowest "
            f"{path.name} with {value:.2f}"
        )


def _fix(found: "NotRead") -> str:
    """What to do so that these files are predicted too."""
    convert = "convert the files to PNG" if found.files else ""
    name = "name the folders too" if found.folders else ""
    return " and ".join(filter(None, (convert, name)))


def _plain(done: "Prediction", not_read: "dict[str, NotRead]") -> dict[str, Any]:
    from dataclasses import asdict

    ood = [{"file": str(path), "ood_score": score} for path, score in done.out_of_distribution]
    return {
        "written": [str(path) for path in done.written],
        "failed": [{"file": str(path), "why": why} for path, why in done.failed],
        "not_read": {path: asdict(found) for path, found in not_read.items()},
        "measurements": str(done.measurements),
        "out_of_distribution": ood,
        "expected_dice": {str(path): value for path, value in done.expected_dice},
    }
