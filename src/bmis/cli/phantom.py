"""``bmis phantom``: draw a data set of phantoms with exact masks."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from bmis.cli.console import say
from bmis.cli.options import SIZE, read_size
from bmis.wording import counted

HELP = "draw a data set of phantoms with exact masks"
EXAMPLE = "--modality ultrasound --count 200 OUT"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> parser.parse_args(["--modality", "xray", "lungs"]).count
        100
    """
    parser.add_argument("out", metavar="OUT", help="new folder")
    parser.add_argument(
        "--modality",
        required=True,
        metavar="NAME",
        help="dermoscopy, ultrasound, endoscopy, fundus or xray",
    )
    parser.add_argument(
        "--count", type=int, default=100, metavar="N", help="number of images (default: 100)"
    )
    parser.add_argument(
        "--size",
        type=read_size,
        default=(256, 256),
        metavar=SIZE,
        help="height and width in pixels (default: 256)",
    )
    parser.add_argument(
        "--classes",
        type=int,
        default=2,
        metavar="N",
        help="2, or 3 for fundus and xray (default: 2)",
    )
    parser.add_argument(
        "--difficulty", type=float, default=0.5, metavar="X", help="0 to 1 (default: 0.5)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="another seed, other images (default: 0)"
    )


def run(args: Namespace) -> int:
    """Draw the phantoms and say where they are.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["phantom", "--modality", "xray", "--count", "3", "--size", "32", "lungs"])
        3 xray phantoms in lungs
        0
    """
    from bmis.data.phantoms.write import write_phantoms

    out = write_phantoms(
        Path(args.out),
        modality=args.modality,
        count=args.count,
        size=args.size,
        seed=args.seed,
        difficulty=args.difficulty,
        classes=args.classes,
    )
    say(f"{counted(args.count, f'{args.modality} phantom')} in {out}")
    return 0
