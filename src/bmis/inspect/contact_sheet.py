"""One picture of many cases with their contours, from the least foreground to the most."""

from collections.abc import Sequence
from pathlib import Path

from bmis.config import InputSpec
from bmis.data.cases import Dataset, load_case
from bmis.data.drawing import contact_sheet, overlay
from bmis.data.images import write_image
from bmis.data.preprocess import fit, fit_labels
from bmis.inspect.survey import CaseInspection

_TILES, _COLUMNS, _TILE_SIZE = 24, 6, 256


def write_contact_sheet(
    path: Path, dataset: Dataset, inspections: Sequence[CaseInspection]
) -> Path | None:
    """Draw up to 24 sound cases, evenly chosen between the least and the most foreground.

    Args:
        path: File to write.
        dataset: Classes and channels of the cases.
        inspections: All cases; those with errors are left out.

    Returns:
        ``path``, or None if there is no sound case.

    Example:
        >>> from bmis import open_dataset
        >>> from bmis.inspect.survey import survey
        >>> dataset = open_dataset("polyps")
        >>> write_contact_sheet(Path("sheet.png"), dataset, survey(dataset.cases)).name
        'sheet.png'
    """
    shares = [(found.foreground, found.case) for found in inspections if found.merged_values]
    shares.sort(key=lambda pair: (pair[0], pair[1].id))
    count = min(_TILES, len(shares))
    spec = InputSpec((_TILE_SIZE, _TILE_SIZE), dataset.channels, resize="letterbox")
    tiles = []
    for index in range(count):
        share, case = shares[index * (len(shares) - 1) // max(1, count - 1)]
        image, labels = load_case(case, dataset)
        pixels, _ = fit(image.pixels, spec)
        caption = f"{case.id}  {case.split or 'no split'}  {100 * share:.3g} %"
        tiles.append((caption, overlay(pixels, fit_labels(labels, spec), alpha=0.15)))
    if not tiles:
        return None
    write_image(path, contact_sheet(tiles, _COLUMNS, _TILE_SIZE))
    return path
