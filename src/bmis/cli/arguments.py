"""What the command ``bmis`` understands: verbs, options and how their values are read."""

import argparse
import math
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import yaml

from bmis.errors import ConfigError

Run = Callable[[argparse.Namespace], int]
_MODEL = "bundle, run folder, .safetensors file, or name (`bmis models --pretrained`)"
_EXPORT = "runs/polyps-bmis-default-seed0 --int8 --out polyps.bmis"


def _size(text: str) -> tuple[int, int]:
    """Read "224" or "224,320" as height and width."""
    sides = text.replace("x", ",").split(",")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r}: give one side or height,width in pixels")
    return int(sides[0]), int(sides[-1])


def _size_or_any(text: str) -> tuple[int, int] | str:
    return text if text == "any" else _size(text)


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


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


def _fold(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _option(text: str) -> tuple[str, Any]:
    """Read "attention=false" as a name and a value, which is read as YAML."""
    name, found, value = text.partition("=")
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: give NAME=VALUE, such as attention=false")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: the value cannot be read as YAML") from error


class _Parser(argparse.ArgumentParser):
    """Answers a wrong command line as every other fault is answered: in one line."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see `{self.prog} --help`")


def make_parser(verbs: Mapping[str, Run]) -> argparse.ArgumentParser:
    """The parser of all verbs.

    Args:
        verbs: What each verb calls; the parser answers with it as ``run_verb``.
    """
    parser = _Parser(
        prog="bmis",
        description="Minimalistic medical image segmentation: train, score, measure, predict.",
        epilog="example: bmis phantom --modality endoscopy --count 200 polyps && bmis train polyps",
    )
    parser.add_argument("--version", action="version", version=f"bmis {version('bmis')}")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what is being done")
    subparsers = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, text: str, example: str, *, json: bool = True) -> argparse.ArgumentParser:
        sub = subparsers.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=f"example: bmis {name} {example}",
        )
        sub.set_defaults(run_verb=verbs[name])
        if json:
            sub.add_argument("--json", action="store_true", help="answer in JSON")
        return sub

    _add_data_verbs(verb)
    _add_train(verb("train", "train a network on a dataset folder", "DATA --epochs 60"))
    _add_use_verbs(verb)
    _add_compare(
        verb("compare", "train and score many networks alike", "DATA --methods light --out results")
    )
    _add_report(verb("report", "compare what `bmis compare` found", "results --out report"))
    return parser


_Verb = Callable[..., argparse.ArgumentParser]


def _add_data_verbs(verb: _Verb) -> None:
    sub = verb("inspect", "say what a dataset folder holds and what is wrong with it", "DATA")
    sub.add_argument("data", metavar="DATA", help="dataset folder")
    sub.add_argument(
        "--out", type=Path, help="folder for the contact sheet and all findings (inspect/<name>)"
    )
    _add_split(sub)
    sub = verb(
        "phantom",
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
    sub.add_argument("--fold", type=_fold, help="number of the fold, or a CSV file with id,split")
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
    sub.add_argument("--init", metavar="SOURCE", help="run, .safetensors or name to start from")
    sub.add_argument("--teacher", metavar="SOURCE", help="trained network to learn from too")
    sub.add_argument("--batch-size", type=int, help="images a step (the recipe's)")
    sub.add_argument("--learning-rate", type=float, help="the highest (the recipe's)")
    sub.add_argument(
        "-o", "--option", dest="options", action="append", default=[],
        type=_option, metavar="NAME=VALUE",
        help="of the network, such as attention=false or widths=[8,32,48]; may be repeated",
    )  # fmt: skip
    sub.add_argument("--precision", default="auto", help="auto, bf16 or 32")
    sub.add_argument("--devices", type=int, default=1, help="processes on this machine (1)")
    sub.add_argument("--nodes", type=int, default=1, help="machines (1)")
    sub.add_argument("--compile", action="store_true", help="compile the network first")
    sub.add_argument("--deterministic", action="store_true", help="the same bits every time")
    sub.add_argument("--tensorboard", action="store_true", help="write TensorBoard files too")
    _add_plugin(sub)
    _add_split(sub)
    _add_device(sub)


def _add_compare(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("data", nargs="+", metavar="DATA", help="dataset folders")
    sub.add_argument(
        "--methods", nargs="+", required=True, metavar="NAMES",
        help="networks, with options if need be (bmis:eca=false), or light, classic, transformer, "
        "all; separated by commas or spaces",
    )  # fmt: skip
    sub.add_argument("--out", type=Path, required=True, help="folder for the records")
    sub.add_argument("--folds", type=int, default=0, help="5 for all five (0: the own split)")
    sub.add_argument("--seeds", type=int, default=1, help="trainings of each (%(default)s)")
    sub.add_argument("--recipe", default="default", help="default, fast or paper (%(default)s)")
    sub.add_argument("--epochs", type=int, default=60, help="of each training (%(default)s)")
    sub.add_argument("--size", type=_size, default=(224, 224), help="side, or height,width (224)")
    sub.add_argument("--resize", default="squash", help="squash, letterbox or native")
    sub.add_argument("--precision", default="auto", help="auto, bf16 or 32")
    sub.add_argument("--retry", action="store_true", help="run failed trials once more")
    sub.add_argument(
        "--measure-again", action="store_true", help="measure the costs of what is done once more"
    )
    sub.add_argument("--keep", type=Path, help="folder to keep the trained networks in")
    sub.add_argument(
        "--ray", nargs="?", const="local", metavar="ADDRESS",
        help="spread the trials over this machine, or over the Ray cluster at ADDRESS",
    )  # fmt: skip
    _add_device(sub)
    _add_plugin(sub)


def _add_report(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("results", metavar="RESULTS", help="folder of `bmis compare`")
    sub.add_argument(
        "--out", type=Path, default=Path("report"), help="folder for page, tables and figures"
    )
    sub.add_argument("--title", help="of the page (what was compared)")


def _add_plugin(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--plugin", dest="plugins", action="append", default=[], metavar="FILE",
        help="Python file with networks of your own; may be repeated",
    )  # fmt: skip


def _add_device(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--device", default="auto", help="auto, cpu or cuda")


def _add_runtime(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--engine", default="auto", help="of a bundle: onnxruntime or openvino (auto)")
    sub.add_argument("--precision", default="auto", help="of a bundle: fp32, bf16 or int8 (auto)")
    sub.add_argument("--threads", type=int, help="processor threads (one on each core)")
    sub.add_argument("--memory-limit", type=int, metavar="MB", help="take no more for data (Linux)")
    _add_plugin(sub)
    _add_device(sub)


def _add_export(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("run", metavar="RUN", help="run folder or .safetensors file")
    sub.add_argument("--out", required=True, help="the bundle, ending in .bmis")
    sub.add_argument("--int8", action="store_true", help="in int8 in place of float32")
    sub.add_argument("--keep-float", action="store_true", help="in float32 beside int8")
    sub.add_argument("--data", help="dataset folder that proves the graphs (the run's own)")
    sub.add_argument("--calibrate", metavar="DATA", help="dataset folder for int8 ranges (DATA)")
    sub.add_argument(
        "--formats", type=_words, default=("onnx",), metavar="A,B",
        help="onnx, and any of openvino, executorch and litert beside it (onnx)",
    )  # fmt: skip
    sub.add_argument("--size", type=_size_or_any, help="any: not only the training's size")
    sub.add_argument("--notes", type=Path, metavar="FILE", help="Markdown to end the card with")


def _add_use_verbs(verb: _Verb) -> None:
    sub = verb("evaluate", "score a trained network", "runs/polyps-bmis-default-seed0")
    sub.add_argument("run", metavar="MODEL", help=_MODEL)
    sub.add_argument(
        "data", nargs="?", metavar="DATA", default=argparse.SUPPRESS,
        help="dataset folder (the run's own; a bundle has none)",
    )  # fmt: skip
    sub.add_argument("--data", help="the same by name")
    sub.add_argument("--split", default="test", help="train, val, test or all (%(default)s)")
    sub.add_argument("--fold", type=_fold, help="number of the fold, or a CSV file (the run's own)")
    sub.add_argument("--out", help="for the results (the run folder; lesion of lesion.bmis)")
    sub.add_argument("--tolerance", type=float, default=2.0, help="of NSD, mm or pixels (2)")
    _add_runtime(sub)

    sub = verb("profile", "measure what a network costs", "bmis --size 224 --batch 1,8")
    sub.add_argument("model", metavar="MODEL", help=f"name, {_MODEL}")
    sub.add_argument("--size", type=_size, help="side, or height,width (the run's, or 224)")
    sub.add_argument("--batch", type=_batches, default=(1, 8), help="such as 1,8")
    sub.add_argument("--threads", type=int, help="processor threads (all)")
    _add_plugin(sub)
    sub.add_argument("--device", default="cpu", help="cpu or cuda")

    sub = verb("predict", "write masks for images", "dermoscopy photos --out masks --overlay")
    sub.add_argument("run", metavar="MODEL", help=_MODEL)
    sub.add_argument("images", nargs="+", metavar="IMAGE", help="image files or folders")
    sub.add_argument("--out", required=True, help="folder for the masks and measurements.csv")
    sub.add_argument("--overlay", action="store_true", help="draw each mask on its image")
    sub.add_argument("--probabilities", action="store_true", help="write them as .npy, float16")
    sub.add_argument("--tile", type=int, help="predict in tiles of this side")
    sub.add_argument("--spacing", type=_spacing, help="millimetres per pixel, or down,across")
    _add_runtime(sub)

    _add_export(verb("export", "write a trained network as one file for devices", _EXPORT))

    sub = verb(
        "convert",
        "turn the authors' checkpoint into ours, without running what is in it",
        "AUTHORS.pth.tar --model bmis --out model.safetensors",
        json=False,
    )
    sub.add_argument("source", metavar="CHECKPOINT", help="file as published")
    sub.add_argument("--model", default="bmis", help="whose it is (%(default)s)")
    sub.add_argument("--out", required=True, help="file to write")

    sub = verb("demo", "do everything once, on phantoms, in minutes", "--out demo", json=False)
    sub.add_argument("--out", default="demo", help="folder (%(default)s)")
    sub.add_argument("--modality", default="endoscopy", help="of the phantoms (%(default)s)")
    sub.add_argument("--seed", type=int, default=0, help="of phantoms and training (0)")
    sub = verb("models", "list the networks", "--group light")
    sub.add_argument("--group", help="light, classic, transformer or own (all)")
    sub.add_argument(
        "--pretrained", action="store_true", help="the trained ones that come with bmis"
    )
    _add_plugin(sub)
