"""``bmis predict`` of clinical images: a study in, a folder of results for each stack out."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.clinical.outputs import formats_for, write_results
from bmis.clinical.result import StackResult
from bmis.clinical.settings import ClinicalOptions
from bmis.clinical.stack import Stack
from bmis.clinical.study import Study, find_stacks
from bmis.config import RuntimeOptions
from bmis.data.images import Image
from bmis.errors import BmisError, ConfigError, DataError, one_line_about
from bmis.predict.batches import infer_batch
from bmis.predict.mask import Mask
from bmis.predict.predictor import Frame, FrameLogits, Predictor
from bmis.runtime.load import load_runtime
from bmis.system.files import output_folder
from bmis.system.pipeline import stream
from bmis.system.progress import progress_bar
from bmis.system.temporary import remove_remains, temporary_name
from bmis.wording import counted


@dataclass(frozen=True)
class StudyPrediction:
    """What ``predict_study`` wrote.

    Attributes:
        written: Files, in order.
        failed: Files and pictures that gave no mask, each with one line that says why.
        skipped: Number of DICOM objects that are no pictures, by kind.
        notes: What one should know of how a stack was read, by its name.
        out_of_distribution: Pictures that are out of distribution, with their ``ood_score``.

    Example:
        >>> done = StudyPrediction(written=[Path("out/ct/masks/1.png"), Path("out/ct/a.csv")])
        >>> done.by_folder(Path("out"))
        {PosixPath('out/ct'): ['1 file in masks', 'a.csv']}
    """

    written: list[Path] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    out_of_distribution: list[tuple[Path, float]] = field(default_factory=list)

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


def predict_study(
    model: Path | str,
    sources: Sequence[Path | str],
    out: Path | str,
    *,
    clinical: ClinicalOptions | None = None,
    overlay: bool = False,
    tile: int | None = None,
    options: RuntimeOptions | None = None,
    spacing: tuple[float, float] | None = None,
) -> StudyPrediction:
    """Segment all series, clips and volumes of DICOM and NIfTI files and folders.

    Each gets a folder in ``out`` with what ``clinical.outputs`` asks for. One that cannot be read
    does not stop the others. No name, number or date of a patient gets into names of files, tables
    or messages; DICOM objects carry those of their source, as they belong to the same study.

    Args:
        model: Bundle, run folder, ``.safetensors`` file, or name of a network that comes with the
            package.
        sources: DICOM and NIfTI files, or folders that hold some, however deep.
        out: Folder for the results; it is not looked into.
        clinical: What is read and written; the defaults where left out.
        overlay: Whether to draw each mask on its picture, as PNG.
        tile: See ``Predictor``.
        options: How the network is run; the defaults where left out.
        spacing: Millimetres per pixel (down, across) of pictures that do not know their own.

    Raises:
        ConfigError: See ``Predictor``; or a source lies in ``out``.
        DataError: ``out`` cannot be written to, or there is no DICOM or NIfTI file.
        BundleError: See ``load_runtime``; or the network cannot be run.
        MissingExtraError: The extra "clinical" is not installed, or see ``load_runtime``.

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
    study = find_stacks(paths, window=clinical.shown, axis=clinical.axis, out=out)
    if not study:
        raise DataError(f"{', '.join(map(str, paths))}: no DICOM or NIfTI file; check the path")
    runtime, info = load_runtime(model, options)
    fractional = clinical.seg_type == "fractional"
    predictor = Predictor(runtime, info, tile=tile, keep_probabilities=fractional)
    name = Path(model).stem
    return write_study(
        predictor, study, out, model=name, options=clinical, overlay=overlay, spacing=spacing
    )


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
        >>> study = find_stacks([Path("volume.nii.gz")])
        >>> options = ClinicalOptions(outputs=("png",))
        >>> written = write_study(
        ...     bmis.load("run"), study, Path("out"), model="run", options=options
        ... ).written
        >>> len(written)
        3
    """
    done = StudyPrediction(failed=list(study.failed), skipped=study.skipped)
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
    done.out_of_distribution.extend(
        (Path(stack.name, stack.slice_name(index)), score)
        for index, score in enumerate(result.ood_scores)
        if score is not None and score > 1
    )


@contextmanager
def segment(
    predictor: Predictor,
    stack: Stack,
    out: Path,
    model: str,
    *,
    options: ClinicalOptions | None = None,
    spacing: tuple[float, float] | None = None,
) -> Iterator[StackResult]:
    """Run the network on all pictures of a stack; reading and inference overlap.

    The masks lie in a file, so that a clip of any length needs the memory of a few frames. The
    file is removed after the block.

    Args:
        predictor: See ``predict_study``.
        stack: What shall be segmented.
        out: Folder for the file; made if it does not exist.
        model: See ``predict_study``.
        options: See ``predict_study``.
        spacing: See ``predict_study``.

    Example:
        >>> import bmis
        >>> (stack,) = find_stacks([Path("clip.dcm")]).stacks
        >>> with segment(bmis.load("run"), stack, Path("out"), "run") as result:
        ...     result.labels.shape
        (3, 64, 80)
    """
    output_folder(out)
    remove_remains(out.resolve())
    folder = out / temporary_name("")
    folder.mkdir()
    try:
        with progress_bar(f"predict {stack.name}", total=len(stack)) as bar:
            job = _Job(predictor, stack, folder, bar.update)
            stream(range(len(stack)), job.read, job.infer, job.write, batch=predictor.batch)
        yield StackResult(
            stack,
            job.labels,
            job.probabilities,
            job.ood_scores,
            job.failed,
            model,
            predictor.info,
            options or ClinicalOptions(),
            spacing,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Job:
    """The three stages of one stack, and their results so far."""

    def __init__(
        self, predictor: Predictor, stack: Stack, folder: Path, advance: Callable[[], None]
    ) -> None:
        self.predictor, self.stack, self.advance = predictor, stack, advance
        shape = len(stack), *stack.size
        self.labels: NDArray[np.uint8] = _zeros(folder / "labels", shape, np.uint8)
        self.probabilities: NDArray[np.float32] | None = None
        if predictor.keep_probabilities:
            planes = len(stack), predictor.info.model.num_classes, *stack.size
            self.probabilities = _zeros(folder / "probabilities", planes, np.float32)
        self.ood_scores: list[float | None] = [None] * len(stack)
        self.failed: dict[int, str] = {}

    def read(self, index: int) -> tuple[int, Frame | None]:
        """First stage, in the reader's thread; None where the picture is bad."""
        try:
            with one_line_about(self.stack.path(index)):
                image = self.stack.read(index)
                top, left, bottom, right = self.stack.box(index) or (0, 0, *self.stack.size)
                seen = Image(image.pixels[top:bottom, left:right], image.spacing, image.path)
                return index, self.predictor.prepare(seen)
        except BmisError as error:
            self.fail(index, error)
            return index, None

    def infer(
        self, group: Sequence[tuple[int, Frame | None]]
    ) -> list[tuple[int, FrameLogits | Mask]]:
        """Second stage, in the caller's thread."""
        return infer_batch(self.predictor, group, self.fail)

    def write(self, inferred: tuple[int, FrameLogits | Mask]) -> None:
        """Third stage, in the writer's thread."""
        index, found = inferred
        try:
            with one_line_about(self.stack.path(index)):
                mask = self.predictor.finish(found)
        except BmisError as error:
            self.fail(index, error)
            return
        top, left, bottom, right = self.stack.box(index) or (0, 0, *self.stack.size)
        self.labels[index, top:bottom, left:right] = mask.labels
        if self.probabilities is not None and mask.probabilities is not None:
            self.probabilities[index, :, top:bottom, left:right] = mask.probabilities
        self.ood_scores[index] = mask.ood_score
        self.advance()

    def fail(self, index: int, error: BmisError) -> None:
        """Remember why a picture has no mask."""
        name = f" ({self.stack.slice_name(index)} of {self.stack.name})"
        self.failed[index] = f"{error}{name if len(self.stack) > 1 else ''}"
        self.advance()


def _zeros(path: Path, shape: tuple[int, ...], dtype: type) -> NDArray[Any]:
    """An array of zeros in a file, of which only what is used takes memory."""
    return np.memmap(path, dtype, "w+", shape=shape)
