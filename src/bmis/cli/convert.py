"""``bmis convert``: turn the authors' checkpoint into ours."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from bmis.cli.console import say

HELP = "turn the authors' checkpoint into ours, without running what is in it"
EXAMPLE = "AUTHORS.pth.tar --model bmis --out model.safetensors"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> parser.parse_args(["authors.pth", "--out", "model.safetensors"]).model
        'bmis'
    """
    parser.add_argument("source", metavar="CHECKPOINT", help="file as published")
    parser.add_argument(
        "--model", default="bmis", help="network that it is for (default: %(default)s)"
    )
    parser.add_argument("--out", required=True, help="file to write")


def run(args: Namespace) -> int:
    """Write the checkpoint in our form.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["convert", "missing.pth", "--out", "model.safetensors"])  # no such file
        2
    """
    from bmis.models.convert import convert_checkpoint

    say(f"wrote {convert_checkpoint(Path(args.source), model=args.model, out=Path(args.out))}")
    return 0
