"""Masks, measurements and overlays for a list of image files.

The work is a stream: one thread reads ahead, the network runs in the caller's thread, and one
thread writes. Only a few images are in memory at any time, whatever their number.
"""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bmis.config import RuntimeOptions
from bmis.data.arrays import to_image
from bmis.data.drawing import overlay as draw_overlay
from bmis.data.images import Image, write_image, write_mask
from bmis.errors import BmisError, ConfigError, DataError, one_line_about
from bmis.predict.batches import infer_batch
from bmis.predict.load import Changes, Models, load_predictor
from bmis.predict.mask import Mask
from bmis.predict.predictor import Frame, FrameLogits, Predictor
from bmis.predict.tables import Tables
from bmis.system.files import atomic, output_folder
from bmis.system.pipeline import stream
from bmis.system.progress import progress_bar

_LONGEST_NAME = 255  # bytes


@dataclass(frozen=True)
class Prediction:
    """The result of ``predict_masks``, in the order of the images.

    Attributes:
        written: Paths of the masks.
        failed: Images that gave no mask, each with one line that says why.
        measurements: A CSV table with the numbers of ``measure`` for each class, the
            ``ood_score`` and ``expected_dice`` of the mask and the number of objects. Beside it
            lies ``objects.csv`` with the numbers of ``measure_objects``. See
            ``bmis.predict.tables``.
        out_of_distribution: Images that are out of distribution, with their ``ood_score``.
        expected_dice: The images whose mask has one, with their ``Mask.expected_dice``.
        findings: The images that gave a mask, each with what was found in a few words.

    Example:
        >>> import bmis
        >>> prediction = bmis.predict_masks("run", ["photo.png"], "masks")
        >>> prediction.failed
        []
        >>> prediction.measurements.name
        'measurements.csv'
    """

    written: list[Path]
    failed: list[tuple[Path, str]]
    measurements: Path
    out_of_distribution: list[tuple[Path, float]] = field(default_factory=list)
    expected_dice: list[tuple[Path, float]] = field(default_factory=list)
    findings: list[tuple[Path, str]] = field(default_factory=list)


def predict_masks(  # noqa: PLR0913  (each is an option of the command)
    model: Models,
    images: Sequence[Path | str],
    out: Path | str,
    *,
    overlay: bool = False,
    probabilities: bool = False,
    tile: int | None = None,
    options: RuntimeOptions | None = None,
    spacing: tuple[float, float] | None = None,
    postprocessing: Changes | None = None,
) -> Prediction:
    """Write a mask for every image, and a table of what was measured.

    The folder ``out`` gets ``<name>.png`` for each image (see ``write_mask``),
    ``measurements.csv`` and ``objects.csv``. On request it also gets ``overlays/<name>.png`` and
    ``probabilities/<name>.npy`` ((K, H, W) float16). Files of the same names are replaced. Bad
    images do not stop the others.

    Args:
        model: Bundle, run folder, ``.safetensors`` file, or name of a network that comes with the
            package. Several in a list answer with the mean of their probabilities.
        images: Image files, see ``find_images``; no two may have the same name.
        out: Another folder than that of the images; made if it does not exist.
        overlay: Whether to draw each mask on its image.
        probabilities: Whether to write the class probabilities.
        tile: See ``Predictor``.
        options: How the network is run; the defaults where left out.
        spacing: Millimetres per pixel (down, across) of all images, where known.
        postprocessing: See ``load``.

    Raises:
        ConfigError: See ``Predictor``; or two images have one name; or ``out`` is the folder of
            the images.
        DataError: There are no images, or ``out`` cannot be written to.
        BundleError: See ``load_runtime``; or the network cannot be run.
        NoMemoryError: The memory does not suffice for one image of the network's size.
        MissingExtraError: See ``load_runtime``.

    Example:
        >>> import bmis
        >>> bmis.predict_masks("run", ["photo.png"], "masks", overlay=True).written[0].name
        'photo.png'
    """
    predictor = load_predictor(
        model,
        options,
        tile=tile,
        keep_probabilities=probabilities,
        keep_unsure=overlay,
        postprocessing=postprocessing,
    )
    files = [Path(image) for image in images]
    return write_masks(predictor, files, Path(out), overlay=overlay, spacing=spacing)


