"""The command ``bmis``: argv -> settings -> one verb; faults become one line and exit code 2."""

import argparse
import json
import logging
import math
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import yaml
from rich.console import Console, RenderableType
from rich.table import Table

from bmis.config import TrainConfig
from bmis.errors import BmisError, ConfigError, TrainingInterrupted

# Verbs import what they need when they are called: `bmis --help` and the device side stay fast
# and without torch.
_WORKSHOP = ("torch", "lightning", "scipy")  # what the extra "train" brings
_INTERRUPTED = 130  # what shells say after Ctrl-C


def _inspect(args: argparse.Namespace) -> int:
    from bmis.inspect import inspect_dataset, render

    out = args.out or Path("inspect") / Path(args.data).resolve().name
    found = inspect_dataset(Path(args.data), out=out, fold=_fold(args.fold), seed=args.seed)
    _answer(args, found.to_dict(), render(found))
    return 2 if found.problems else 0


def _phantom(args: argparse.Namespace) -> int:
    from bmis.data.phantoms import write_phantoms

    out = write_phantoms(
        Path(args.out),
        modality=args.modality,
        count=args.count,
        size=args.size,
        seed=args.seed,
        difficulty=args.difficulty,
        classes=args.classes,
    )
    _say(f"{args.count} {args.modality} phantoms in {out}")
    return 0


def _train(args: argparse.Namespace) -> int:
    names = set(TrainConfig.__dataclass_fields__) - {"options", "fold"}
    values = {name: value for name, value in vars(args).items() if name in names}
    config = TrainConfig(**values, options=_options(args.option), fold=_fold(args.fold))
    from lightning.fabric.utilities import rank_zero_only

    from bmis.train import train_model

    done = train_model(config, out=args.out)
    say = rank_zero_only(_say)  # one answer, however many processes there are
    if args.json:
        say(json.dumps({**asdict(done), "run": str(done.run)}, indent=2))
    else:
        work = f" in {done.seconds:.0f} s, {done.images_per_second:.1f} images/s"
        say(
            f"{done.epochs} epochs{work if done.seconds else ' were done before'}; "
            f"best epoch {done.best_epoch}: "
            f"validation IoU {done.val_iou:.3f}, Dice {done.val_dice:.3f}\n"
            f"run folder: {done.run}\nnext: bmis evaluate {done.run}"
        )
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from bmis.evaluate import evaluate_model, render

    scores = evaluate_model(
        args.run,
        data=args.data,
        split=args.split,
        fold=_fold(args.fold),
        out=args.out,
        device=args.device,
        tolerance=args.tolerance,
    )
    _answer(args, scores.to_dict(), render(scores))
    if not args.json:
        _say(f"cases.csv, metrics.json and {len(scores.overlays)} overlays in {scores.out}")
    return _failures(scores.failed)


def _profile(args: argparse.Namespace) -> int:
    from bmis.profiling import profile_model, render

    profile = profile_model(
        args.model,
        size=args.size,
        batches=args.batch,
        device=args.device,
        threads=args.threads,
    )
    _answer(args, profile.to_dict(), render(profile))
    return 0


def _predict(args: argparse.Namespace) -> int:
    from bmis.data.folder import find_images
    from bmis.predict import predict_masks

    images = [file for path in args.images for file in find_images(Path(path))]
    done = predict_masks(
        Path(args.run),
        images,
        Path(args.out),
        overlay=args.overlay,
        probabilities=args.probabilities,
        tile=args.tile,
        device=args.device,
        spacing=args.spacing,
    )
    if args.json:
        _print_json(
            {
                "written": [str(path) for path in done.written],
                "failed": [{"file": str(path), "why": why} for path, why in done.failed],
                "measurements": str(done.measurements),
            }
        )
    else:
        _say(f"{len(done.written)} masks in {args.out}; measurements in {done.measurements}")
    return _failures(done.failed)


def _convert(args: argparse.Namespace) -> int:
    from bmis.convert import convert_checkpoint

    _say(f"wrote {convert_checkpoint(Path(args.source), model=args.model, out=Path(args.out))}")
    return 0


def _demo(args: argparse.Namespace) -> int:
    from bmis.demo import run_demo

    done = run_demo(Path(args.out), modality=args.modality, seed=args.seed)
    for picture in done.pictures:
        _say(f"picture: {picture}")
    _say(f"masks and measurements: {Path(args.out) / 'masks'}\nreport: {done.report}")
    return 0


def _models(args: argparse.Namespace) -> int:
    from bmis.models import build_model, list_models

    rows = [
        {"name": name, "parameters": sum(p.numel() for p in build_model(name).parameters())}
        for name in list_models()
    ]
    table = Table("model", "parameters")
    for row in rows:
        table.add_row(str(row["name"]), f"{row['parameters']:,}")
    _answer(args, rows, table)
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _print_json(value: Any) -> None:
    _say(json.dumps(value, indent=2, allow_nan=False))


