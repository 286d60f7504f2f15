"""From the pictures of a stack to their masks: read, infer and keep, all at the same time."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.clinical.result import StackResult
from bmis.clinical.settings import ClinicalOptions
from bmis.clinical.stack import Stack
from bmis.data.images import Image
from bmis.errors import BmisError, one_line_about
from bmis.predict.batches import infer_batch
from bmis.predict.mask import Mask
from bmis.predict.predictor import Frame, FrameLogits, Predictor
from bmis.system.files import output_folder
from bmis.system.pipeline import stream
from bmis.system.progress import progress_bar
from bmis.system.temporary import remove_remains, temporary_name


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
        >>> from bmis.clinical.study import find_stacks
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
            job.expected_dice,
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
        self.expected_dice: list[float | None] = [None] * len(stack)
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
        self.ood_scores[index], self.expected_dice[index] = mask.ood_score, mask.expected_dice
        self.advance()

    def fail(self, index: int, error: BmisError) -> None:
        """Remember why a picture has no mask."""
        name = f" ({self.stack.slice_name(index)} of {self.stack.name})"
        self.failed[index] = f"{error}{name if len(self.stack) > 1 else ''}"
        self.advance()


def _zeros(path: Path, shape: tuple[int, ...], dtype: type) -> NDArray[Any]:
    """An array of zeros in a file, of which only what is used takes memory."""
    return np.memmap(path, dtype, "w+", shape=shape)
