"""``bmis demo``: everything once, on phantoms, in a few minutes on two processor cores."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmis.cli.console import say
from bmis.errors import ConfigError, require
from bmis.wording import counted

if TYPE_CHECKING:
    from bmis.evaluate.run import Scores
    from bmis.profile.network import Profile
    from bmis.train.run import TrainResult

HELP = "do everything once, on phantoms, in minutes"
EXAMPLE = "--out demo"
_IMAGES, _EPOCHS, _SIZE = 240, 12, 128  # as much as two cores do in about two minutes
_PAGE = Path(__file__).with_suffix(".html.jinja")


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> parser.parse_args([]).modality
        'endoscopy'
    """
    parser.add_argument("--out", default="demo", help="folder (default: %(default)s)")
    parser.add_argument(
        "--modality",
        default="endoscopy",
        metavar="NAME",
        help="modality of the phantoms (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of phantoms and training (default: 0)",
    )


def run(args: Namespace) -> int:
    """Run the demo, and say where its pictures, masks and report are.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["demo", "--modality", "endoscpy"])  # on stderr: did you mean 'endoscopy'?
        2
    """
    done = run_demo(Path(args.out), modality=args.modality, seed=args.seed)
    for picture in done.pictures:
        say(f"picture: {picture}")
    say(f"masks and measurements: {Path(args.out) / 'masks'}")
    say(f"page of the training: {done.training}\nreport: {done.report}")
    return 0


@dataclass(frozen=True)
class Demo:
    """What ``run_demo`` wrote.

    Attributes:
        report: Web page with everything on it.
        training: The page of the training, which it leads to.
        pictures: The contact sheet, then the scored images.
        scores: Scores on the test split.

    Example:
        >>> from bmis.evaluate.run import evaluate_model
        >>> pages = Path("demo/report.html"), Path("demo/run/report.html")
        >>> done = Demo(*pages, (), evaluate_model("run"))
        >>> len(done.scores.cases)
        2
    """

    report: Path
    training: Path
    pictures: tuple[Path, ...]
    scores: "Scores"


def run_demo(out: Path, *, modality: str = "endoscopy", seed: int = 0) -> Demo:
    """Draw phantoms, inspect them, train, score, measure and predict.

    Args:
        out: New folder, or that of an earlier demo, which goes on where it stopped.
        modality: Modality of the phantoms.
        seed: Seed of phantoms and training.

    Raises:
        ConfigError: The modality is unknown.
        DataError: ``out`` cannot be written to, or holds something else.

    Example:
        >>> run_demo(Path("demo"), modality="endoscpy")
        Traceback (most recent call last):
        bmis.errors.ConfigError: unknown modality 'endoscpy' (did you mean 'endoscopy'?); ...
    """
    from bmis.config import TrainConfig
    from bmis.config.run_files import PAGE_FILE
    from bmis.data.folder import open_dataset
    from bmis.evaluate.run import evaluate_model
    from bmis.inspect.dataset import inspect_dataset
    from bmis.predict.folder import predict_masks
    from bmis.profile.network import profile_model
    from bmis.system.files import output_folder, write_text
    from bmis.train.run import train_model

    data, run = _draw(output_folder(out) / "phantoms", modality, seed), out / "run"
    sheet = inspect_dataset(data, out=out / "inspect").contact_sheet
    config = TrainConfig(str(data), recipe="fast", epochs=_EPOCHS, size=(_SIZE, _SIZE), seed=seed)
    training = train_model(config, out=run)
    scores = evaluate_model(run)
    costs = profile_model(run)
    images = [case.image for case in open_dataset(data).split("test")]
    predict_masks(run, images, out / "masks", overlay=True)
    pictures = ((sheet,) if sheet else ()) + scores.overlays
    page = run / PAGE_FILE
    text = _page(
        rows=list(_rows(training, scores, costs)),
        pictures=[picture.relative_to(out) for picture in pictures],
        training=page.relative_to(out),
    )
    write_text(out / "report.html", text)
    return Demo(report=out / "report.html", training=page, pictures=pictures, scores=scores)


def _draw(data: Path, modality: str, seed: int) -> Path:
    """The phantoms, unless they are there."""
    from bmis.data.folder import open_dataset
    from bmis.data.phantoms.write import write_phantoms

    if not (data / "splits.csv").exists():
        write_phantoms(data, modality=modality, count=_IMAGES, seed=seed)
    elif open_dataset(data).modality != modality:
        raise ConfigError(f"{data}: holds other phantoms; choose another --out")
    return data


def _rows(training: "TrainResult", scores: "Scores", costs: "Profile") -> Iterator[tuple[str, str]]:
    """Names and values of the table on the page."""
    one = costs.batches[0]
    yield "test images", f"{len(scores.cases)}"
    for name in ("iou", "dice", "hd95"):
        yield name, f"{scores.summary['cases'][name]['mean']:.3f}"
    yield "parameters", f"{costs.parameters:,}"
    yield "MACs", f"{costs.macs / 1e9:.3f} G at {costs.size[0]} x {costs.size[1]}"
    yield "one image", f"{one.latency_p50_ms:.1f} ms on {costs.device_name}"
    yield "trained", f"{counted(training.epochs, 'epoch')} in {training.seconds:.0f} s"


def _page(**values: Any) -> str:
    jinja2: Any = require("jinja2", extra="train")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True)
    template = environment.from_string(_PAGE.read_text(encoding="utf-8"))
    return str(template.render(values))
