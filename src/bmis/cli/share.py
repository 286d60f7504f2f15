"""``bmis share``: a folder for the Hugging Face Hub."""

from argparse import ArgumentParser, Namespace

from bmis.cli.console import answer
from bmis.cli.options import add_json, add_plugins

HELP = "write a folder for the Hugging Face Hub, for others to load the network from"
EXAMPLE = "runs/polyps-bmis-default-seed0 polyps-for-all --name clinic/polyps"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> parser.parse_args(["run", "hub"]).licence
        'other'
    """
    add_json(parser)
    parser.add_argument("run", metavar="RUN", help="run folder or .safetensors file")
    parser.add_argument("out", metavar="OUT", help="folder to write, new or empty")
    parser.add_argument("--name", metavar="OWNER/NAME", help="what it will be called on the Hub")
    parser.add_argument(
        "--licence",
        default="other",
        metavar="ID",
        help="of the weights, such as apache-2.0 (default: %(default)s)",
    )
    parser.add_argument(
        "--bundle", metavar="FILE", help="a bundle of this run (default: export one in float32)"
    )
    parser.add_argument(
        "--data", help="dataset folder that validates the export (default: the run's own)"
    )
    add_plugins(parser)


def run(args: Namespace) -> int:
    """Write the folder, and say how it gets to the Hub.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["share", "run", "hub", "--data", "polyps", "--name", "clinic/polyps"])
        hub: README.md, model.bmis, model.safetensors...
        0
    """
    from bmis.export.share import share_run

    done = share_run(
        args.run,
        args.out,
        name=args.name,
        licence=args.licence,
        bundle=args.bundle,
        data=args.data,
    )
    place = done.address.removeprefix("hf://")
    told = {"out": str(done.out), "address": done.address, "files": done.files}
    text = (
        f"{done.out}: {', '.join(done.files)}, {sum(done.files.values()) / 1e6:.1f} MB\n"
        f"read README.md; then send it with: hf upload {place} {done.out}\n"
        f"others use it with: bmis predict {done.address} photos --out masks"
    )
    answer(args, told, text)
    return 0
