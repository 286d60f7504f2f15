"""``bmis fit``: find, train and export the best network within a time and a size."""

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from bmis.cli.console import answer, table
from bmis.cli.options import add_json
from bmis.wording import counted, short

if TYPE_CHECKING:
    from bmis.fit.result import Fitted

HELP = "find, train and export the best network within a time and a size"
EXAMPLE = "DATA --max-ms 10 --max-mb 1 --hours 2 --out fit"
_ROWS = 12  # candidates on the terminal; the page shows them all


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command: those of ``FitConfig``, and where to write.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> parser.parse_args(["polyps", "--max-ms", "10"]).hours
        2.0
    """
    from bmis.cli.flags import add_flags
    from bmis.fit.settings import FitConfig

    add_json(parser)
    add_flags(parser, FitConfig)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("fit"),
        help="folder for best.bmis, report.html and all steps, which the same command goes on from "
        "(default: %(default)s)",
    )


def run(args: Namespace) -> int:
    """Fit, and show the winner and the runners-up.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["fit", "polyps", "--max-ms", "0"])  # on stderr: must be above 0
        2
    """
    from bmis.cli.flags import settings_from
    from bmis.fit.settings import FitConfig

    config = settings_from(args, FitConfig)  # before torch is loaded, which takes seconds
    from bmis.fit.run import fit_model

    logging.getLogger("bmis.fit").setLevel(logging.INFO)  # the steps are said on a terminal too
    done = fit_model(config, out=args.out)
    answer(args, done.to_dict(), render(done))
    return 0


def render(done: "Fitted") -> str:
    """The winner and the candidates as the terminal shows them.

    Example:
        >>> import json
        >>> from bmis.fit.result import Fitted
        >>> done = Fitted.from_dict(json.loads(Path("fitted.json").read_text()))
        >>> print(render(done))
        unet at 96 is the best ...
        next: bmis predict best.bmis IMAGES --out masks
    """
    rows = [
        [row.name, _shown(row.ms), _shown(row.mb), _shown(row.iou), row.verdict]
        for row in done.rows[:_ROWS]
    ]
    more = len(done.rows) - len(rows)
    test = done.test.means.get("iou")
    lines = [
        f"bundle: {done.bundle}",
        f"page: {done.page}",
        f"next: bmis predict {done.bundle} IMAGES --out masks",
    ]
    if test is not None:
        scored = counted(done.test.images, "test image")
        lines.insert(0, f"IoU of {scored}: {test:.3f}, Dice {done.test.means['dice'] or 0:.3f}")
    shown = table(
        rows,
        "wrrrw",
        headers=("network", "ms", "MB", "search IoU", "what became of it"),
        caption=f"... and {more} more on the page" if more > 0 else "",
    )
    return "\n\n".join([done.in_words(), shown, "\n".join(lines)])


def _shown(value: float | None) -> str:
    return "-" if value is None else short(value)
