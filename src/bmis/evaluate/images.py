"""Every image of a split through a network and against its mask, in three stages at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bmis.data.cases import Case, Dataset, load_case, load_counted
from bmis.data.mask_text import encode_mask
from bmis.errors import DataError, one_line_about
from bmis.metrics import CaseScore, count_confusion, score_case
from bmis.predict.batches import infer_read
from bmis.predict.mask import Mask
from bmis.predict.predictor import Frame, FrameLogits, Predictor
from bmis.system.pipeline import stream
from bmis.system.progress import progress_bar


@dataclass
class ImageScores:
    """What was found on some images.

    Attributes:
        cases: The scores of each image by its id, in the order of the images.
        masks: The predicted mask of each image, small, as ``data.mask_text`` writes it.
        confusion: (K, K) pixels of all images; the row is the true class, the column the
            predicted one.
        failed: Images that could not be scored, each with one line that says why.

    Example:
        >>> ImageScores(confusion=np.zeros((2, 2), np.int64)).cases
        {}
    """

    confusion: NDArray[np.int64]
    cases: dict[str, CaseScore] = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)
    failed: list[tuple[Path, str]] = field(default_factory=list)


def score_images(
    predictor: Predictor, dataset: Dataset, cases: Sequence[Case], tolerance: float
) -> ImageScores:
    """Predict and score images at their own size, behind a progress bar.

    Args:
        predictor: The network.
        dataset: The data set of the images.
        cases: The images.
        tolerance: Tolerance of ``nsd``, in millimetres where the data set has a spacing, else in
            pixels.

    Raises:
        DataError: None of the images can be scored.

    Example:
        >>> import bmis
        >>> dataset = bmis.open_dataset("polyps")
        >>> found = score_images(bmis.load("run"), dataset, dataset.split("test"), 2.0)
        >>> len(found.cases), int(found.confusion.sum()) == 2 * 64 * 64
        (2, True)
    """
    shape = (dataset.num_classes, dataset.num_classes)
    with progress_bar("evaluate", total=len(cases)) as bar:
        found = ImageScores(np.zeros(shape, np.int64))
        job = _Evaluation(predictor, dataset, tolerance, bar.update, found)
        stream(cases, job.read, partial(infer_read, predictor), job.score, batch=predictor.batch)
    if not found.cases:
        raise DataError(f"no image of {len(cases)} can be scored; the first: {found.failed[0][1]}")
    return found


class _Truth(NamedTuple):
    """The mask of a case, and the pixels that count; None if all do."""

    labels: NDArray[np.uint8]
    counted: NDArray[np.bool_] | None


@dataclass
class _Evaluation:
    """The first and the last stage of one evaluation, and their results so far."""

    predictor: Predictor
    dataset: Dataset
    tolerance: float
    advance: Callable[[], None]
    found: ImageScores

    def read(self, case: Case) -> tuple[tuple[Case, _Truth], Frame] | None:
        """First stage, in the reader's thread; None where a file is bad."""
        try:
            with one_line_about(case.image):
                image, labels = load_case(case, self.dataset)
                truth = _Truth(*load_counted(case, labels))
                return (case, truth), self.predictor.prepare(image)
        except DataError as error:
            self.found.failed.append((case.image, str(error)))
            self.advance()
            return None

    def score(self, inferred: tuple[tuple[Case, _Truth], FrameLogits | Mask]) -> None:
        """Third stage, in a thread of its own, so that distances overlap with the network."""
        (case, truth), found = inferred
        labels, classes = self.predictor.finish(found).labels, self.dataset.num_classes
        self.found.cases[case.id] = score_case(
            labels, truth.labels, classes, self.dataset.spacing, self.tolerance, truth.counted
        )
        self.found.confusion += count_confusion(labels, truth.labels, classes, truth.counted)
        self.found.masks[case.id] = encode_mask(labels)
        self.advance()
