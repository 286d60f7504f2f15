"""Pictures of the images that a network segments best, worst and in between."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.data.cases import Dataset, load_case
from bmis.data.channels import to_rgb
from bmis.data.drawing import overlay
from bmis.data.images import write_image
from bmis.metrics import CaseScore
from bmis.predict.predictor import Predictor
from bmis.system.files import output_folder

_EACH = 3  # pictures of each kind
_LONGEST = 1024  # pixels along a side of a picture; of larger images rows and columns are left out
_GAP = 6  # white pixels between the two halves
_LONGEST_NAME = 50  # characters of an id; a file's name has 255 bytes at most
_PICTURE = re.compile(r"(best|median|worst)_\d_.*_dice\d\.\d{3}\.png")


def draw_examples(
    predictor: Predictor, dataset: Dataset, cases: Mapping[str, CaseScore], out: Path
) -> tuple[Path, ...]:
    """Draw the three best, median and worst images by Dice; fewer where there are few.

    Each picture, such as ``worst_1_<id>_dice0.123.png``, shows the bare image beside the image
    with the prediction (tinted, outlined) and the truth (dashed). Correctly empty images are drawn
    only if there are no others. Pictures of an earlier evaluation are removed from ``out``.

    Args:
        predictor: Predicts these images once more, because keeping all masks would fill the memory.
        dataset: Where the images are.
        cases: The scores by id.
        out: Folder for the pictures; made if it does not exist.

    Returns:
        The files, best first.

    Raises:
        DataError: ``out`` cannot be written to.

    Example:
        >>> import bmis
        >>> predictor, dataset = bmis.load("run"), bmis.open_dataset("polyps")
        >>> case = dataset.cases[0]
        >>> image, truth = load_case(case, dataset)
        >>> score = bmis.score_case(predictor(image).labels, truth, dataset.num_classes)
        >>> (path,) = draw_examples(predictor, dataset, {case.id: score}, Path("overlays"))
        >>> path.name.startswith("best_1_")
        True
    """
    output_folder(out)
    for old in out.iterdir():
        if _PICTURE.fullmatch(old.name):
            old.unlink()
    by_id = {case.id: case for case in dataset.cases}
    paths = []
    for label, case in sorted(_choose(cases)):
        image, truth = load_case(by_id[case], dataset)
        picture = _side_by_side(image.pixels, predictor(image).labels, truth)
        name = re.sub(r"[^\w.-]", "_", case)[:_LONGEST_NAME]
        path = out / f"{label}_{name}_dice{cases[case].mean['dice']:.3f}.png"
        write_image(path, picture)
        paths.append(path)
    return tuple(paths)


def _choose(cases: Mapping[str, CaseScore]) -> Iterator[tuple[str, str]]:
    """Labels such as "best_1" and ids; no image twice."""
    shown = [c for c, score in cases.items() if score.outcome != "correctly_empty"]
    order = sorted(shown or cases, key=lambda case: (cases[case].mean["dice"] or 0.0, case))
    last, middle = len(order) - 1, (len(order) - 1) // 2
    taken = set()
    for rank in range(_EACH):
        step = (rank + 1) // 2 * (1 if rank % 2 else -1)  # 0, 1, -1: around the middle
        for label, at in (("best", last - rank), ("worst", rank), ("median", middle + step)):
            if 0 <= at <= last and at not in taken:
                taken.add(at)
                yield f"{label}_{rank + 1}", order[at]


def _side_by_side(
    pixels: NDArray[np.uint8], labels: NDArray[np.uint8], truth: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    thin = -(-max(labels.shape) // _LONGEST)
    bare, labels, truth = (
        np.ascontiguousarray(array[::thin, ::thin]) for array in (to_rgb(pixels), labels, truth)
    )
    gap = np.full((len(bare), _GAP, 3), 255, np.uint8)
    return np.concatenate([bare, gap, overlay(bare, labels, truth=truth)], axis=1)
