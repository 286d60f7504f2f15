"""Masks, measurements and pictures for a list of image files.

The work streams: one thread reads ahead, the network runs in the caller's thread, one thread
writes, and only a few images are in memory at any time, whatever their number.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from bmis.config import RuntimeOptions
from bmis.data.drawing import overlay as draw_overlay
from bmis.data.images import read_image, write_image, write_mask
from bmis.errors import BmisError, BundleError, ConfigError, DataError, NoMemoryError
from bmis.predict.measurements import Measurement, measure
from bmis.predict.predictor import Frame, Mask, Predictor
from bmis.runtime.load import load_runtime
from bmis.system.files import atomic, output_folder, to_csv, write_text
from bmis.system.pipeline import stream
from bmis.system.progress import progress_bar

__all__ = ["Mask", "Prediction", "Predictor", "predict_masks", "write_masks"]

COLUMNS = (  # of measurements.csv; one row per mask and class, empty cells where nothing is there
    "id", "file", "class", "area_px", "area_mm2", "fraction", "top", "left", "height", "width",
    "row", "column", "diameter_px", "diameter_mm", "ood_score",
)  # fmt: skip


@dataclass(frozen=True)
class Prediction:
    """What came out of ``predict_masks``, in the order of the images.

    Attributes:
        written: The masks.
        failed: Images that gave none, each with one line that says why.
        measurements: A CSV table with ``COLUMNS``; the numbers of ``postprocess.measure``, and
            ``Mask.ood_score``.
        out_of_distribution: Images unlike all training images, with their ``ood_score``.
    """

    written: list[Path]
    failed: list[tuple[Path, str]]
    measurements: Path
    out_of_distribution: list[tuple[Path, float]] = field(default_factory=list)


def predict_masks(
    model: Path | str,
    images: Sequence[Path | str],
    out: Path | str,
    *,
    overlay: bool = False,
    probabilities: bool = False,
    tile: int | None = None,
    options: RuntimeOptions | None = None,
    spacing: tuple[float, float] | None = None,
) -> Prediction:
    """Write a mask for every image, and a table of what was measured.

    ``out`` gets ``<name>.png`` (see ``data.images.write_mask``) and ``measurements.csv``; asked
    for, ``overlays/<name>.png`` and ``probabilities/<name>.npy`` ((K, H, W) float16). What lies
    there under the same names is replaced. Bad images do not stop the others.

    Args:
        model: Bundle, run folder or ``.safetensors`` file.
        images: Files, see ``data.folder.find_images``; no two may have the same name.
        out: Another folder than the images'; made if it does not exist.
        overlay: Draw each mask on its image.
        probabilities: Write the class probabilities.
        tile: See ``Predictor``.
        options: How the network is run; the defaults where left out.
        spacing: Millimetres per pixel (down, across) of all images, where known.

    Raises:
        ConfigError: See ``Predictor``; two images of one name; ``out`` is the images' folder.
        DataError: No images, or ``out`` cannot be written to (any more).
        BundleError: See ``runtime.load_runtime``; or the network cannot be run.
        NoMemoryError: Not one image of the network's size fits.
        MissingExtraError: See ``runtime.load_runtime``.
    """
    runtime, info = load_runtime(model, options)
    predictor = Predictor(runtime, info, tile=tile, keep_probabilities=probabilities)
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
    """Do the work of ``predict_masks`` with a predictor that is there already.

    Args:
        predictor: Its ``keep_probabilities`` decides whether they are written.
        images: See ``predict_masks``.
        out: See ``predict_masks``.
        overlay: See ``predict_masks``.
        spacing: See ``predict_masks``.
        batch: Images given to the network at once; None for the runtime's own choice, which is
            1 on a CPU. Larger batches change logits in the last bit only.
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
    with progress_bar() as bar:
        task = bar.add_task("predict", total=len(images))
        job = _Job(predictor, out, overlay, spacing, partial(bar.advance, task))
        try:
            stream(images, job.read, job.infer, job.write, batch=batch or predictor.batch)
        except BaseException:  # what was written before is still measured
            with suppress(DataError):
                job.write_measurements()
            raise
    order = {path: index for index, path in enumerate(images)}
    for listed in (job.failed, job.out_of_distribution):
        listed.sort(key=lambda found: order[found[0]])
    return Prediction(job.written, job.failed, job.write_measurements(), job.out_of_distribution)