def _answer(args: argparse.Namespace, plain: Any, picture: RenderableType) -> None:
    """The result for machines or for people, as asked."""
    if args.json:
        _print_json(plain)
    else:
        Console().print(picture)


def _failures(failed: Sequence[tuple[Path, str]]) -> int:
    """List the files that could not be used; the exit code that goes with it."""
    for _, why in failed:
        sys.stderr.write(f"bmis: {why}\n")
    if failed:
        sys.stderr.write(f"bmis: {len(failed)} files were left out, the others are done\n")
    return 2 if failed else 0


def _size(text: str) -> tuple[int, int]:
    """Read "224" or "224,320" as height and width."""
    sides = text.replace("x", ",").split(",")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r}: give one side or height,width in pixels")
    return int(sides[0]), int(sides[-1])


def _spacing(text: str) -> tuple[float, float]:
    """Read "0.1" or "0.1,0.2" as millimetres per pixel down and across."""
    try:
        sides = [float(part) for part in text.split(",")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or not all(0 < side < math.inf for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r}: give millimetres per pixel, or down,across")
    return sides[0], sides[-1]


def _batches(text: str) -> tuple[int, ...]:
    sizes = text.split(",")
    if not all(size.isdecimal() and int(size) for size in sizes):
        raise argparse.ArgumentTypeError(f"{text!r}: give numbers of images, such as 1,8")
    return tuple(int(size) for size in sizes)


def _fold(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isdecimal() else text


def _options(pairs: Sequence[str]) -> dict[str, Any]:
    """``["attention=false"]`` -> ``{"attention": False}``; values are read as YAML."""
    options = {}
    for pair in pairs:
        name, found, value = pair.partition("=")
        if not found:
            raise ConfigError(f"--option {pair!r}: give NAME=VALUE, such as attention=false")
        try:
            options[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--option {pair!r}: the value cannot be read as YAML") from error
    return options


class _Parser(argparse.ArgumentParser):
    """Answers a wrong command line as every other fault is answered: in one line."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see `{self.prog} --help`")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="bmis",
        description="Minimalistic medical image segmentation: train, score, measure, predict.",
        epilog="example: bmis phantom --modality endoscopy --count 200 polyps && bmis train polyps",
    )
    parser.add_argument("--version", action="version", version=f"bmis {version('bmis')}")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what is being done")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(
        run: Callable[[argparse.Namespace], int], text: str, example: str, *, json: bool = True
    ) -> argparse.ArgumentParser:
        name = run.__name__.removeprefix("_")
        sub = verbs.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=f"example: bmis {name} {example}",
        )
        sub.set_defaults(run_verb=run)
        if json:
            sub.add_argument("--json", action="store_true", help="answer in JSON")
        return sub

    _add_data_verbs(verb)
    _add_train(verb(_train, "train a network on a dataset folder", "DATA --epochs 60"))
    _add_use_verbs(verb)
    return parser


_Verb = Callable[..., argparse.ArgumentParser]


def _add_data_verbs(verb: _Verb) -> None:
    sub = verb(_inspect, "say what a dataset folder holds and what is wrong with it", "DATA")
    sub.add_argument("data", metavar="DATA", help="dataset folder")
    sub.add_argument(
        "--out", type=Path, help="folder for the contact sheet and all findings (inspect/<name>)"
    )
    _add_split(sub)
    sub = verb(
        _phantom,
        "draw a data set of phantoms with exact masks",
        "--modality ultrasound --count 200 OUT",
        json=False,
    )
    sub.add_argument("out", metavar="OUT", help="new folder")
    sub.add_argument(
        "--modality", required=True, help="dermoscopy, ultrasound, endoscopy, fundus or xray"
    )
    sub.add_argument("--count", type=int, default=100, help="images (%(default)s)")
    sub.add_argument("--size", type=_size, default=(256, 256), help="side, or height,width (256)")
    sub.add_argument("--classes", type=int, default=2, help="2, or 3 for fundus and xray")
    sub.add_argument("--difficulty", type=float, default=0.5, help="0 to 1 (%(default)s)")
    sub.add_argument("--seed", type=int, default=0, help="another seed, other images (0)")


def _add_split(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--fold", help="number of the fold, or a CSV file with id,split")
    sub.add_argument("--seed", type=int, default=0, help="of all that is drawn by chance (0)")


def _add_train(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("data", metavar="DATA", help="dataset folder")
    sub.add_argument("--model", default="bmis", help="see `bmis models` (%(default)s)")
    sub.add_argument("--recipe", default="default", help="default, paper or fast")
    sub.add_argument("--epochs", type=int, default=60, help="(%(default)s)")
    sub.add_argument("--size", type=_size, default=(224, 224), help="side, or height,width (224)")
    sub.add_argument(
        "--resize", default="squash",
        help="squash (default), letterbox (keeps the aspect) or native (crops and tiles)",
    )  # fmt: skip
    sub.add_argument("--out", help="run folder (runs/<data>-<model>-<recipe>-seed<S>)")
    sub.add_argument("--batch-size", type=int, help="images a step (the recipe's)")
    sub.add_argument("--learning-rate", type=float, help="the highest (the recipe's)")
    sub.add_argument(
        "-o", "--option", action="append", default=[], metavar="NAME=VALUE",
        help="of the network, such as attention=false or widths=[8,32,48]; may be repeated",
    )  # fmt: skip
    sub.add_argument("--precision", default="auto", help="auto, bf16 or 32")
    sub.add_argument("--devices", type=int, default=1, help="processes on this machine (1)")
    sub.add_argument("--nodes", type=int, default=1, help="machines (1)")
    sub.add_argument("--compile", action="store_true", help="compile the network first")
    sub.add_argument("--deterministic", action="store_true", help="the same bits every time")
    sub.add_argument("--tensorboard", action="store_true", help="write TensorBoard files too")
    _add_split(sub)
    _add_device(sub)


def _add_device(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--device", default="auto", help="auto, cpu or cuda")


def _add_use_verbs(verb: _Verb) -> None:
    sub = verb(_evaluate, "score a trained network", "runs/polyps-bmis-default-seed0")
    sub.add_argument("run", metavar="RUN", help="run folder or .safetensors file")
    sub.add_argument("--data", help="dataset folder (the run's own)")
    sub.add_argument("--split", default="test", help="train, val, test or all (%(default)s)")
    sub.add_argument("--fold", help="number of the fold, or a CSV file (the run's own)")
    sub.add_argument("--out", help="folder for the results (the run folder)")
    sub.add_argument("--tolerance", type=float, default=2.0, help="of NSD, mm or pixels (2)")
    _add_device(sub)

    sub = verb(_profile, "measure what a network costs", "bmis --size 224 --batch 1,8")
    sub.add_argument("model", metavar="MODEL", help="name, run folder or .safetensors file")
    sub.add_argument("--size", type=_size, help="side, or height,width (the run's, or 224)")
    sub.add_argument("--batch", type=_batches, default=(1, 8), help="such as 1,8")
    sub.add_argument("--threads", type=int, help="processor threads (all)")
    sub.add_argument("--device", default="cpu", help="cpu or cuda")

    sub = verb(_predict, "write masks for images", "RUN photos --out masks --overlay")
    sub.add_argument("run", metavar="RUN", help="run folder or .safetensors file")
    sub.add_argument("images", nargs="+", metavar="IMAGE", help="image files or folders")
    sub.add_argument("--out", required=True, help="folder for the masks and measurements.csv")
    sub.add_argument("--overlay", action="store_true", help="draw each mask on its image")
    sub.add_argument("--probabilities", action="store_true", help="write them as .npy, float16")
    sub.add_argument("--tile", type=int, help="predict in tiles of this side")
    sub.add_argument("--spacing", type=_spacing, help="millimetres per pixel, or down,across")
    _add_device(sub)

    sub = verb(
        _convert,
        "turn the authors' checkpoint into ours, without running what is in it",
        "AUTHORS.pth.tar --model bmis --out model.safetensors",
        json=False,
    )
    sub.add_argument("source", metavar="CHECKPOINT", help="file as published")
    sub.add_argument("--model", default="bmis", help="whose it is (%(default)s)")
    sub.add_argument("--out", required=True, help="file to write")

    sub = verb(_demo, "do everything once, on phantoms, in minutes", "--out demo", json=False)
    sub.add_argument("--out", default="demo", help="folder (%(default)s)")
    sub.add_argument("--modality", default="endoscopy", help="of the phantoms (%(default)s)")
    sub.add_argument("--seed", type=int, default=0, help="of phantoms and training (0)")
    verb(_models, "list the networks", "--json")


def _set_up_messages(*, verbose: bool) -> None:
    """Warnings in one line; news of the work where no progress bar can be shown."""
    warnings.formatwarning = lambda message, *_, **__: f"bmis: {message}\n"
    logging.getLogger("lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    logger = logging.getLogger("bmis")
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler())
    logger.setLevel(logging.INFO if verbose or not sys.stderr.isatty() else logging.WARNING)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0; 2 for anything wrong with what was given; 130 after Ctrl-C.
    """
    try:
        args = _parser().parse_args(argv)
        _set_up_messages(verbose=args.verbose)
        return int(args.run_verb(args))
    except BmisError as error:
        sys.stderr.write(f"bmis: {error}\n")
        return _INTERRUPTED if isinstance(error, TrainingInterrupted) else 2
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package not in _WORKSHOP:
            raise
        sys.stderr.write(
            f'bmis: {package} is needed for this; install it with: pip install "bmis[train]"\n'
        )
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("bmis: stopped\n")
        return _INTERRUPTED
