"""``bmis predict`` of clinical images: a study in, a folder of results for each stack out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from bmis.clinical.deidentify import write_copies
from bmis.clinical.outputs import formats_for, write_results
from bmis.clinical.result import StackResult
from bmis.clinical.segment import segment
from bmis.clinical.settings import ClinicalOptions
from bmis.clinical.study import Copies, Study, open_study
from bmis.config import RuntimeOptions
from bmis.data.not_read import NotRead
from bmis.errors import ConfigError
from bmis.predict.load import Changes, Models, as_paths, load_predictor
from bmis.predict.predictor import Predictor
from bmis.system.files import output_folder
from bmis.wording import counted


@dataclass(frozen=True)
class StudyPrediction:
    """What ``predict_study`` wrote.

    Attributes:
        written: Files, in order.
        failed: Files and pictures that gave no mask, each with one line that says why.
        skipped: Number of DICOM objects that are no pictures, by kind.
        not_read: What is not read of an archive.
        notes: What one should know of how a stack was read, by its name.
        out_of_distribution: Pictures that are out of distribution, with their ``ood_score``.
        expected_dice: Pictures with their ``expected_dice``, where it is known.

    Example:
        >>> done = StudyPrediction(written=[Path("out/ct/masks/1.png"), Path("out/ct/a.csv")])
        >>> done.by_folder(Path("out"))
        {PosixPath('out/ct'): ['1 file in masks', 'a.csv']}
    """

    written: list[Path] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    not_read: dict[Path, NotRead] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    out_of_distribution: list[tuple[Path, float]] = field(default_factory=list)
    expected_dice: list[tuple[Path, float]] = field(default_factory=list)

    def by_folder(self, out: Path) -> dict[Path, list[str]]:
        """What was written of each stack, in words, by its folder below ``out``."""
        found: dict[Path, Counter[str]] = {}
        for path in self.written:
            stack, *below = path.relative_to(out).parts
            found.setdefault(out / stack, Counter())["/".join(below[:1])] += 1
        return {
            folder: [
                f"{counted(count, 'file')} in {name}" if (folder / name).suffix == "" else name
                for name, count in names.items()
            ]
            for folder, names in found.items()
        }


def predict_study(  # noqa: PLR0913  (as predict_masks)
    model: Models,
    sources: Sequence[Path | str],
    out: Path | str,
    *,
    clinical: ClinicalOptions | None = None,
    overlay: bool = False,
    tile: int | None = None,
    options: RuntimeOptions | None = None,
    spacing: tuple[float, float] | None = None,
    postprocessing: Changes | None = None,
) -> StudyPrediction:
    """Segment all series, clips, volumes and stacks of files and folders.

    Each gets a folder in ``out`` with what ``clinical.outputs`` asks for. One that cannot be read
    does not stop the others. No name, number or date of a patient gets into names of files, tables
    or messages; DICOM objects carry those of their source, as they belong to the same study.

    Args:
        model: Bundle, run folder, ``.safetensors`` file, or name of a network that comes with the
            package. Several in a list answer with the mean of their probabilities.
        sources: DICOM, NIfTI and video files, TIFF of several pages, folders that hold some, or
            zip archives of such folders.
        out: Folder for the results; it is not looked into.
        clinical: What is read and written; the defaults where left out.
        overlay: Whether to draw each mask on its picture, as PNG.
        tile: See ``Predictor``.
        options: How the network is run; the defaults where left out.
        spacing: Millimetres per pixel (down, across) of pictures that do not know their own.
        postprocessing: See ``load``.

    Raises:
        ConfigError: See ``Predictor``; or a source lies in ``out``.
        DataError: ``out`` cannot be written to, or there is no DICOM or NIfTI file.
        BundleError: See ``load``; or the network cannot be run.
        MissingExtraError: The extra "clinical" is not installed, or see ``load``.

    Example:
        >>> import bmis
        >>> found = bmis.predict_study("run", ["clip.dcm"], "out")
        >>> [path.name for path in found.written]
        ['segmentation.dcm', 'measurements.csv']
    """
    clinical = clinical or ClinicalOptions()
    paths, out = [Path(source) for source in sources], Path(out)
    for path in paths:
        if path.is_dir() and path.resolve().is_relative_to(out.resolve()):
            raise ConfigError(
                f"{path} lies in the folder that would be written to; choose another output folder"
            )
    predictor = load_predictor(
        model,
        options,
        tile=tile,
        keep_probabilities=clinical.seg_type == "fractional",
        postprocessing=postprocessing,
    )
    with open_study(
        paths,
        window=clinical.shown,
        axis=clinical.axis,
        out=out,
        channels=predictor.info.input.channels,
        copies=_copies(clinical, out),
    ) as (study, files):
        name = " and ".join(Path(one).stem for one in as_paths(model))
        done = write_study(
            predictor, study, out, model=name, options=clinical, overlay=overlay, spacing=spacing
        )
        return replace(done, failed=files.failures(done.failed))


def _copies(clinical: ClinicalOptions, out: Path) -> Copies | None:
    """How copies without patient are made, if they are asked for."""
    if not clinical.deidentify:
        return None
    return partial(write_copies, folder=out / "deidentified", root=clinical.uid_root)


def write_study(
    predictor: Predictor,
    study: Study,
    out: Path,
    *,
    model: str,
    options: ClinicalOptions,
    overlay: bool = False,
    spacing: tuple[float, float] | None = None,
) -> StudyPrediction:
    """Do the work of ``predict_study`` with what is already loaded.

    Args:
        predictor: Its ``keep_probabilities`` must be true for fractional segmentations.
        study: What ``find_stacks`` returned.
        out: See ``predict_study``.
        model: What the network is called in DICOM objects.
        options: What is written.
        overlay: See ``predict_study``.
        spacing: See ``predict_study``.

    Example:
        >>> import bmis
        >>> from bmis.clinical.study import find_stacks
        >>> study = find_stacks([Path("volume.nii.gz")])
        >>> options = ClinicalOptions(outputs=("png",))
        >>> written = write_study(
        ...     bmis.load("run"), study, Path("out"), model="run", options=options
        ... ).written
        >>> len(written)
        3
    """
    done = StudyPrediction(
        failed=list(study.failed), skipped=study.skipped, not_read=study.not_read
    )
    output_folder(out)
    for stack in study.stacks:
        done.notes.update({stack.name: list(stack.notes)} if stack.notes else {})
        formats = formats_for(stack, options)
        with segment(predictor, stack, out, model, options=options, spacing=spacing) as result:
            _note(done, result)
            if result.good:
                written, failed = write_results(result, out / stack.name, formats, overlay=overlay)
                done.written.extend(written)
                done.failed.extend(failed)
    return done


def _note(done: StudyPrediction, result: StackResult) -> None:
    """List what failed of a stack and what is out of distribution."""
    stack = result.stack
    done.failed.extend((stack.path(index), why) for index, why in sorted(result.failed.items()))
    names = [Path(stack.name, stack.slice_name(index)) for index in range(len(stack))]
    done.out_of_distribution.extend(
        (name, score)
        for name, score in zip(names, result.ood_scores, strict=True)
        if score is not None and score > 1
    )
    done.expected_dice.extend(
        (name, value)
        for name, value in zip(names, result.expected_dice, strict=True)
        if value is not None
    )
