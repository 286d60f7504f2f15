"""``bmis predict``: write masks for images."""

from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmis.cli.console import (
    say,
    say_failures,
    say_json,
    warn,
    warn_out_of_distribution,
    warn_packed,
)
from bmis.cli.options import (
    MODEL,
    add_json,
    add_postprocessing,
    add_runtime,
    read_spacing,
    runtime_options,
)
from bmis.errors import ConfigError
from bmis.wording import counted

if TYPE_CHECKING:
    from bmis.clinical.run import StudyPrediction
    from bmis.config import RuntimeOptions
    from bmis.data.not_read import NotRead
    from bmis.predict.folder import Prediction

HELP = "write masks for images, DICOM studies, NIfTI volumes and TIFF stacks"
_LINES = 20  # files up to which each gets a line
_DOUBTFUL = 0.5  # expected Dice below which a mask needs a look
EXAMPLE = "dermoscopy photos --out masks --overlay"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> args = parser.parse_args(["run", "a.png", "--out", "masks", "--as", "seg,sr"])
        >>> args.images, args.outputs
        (['a.png'], ('seg', 'sr'))
    """
    from bmis.cli.flags import add_flags
    from bmis.clinical.settings import ClinicalOptions

    add_json(parser)
    parser.add_argument("run", metavar="MODEL", help=MODEL)
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="image files, or folders without those below; DICOM and NIfTI also in those below",
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
    add_flags(parser, ClinicalOptions)
    add_runtime(parser)


def run(args: Namespace) -> int:
    """Write the masks; say what was found and which images look unlike the training's.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["predict", "run", "photo.png", "--out", "masks"])
        photo.png: polyp 91 px
        1 mask in masks; measurements in masks/measurements.csv
        0
        >>> main(["predict", "run", "clip.dcm", "--out", "results"])
        results/US-4-dc58f7ce: segmentation.dcm, measurements.csv
        0
    """
    from bmis.clinical.sources import clinical_files
    from bmis.data.not_read import find_not_read

    sources, out = [Path(path) for path in args.images], Path(args.out)
    channels = _channels(args, sources)
    clinical = {
        path: files for path in sources if (files := clinical_files(path, out, channels=channels))
    }
    images = [file for path in sources for file in _images(path, clinical.get(path, ()))]
    if clinical and args.probabilities:
        raise ConfigError(
            "--probabilities is of photographs; for DICOM add --as seg --seg-type fractional"
        )
    with runtime_options(args) as options:
        study = _predict_study(args, list(clinical), options) if clinical else None
        done = _predict_images(args, images, options) if images or not clinical else None
    used = [*images, *(file for files in clinical.values() for file in files)]
    not_read = {
        str(path): found
        for path in sources
        if path.is_dir() and (found := find_not_read(path, used, out=out))
    }
    if args.json:
        say_json(_plain(done, study, not_read))
    else:
        _say(args.out, done, study)
    warn(*(f"{path}: not read: {found}; {_fix(found)}" for path, found in not_read.items()))
    warn_packed(study.not_read if study else {})
    warn_out_of_distribution(
        [
            *(done.out_of_distribution if done else ()),
            *(study.out_of_distribution if study else ()),
        ]
    )
    return say_failures([*(done.failed if done else ()), *(study.failed if study else ())])


def _channels(args: Namespace, sources: Sequence[Path]) -> int | None:
    """Channels of the network, where they decide whether the pages of a TIFF are one image."""
    from bmis.clinical.sources import tiff_stacks
    from bmis.predict.load import load_predictor

    if not any(map(tiff_stacks, sources)):
        return None
    return load_predictor([args.run, *args.others]).info.input.channels


def _images(path: Path, clinical: Collection[Path]) -> Sequence[Path]:
    """The images of one source; beside DICOM and stacks there need not be any."""
    from bmis.clinical.sources import images_beside
    from bmis.data.image_files import find_images

    return images_beside(path, clinical) if clinical else find_images(path)


def _predict_images(args: Namespace, images: list[Path], options: "RuntimeOptions") -> "Prediction":
    from bmis.cli.flags import changes_from
    from bmis.config import PostProcessing
    from bmis.predict.folder import predict_masks

    return predict_masks(
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


def _predict_study(
    args: Namespace, sources: list[Path], options: "RuntimeOptions"
) -> "StudyPrediction":
    from bmis.cli.flags import changes_from, settings_from
    from bmis.clinical.run import predict_study
    from bmis.clinical.settings import ClinicalOptions
    from bmis.config import PostProcessing

    return predict_study(
        [args.run, *args.others],
        sources,
        Path(args.out),
        clinical=settings_from(args, ClinicalOptions),
        overlay=args.overlay,
        tile=args.tile,
        options=options,
        spacing=args.spacing,
        postprocessing=changes_from(args, PostProcessing),
    )


def _say(out: str, done: "Prediction | None", study: "StudyPrediction | None") -> None:
    """What was written, for people to read."""
    if done and len(done.findings) <= _LINES:
        say("\n".join(f"{path.name}: {found}" for path, found in done.findings))
    if done:
        say(f"{counted(len(done.written), 'mask')} in {out}; measurements in {done.measurements}")
    photographs = [(Path(path.name), value) for path, value in done.expected_dice] if done else []
    _say_doubtful([*photographs, *(study.expected_dice if study else ())])
    if study is None:
        return
    for folder, files in study.by_folder(Path(out)).items():
        say(f"{folder}: {', '.join(files)}")
    warn(*(f"{name}: {note}" for name, notes in study.notes.items() for note in notes))
    if study.skipped:
        kinds = ", ".join(f"{count} {kind}" for kind, count in study.skipped.items())
        warn(f"no pictures, left alone: {kinds}")


def _say_doubtful(expected_dice: Sequence[tuple[Path, float]]) -> None:
    """Name the mask that is most likely bad, if there are such masks."""
    doubtful = sorted((value, path) for path, value in expected_dice if value < _DOUBTFUL)
    if doubtful:
        value, path = doubtful[0]
        say(
            f"expected Dice below {_DOUBTFUL}: {counted(len(doubtful), 'mask')}, the lowest "
            f"{path} with {value:.2f}"
        )


def _fix(found: "NotRead") -> str:
    """What to do so that these files are predicted too."""
    convert = "convert the files to PNG" if found.files else ""
    name = "name the folders too" if found.folders else ""
    return " and ".join(filter(None, (convert, name)))


def _plain(
    done: "Prediction | None",
    study: "StudyPrediction | None",
    not_read: "dict[str, NotRead]",
) -> dict[str, Any]:
    from dataclasses import asdict

    packed = {str(path): found for path, found in study.not_read.items()} if study else {}
    parts = [part for part in (done, study) if part is not None]
    failed = [one for part in parts for one in part.failed]
    ood = [one for part in parts for one in part.out_of_distribution]
    return {
        "written": [str(path) for part in parts for path in part.written],
        "failed": [{"file": str(path), "why": why} for path, why in failed],
        "not_read": {path: asdict(found) for path, found in (not_read | packed).items()},
        "measurements": str(done.measurements) if done else None,
        "out_of_distribution": [{"file": str(path), "ood_score": score} for path, score in ood],
        "expected_dice": {str(path): value for part in parts for path, value in part.expected_dice},
        "not_images": study.skipped if study else {},
        "notes": study.notes if study else {},
        "findings": {str(path): found for path, found in done.findings} if done else {},
    }