def write_masks(
    predictor: Predictor,
    images: Sequence[Path],
    out: Path,
    *,
    overlay: bool = False,
    spacing: tuple[float, float] | None = None,
    batch: int | None = None,
) -> Prediction:
    """Do the work of ``predict_masks`` with a predictor that is already loaded.

    Args:
        predictor: Its ``keep_probabilities`` decides whether probabilities are written.
        images: See ``predict_masks``.
        out: See ``predict_masks``.
        overlay: See ``predict_masks``.
        spacing: See ``predict_masks``.
        batch: Images given to the network at once; None for the runtime's own choice, which is
            1 on a CPU. Larger batches change logits in the last bit only.

    Example:
        >>> import bmis
        >>> predictor = bmis.load("run")
        >>> write_masks(predictor, [Path("photo.png")], Path("masks")).written[0].name
        'photo.png'
    """
    _check_spacing(spacing)
    folders = {"": out}
    if overlay:
        folders["overlays"] = out / "overlays"
    if predictor.keep_probabilities:
        folders["probabilities"] = out / "probabilities"
    _check_names(images, folders.values())
    for folder in folders.values():
        output_folder(folder)
    with progress_bar("predict", total=len(images)) as bar:
        tables = Tables(predictor.info.classes, spacing)
        job = _Job(predictor, out, overlay, tables, bar.update)
        try:
            stream(images, job.read, job.infer, job.write, batch=batch or predictor.batch)
        except BaseException:  # the masks written so far keep their measurements
            with suppress(DataError):
                tables.write(out)
            raise
    order = {path: index for index, path in enumerate(images)}
    findings = list(tables.findings.items())
    for listed in (job.failed, job.out_of_distribution, findings):
        listed.sort(key=lambda found: order[found[0]])
    table = tables.write(out)
    return Prediction(
        job.written, job.failed, table, job.out_of_distribution, job.expected_dice, findings
    )


@dataclass
class _Job:
    """The three stages of one run, and their results so far."""

    predictor: Predictor
    out: Path
    overlay: bool
    tables: Tables
    advance: Callable[[], None]
    written: list[Path] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    out_of_distribution: list[tuple[Path, float]] = field(default_factory=list)
    expected_dice: list[tuple[Path, float]] = field(default_factory=list)

    def open(self, path: Path) -> Image:
        """An image in its own colours, or with the channels of the network."""
        return to_image(path, self.predictor.info.input.channels)

    def read(self, path: Path) -> tuple[Path, Frame | None]:
        """First stage, in the reader's thread; None where the image is bad."""
        try:
            with one_line_about(path):
                _check_length(path)
                return path, self.predictor.prepare(self.open(path))
        except BmisError as error:
            self.fail(path, error)
            return path, None

    def infer(
        self, group: Sequence[tuple[Path, Frame | None]]
    ) -> list[tuple[Path, FrameLogits | Mask]]:
        """Second stage, in the caller's thread."""
        return infer_batch(self.predictor, group, self.fail)

    def write(self, inferred: tuple[Path, FrameLogits | Mask]) -> None:
        """Third stage, in the writer's thread; a result that cannot be written stops the run."""
        path, found = inferred
        try:
            with one_line_about(path):
                mask = self.predictor.finish(found)
                # read again, in its own colours: images in the queue would fill memory
                pixels = self.open(path).pixels if self.overlay else None
        except BmisError as error:
            self.fail(path, error)
            return
        target = self.out / f"{path.stem}.png"
        if mask.probabilities is not None:
            with atomic(self.out / "probabilities" / f"{path.stem}.npy") as temporary:
                np.save(temporary, mask.probabilities.astype(np.float16))
        if pixels is not None:
            picture = draw_overlay(pixels, mask.labels, unsure=mask.unsure)
            write_image(self.out / "overlays" / target.name, picture)
        write_mask(target, mask.labels, max(2, len(self.predictor.info.classes)))
        self.tables.add(path, mask)
        if mask.ood_score is not None and mask.ood_score > 1:
            self.out_of_distribution.append((path, mask.ood_score))
        if mask.expected_dice is not None:
            self.expected_dice.append((path, mask.expected_dice))
        self.written.append(target)
        self.advance()

    def fail(self, path: Path, error: BmisError) -> None:
        """List an image as failed."""
        self.failed.append((path, str(error)))
        self.advance()


def _check_spacing(spacing: tuple[float, float] | None) -> None:
    if spacing is not None and not (
        len(spacing) == 2 and all(math.isfinite(side) and side > 0 for side in spacing)
    ):
        raise ConfigError(f"spacing must be two numbers above 0 (mm per pixel), got {spacing}")


def _check_names(images: Sequence[Path], folders: Iterable[Path]) -> None:
    """Refuse to overwrite an image, or one result by another."""
    if not images:
        raise DataError("no images to predict; name image files or folders that hold some")
    targets = {os.path.realpath(folder) for folder in folders}  # links in a circle do no harm
    names: dict[str, Path] = {}
    for path in images:
        if targets & {os.path.realpath(path.parent), str(Path(os.path.realpath(path)).parent)}:
            raise ConfigError(
                f"{path} lies in a folder that would be written to; choose another output folder"
            )
        name = path.stem.casefold()  # for disks that ignore case
        if name in names:
            raise ConfigError(
                f"{names[name]} and {path} would both be written as {path.stem}.png; "
                "rename one, or predict them into different folders"
            )
        names[name] = path


def _check_length(path: Path) -> None:
    """Refuse an image whose mask would have a name that is too long, before any work."""
    if len(os.fsencode(f"{path.stem}.png")) > _LONGEST_NAME:
        raise DataError(f"{path}: the name is too long for that of a mask; shorten it")
