"""``bmis report``: compare what ``bmis compare`` found."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from bmis.cli.console import say, say_json, warn
from bmis.cli.options import add_json
from bmis.wording import counted

HELP = "compare what `bmis compare` found"
EXAMPLE = "results --out report"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> parser.parse_args(["results"]).title is None
        True
    """
    add_json(parser)
    parser.add_argument("results", metavar="RESULTS", help="folder of `bmis compare`")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("report"),
        help="folder for page, tables and figures (default: %(default)s)",
    )
    parser.add_argument("--title", help="title of the page (default: what was compared)")


def run(args: Namespace) -> int:
    """Write the report, and say where it is.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["report", "polyps"])  # no records in there
        2
    """
    from bmis.report.write import write_report

    done = write_report(args.results, out=args.out, title=args.title)
    for warning in done.warnings:
        warn(warning)
    if args.json:
        say_json(done.to_dict())
    else:
        trials = f"{done.done} done, {done.failed} failed, {done.missing} missing"
        say(f"methods: {done.methods}; data sets: {done.datasets}; trials: {trials}")
        others = counted(len(done.files) - 1, "file")
        say(f"page: {done.page}\ntables and figures: {args.out} ({others})")
    return 0
