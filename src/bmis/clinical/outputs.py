"""What is written of the masks of a stack, a function for each format."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bmis.clinical.codes import foreground
from bmis.clinical.outlines import features
from bmis.clinical.overlays import write_captures, write_overlay_pictures
from bmis.clinical.report import write_report
from bmis.clinical.result import StackResult
from bmis.clinical.seg import write_seg
from bmis.clinical.settings import DICOM_FORMATS, ClinicalOptions
from bmis.clinical.stack import DicomStack, Stack
from bmis.data.formats.nifti import write_nifti
from bmis.data.formats.tiff_stack import write_tiff_stack
from bmis.data.images import write_mask
from bmis.data.palette import palette
from bmis.errors import BmisError, DataError, one_line_about
from bmis.predict.mask import Mask
from bmis.predict.tables import Tables
from bmis.system.files import atomic, output_folder, write_json
from bmis.system.pipeline import each


def formats_for(stack: Stack, options: ClinicalOptions) -> tuple[str, ...]:
    """What shall be written of a stack.

    Example:
        >>> from bmis.clinical.study import find_stacks
        >>> (stack,) = find_stacks([Path("volume.nii.gz")]).stacks
        >>> formats_for(stack, ClinicalOptions())
        ('nifti', 'csv')
    """
    wanted = [stack.formats if name == "auto" else (name,) for name in options.outputs]
    return tuple(dict.fromkeys(name for names in wanted for name in names))


def write_results(
    result: StackResult, folder: Path, formats: Sequence[str], *, overlay: bool = False
) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Write the masks of a stack in each format; one that cannot be written leaves the others.

    Args:
        result: The masks.
        folder: Where the files go; made if it does not exist.
        formats: See ``ClinicalOptions``.
        overlay: Whether to draw each mask on its picture, as PNG.

    Returns:
        The files, and what could not be written, each with one line that says why.

    Raises:
        DataError: The folder cannot be written to.

    Example:
        >>> import bmis
        >>> from bmis.clinical.segment import segment
        >>> from bmis.clinical.study import find_stacks
        >>> (stack,) = find_stacks([Path("ct")]).stacks
        >>> with segment(bmis.load("run"), stack, Path("out"), "run") as result:
        ...     written, failed = write_results(result, Path("out/ct"), ["nifti", "csv", "png"])
        >>> [path.name for path in written][:3], failed
        (['mask.nii.gz', 'measurements.csv', '0001.png'], [])
    """
    output_folder(folder)
    source = result.stack.path(0)
    failed = [] if isinstance(result.stack, DicomStack) else _without_study(source, formats)
    written: list[Path] = []
    ordered = sorted(formats, key=lambda name: name == "sr")  # a report refers to a segmentation
    ordered = [*(["overlay"] if overlay else []), *ordered]
    for name in ordered:
        if name in DICOM_FORMATS and not isinstance(result.stack, DicomStack):
            continue
        try:
            with one_line_about(source, f"leave {name} out"):
                written.extend(_WRITERS[name](result, folder))
        except BmisError as error:
            failed.append((source, str(error)))
            if name == "seg" and "sr" in ordered:
                ordered.remove("sr")  # which could refer to nothing
    return written, failed


def _without_study(source: Path, formats: Sequence[str]) -> list[tuple[Path, str]]:
    """The error of what cannot be written of files that are no DICOM, if it was asked for."""
    lacking = ", ".join(name for name in formats if name in DICOM_FORMATS)
    others = "write nifti, tiff, png, csv or json"
    why = f"{source}: no DICOM, so there is no study for {lacking}; {others}"
    return [(source, why)] if lacking else []


def _seg(result: StackResult, folder: Path) -> list[Path]:
    write_seg(result, folder / "segmentation.dcm")
    return [folder / "segmentation.dcm"]


def _nifti(result: StackResult, folder: Path) -> list[Path]:
    stack, target = result.stack, folder / "mask.nii.gz"
    affine = stack.affine
    if affine is None:
        spacing = result.spacing_of(result.good[0])
        if isinstance(stack, DicomStack) and stack.planes is not None:
            raise DataError(
                f"{stack.path(0)}: the slices are not evenly spaced, which NIfTI cannot say; "
                "write seg"
            )
        down, across = spacing or (1.0, 1.0)  # pixels where nothing is known of millimetres
        affine = np.diag([-across, -down, 1.0, 1.0])
    with atomic(target) as temporary:
        write_nifti(temporary, stack.in_file_order(result.labels), affine)
    return [target]


def _tiff(result: StackResult, folder: Path) -> list[Path]:
    target, classes = folder / "mask.tif", len(result.info.classes)
    binary = classes <= 2  # written as masks of single pictures are, see write_mask
    pages = (plane * np.uint8(255 if binary else 1) for plane in result.labels)
    spacing = result.spacing_of(result.good[0])
    with atomic(target) as temporary:
        write_tiff_stack(
            temporary, pages, colours=None if binary else palette(classes), spacing=spacing
        )
    return [target]


def _png(result: StackResult, folder: Path) -> list[Path]:
    masks, classes = output_folder(folder / "masks"), max(2, len(result.info.classes))

    def write(index: int) -> Path:
        target = masks / f"{result.stack.slice_name(index)}.png"
        write_mask(target, result.labels[index], classes)
        return target

    return list(each(write, result.good))


def _csv(result: StackResult, folder: Path) -> list[Path]:
    tables = Tables(result.info.classes, result.spacing)
    for index in result.good:
        scores = result.ood_scores[index], result.expected_dice[index]
        mask = Mask(np.asarray(result.labels[index]), None, result.spacing_of(index), *scores)
        tables.add(result.stack.path(index), mask, name=result.stack.slice_name(index))
    return [tables.write(folder)]


def _json(result: StackResult, folder: Path) -> list[Path]:
    found: list[dict[str, Any]] = []
    for index in result.good:
        for label, name in foreground(result.info):
            colour = palette(label + 1)[label].tolist()
            found.extend(
                {
                    "type": "Feature",
                    "geometry": geometry,
                    "properties": {
                        "classification": {"name": name, "color": colour},
                        "slice": index + 1,
                    },
                }
                for geometry in features(result.labels[index], label)
            )
    target = folder / "outlines.geojson"
    write_json(target, {"type": "FeatureCollection", "features": found})
    return [target]


_WRITERS: dict[str, Callable[[StackResult, Path], list[Path]]] = {
    "seg": _seg,
    "sr": write_report,
    "sc": write_captures,
    "nifti": _nifti,
    "tiff": _tiff,
    "png": _png,
    "csv": _csv,
    "json": _json,
    "overlay": write_overlay_pictures,
}