@dataclass
class _Job:
    """The three stages for one run, and what they found out."""

    predictor: Predictor
    out: Path
    overlay: bool
    spacing: tuple[float, float] | None
    advance: Callable[[], None]
    written: list[Path] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    out_of_distribution: list[tuple[Path, float]] = field(default_factory=list)
    rows: list[list[object]] = field(default_factory=list)

    def read(self, path: Path) -> tuple[Path, Frame | None]:
        """In the reader's thread; None where the image is bad."""
        try:
            return path, self.predictor.prepare(read_image(path))
        except (BmisError, MemoryError) as error:
            self.fail(path, error)
            return path, None

    def infer(
        self, group: Sequence[tuple[Path, Frame | None]]
    ) -> list[tuple[Path, Callable[[], Mask]]]:
        """In the caller's thread; a batch that fails is tried again image by image."""
        good = [(path, frame) for path, frame in group if frame is not None]
        if not good:
            return []
        try:
            finishes = self.predictor.infer([frame for _, frame in good])
        except BundleError:  # the network's own fault: it will not infer the others either
            raise
        except (BmisError, MemoryError) as error:
            if len(good) > 1:
                return [done for one in good for done in self.infer([one])]
            if isinstance(error, NoMemoryError) and self.predictor.frames_are_alike:
                raise
            self.fail(good[0][0], error)
            return []
        return [(path, finish) for (path, _), finish in zip(good, finishes, strict=True)]

    def write(self, judged: tuple[Path, Callable[[], Mask]]) -> None:
        """In the writer's thread; what cannot be written stops the run."""
        path, finish = judged
        try:
            mask = finish()
            # read again, in its own colours: keeping all images in the queue would fill memory
            pixels = read_image(path).pixels if self.overlay else None
        except (BmisError, MemoryError) as error:
            self.fail(path, error)
            return
        classes = self.predictor.info.classes
        target = self.out / f"{path.stem}.png"
        if mask.probabilities is not None:
            with atomic(self.out / "probabilities" / f"{path.stem}.npy") as temporary:
                np.save(temporary, mask.probabilities.astype(np.float16))
        if pixels is not None:
            picture = draw_overlay(pixels, mask.labels)
            write_image(self.out / "overlays" / target.name, picture)
        write_mask(target, mask.labels, max(2, len(classes)))
        foreground = list(enumerate(classes))[1:] or [(1, classes[0])]
        for index, name in foreground:
            found = measure(mask.labels, index, mask.spacing or self.spacing)
            values = (path.stem, path, name, *_columns(found), mask.ood_score)
            self.rows.append([f"{v:.6g}" if isinstance(v, float) else v for v in values])
        if mask.ood_score is not None and mask.ood_score > 1:
            self.out_of_distribution.append((path, mask.ood_score))
        self.written.append(target)
        self.advance()

    def fail(self, path: Path, error: BmisError | MemoryError) -> None:
        no_memory = f"{path}: not enough memory; use a smaller image or a larger machine"
        self.failed.append((path, no_memory if isinstance(error, MemoryError) else str(error)))
        self.advance()

    def write_measurements(self) -> Path:
        target = self.out / "measurements.csv"
        write_text(target, to_csv([COLUMNS, *self.rows]))
        return target


def _check_spacing(spacing: tuple[float, float] | None) -> None:
    if spacing is not None and not (
        len(spacing) == 2 and all(math.isfinite(side) and side > 0 for side in spacing)
    ):
        raise ConfigError(f"spacing must be two numbers above 0 (mm per pixel), got {spacing}")


def _check_names(images: Sequence[Path], folders: Iterable[Path]) -> None:
    """Refuse what would overwrite an image, or one result by another."""
    if not images:
        raise DataError("no images to predict; name image files or folders that hold some")
    targets = {folder.resolve() for folder in folders}
    names: dict[str, Path] = {}
    for path in images:
        if targets & {path.parent.resolve(), path.resolve().parent}:
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


def _columns(found: Measurement) -> tuple[object, ...]:
    box, centroid = found.box or ("",) * 4, found.centroid or ("",) * 2
    return (
        found.area_px,
        found.area_mm2,
        found.fraction,
        *box,
        *centroid,
        found.diameter_px,
        found.diameter_mm,
    )
