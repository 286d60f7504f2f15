"""``bmis report``: the page of a comparison, of a training, or of trainings side by side."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from bmis.cli.console import say, say_json, warn
from bmis.cli.options import add_json
from bmis.errors import ConfigError
from bmis.wording import counted

HELP = "draw the page of a comparison, of a training or of several side by side"
EXAMPLE = "results --out report"
_OUT = Path("report")


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> parser.parse_args(["results"]).title is None
        True
    """
    add_json(parser)
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="the folder of `bmis compare`, or one or more run folders of `bmis train`",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help=f"folder to write into (default: {_OUT}; the run folder for the page of one run)",
    )
    parser.add_argument("--title", help="title of the page (default: what was compared)")
    parser.add_argument(
        "--no-pictures", action="store_true", help="draw no images of the data, for run folders"
    )


def run(args: Namespace) -> int:
    """Write the page, and say where it is.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["report", "run"])
        page: run/report.html
        0
        >>> main(["report", "polyps"])  # no records in there, and no run
        2
    """
    if _are_runs(args.folders):
        return _report_runs(args)
    (folder,) = args.folders
    if args.no_pictures:
        raise ConfigError("--no-pictures is for run folders; remove the data set's folder instead")
    return _report_comparison(folder, args)


def _are_runs(folders: Sequence[Path]) -> bool:
    """Whether the folders are those of trainings, and not of one comparison."""
    from bmis.report.runs.read import is_run

    runs = [folder for folder in folders if is_run(folder)]
    if len(runs) == len(folders):
        return True
    (other, *_) = (folder for folder in folders if folder not in runs)
    if runs:
        raise ConfigError(f"{runs[0]} is a run folder, {other} is none; report them one by one")
    if len(folders) > 1:
        raise ConfigError(
            f"{other} is no run folder, and comparisons are reported one by one; to bring several "
            "together copy their records into one folder"
        )
    inside = sorted(folder for folder in other.glob("*/") if is_run(folder))
    if inside:
        raise ConfigError(
            f"{other}: holds {counted(len(inside), 'run folder')}, such as {inside[0]}; name "
            f"those: bmis report {other}/*/"
        )
    return False


def _report_runs(args: Namespace) -> int:
    from bmis.report.runs.page import write_run_page
    from bmis.report.runs.side_by_side import write_runs_page

    pictures = not args.no_pictures
    if len(args.folders) == 1:
        (run,) = args.folders
        page = write_run_page(run, out=args.out, pictures=pictures, title=args.title)
    else:
        out = args.out or _OUT
        page = write_runs_page(args.folders, out=out, pictures=pictures, title=args.title)
    if args.json:
        say_json({"page": str(page), "runs": [str(folder) for folder in args.folders]})
    else:
        say(f"page: {page}")
    return 0


def _report_comparison(folder: Path, args: Namespace) -> int:
    from bmis.report.write import write_report

    out = args.out or _OUT
    done = write_report(folder, out=out, title=args.title)
    for warning in done.warnings:
        warn(warning)
    if args.json:
        say_json(done.to_dict())
    else:
        trials = f"{done.done} done, {done.failed} failed, {done.missing} missing"
        say(f"methods: {done.methods}; data sets: {done.datasets}; trials: {trials}")
        others = counted(len(done.files) - 1, "file")
        say(f"page: {done.page}\ntables and figures: {out} ({others})")
    return 0
