"""Pixels of DICOM: one frame as uint8, as a viewer would show it.

In this order (PS3.3 C.11, C.7.6.3):

- YBR becomes RGB, once, by pydicom. Palettes are expanded. Colours of more than 8 bits keep their
  upper eight.
- Greys go through the modality transformation (rescale or table), then through the window: that of
  the file, one that is given, or the 0.1th to the 99.9th percentile of the frame. Unsigned greys of
  8 bits without window stay as they are.
- MONOCHROME1 is inverted, so that black is 0.
- Overlays and burnt-in text are left as they are.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bmis.data.formats.codestream import compressed_frame, jpeg_size, without_boxes
from bmis.data.formats.dicom import DicomFile, is_deflated, silence, whole_dataset
from bmis.data.formats.missing_rows import without_end
from bmis.data.formats.stretch import to_bytes
from bmis.errors import DataError, one_line_about, require

if TYPE_CHECKING:
    from pydicom import Dataset

Window = str | tuple[float, float]
"""``"file"``, ``"percentiles"``, or centre and width."""

_GROUPS = (  # functional groups whose elements stand in the header of a single frame
    "PixelMeasuresSequence",
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelValueTransformationSequence",
    "FrameVOILUTSequence",
)
_PIXELS = 0x0028  # group of the elements that describe pixels
_HALF_LINEAR = 0.5  # of PS3.3 C.11.2.1.2.1, where a window of width w holds w whole values


def frame_header(header: "Dataset", index: int) -> "Dataset":
    """A header in which what is particular to one frame stands as in a file of a single frame.

    Args:
        header: The header of a file.
        index: Number of the frame, from 0.

    Returns:
        A copy that shares all elements but those of the frame.

    Example:
        >>> from pathlib import Path
        >>> from bmis.data.formats.dicom import read_dicom
        >>> header = read_dicom(Path("ct.dcm")).header
        >>> float(frame_header(header, 1).ImagePositionPatient[2])
        3.0
    """
    from pydicom import Dataset

    shared = header.get("SharedFunctionalGroupsSequence") or []
    single = header.get("PerFrameFunctionalGroupsSequence") or []
    groups = [*shared[:1], *single[index : index + 1]]
    if not groups:
        return header
    flat = Dataset()
    flat.update(header)  # the elements are shared, but not the list of them
    for group in groups:
        for name in _GROUPS:
            for item in (group.get(name) or [])[:1]:
                flat.update(item)
    return flat


def read_frame(file: DicomFile, index: int = 0, window: Window = "file") -> NDArray[np.uint8]:
    """One frame of a DICOM image, by the rules at the top of this module.

    Args:
        file: What ``read_dicom`` returned.
        index: Number of the frame, from 0.
        window: What becomes black and white.

    Returns:
        (H, W, C) uint8, C = 1 (grey) or 3 (RGB).

    Raises:
        DataError: The pixels are missing, damaged, or of a kind that is not read.

    Example:
        >>> from pathlib import Path
        >>> from bmis.data.formats.dicom import read_dicom
        >>> read_frame(read_dicom(Path("skin.dcm"))).shape
        (64, 64, 3)
    """
    silence()
    with one_line_about(file.path, "send it again"):
        header = frame_header(file.header, index)
        stored = stored_values(file, index)
        if stored.shape[:2] != file.size:
            raise DataError(f"{file.path}: truncated or damaged (frame of another size); resend it")
        kind = str(header.PhotometricInterpretation)
        if kind == "PALETTE COLOR":
            return _expanded(stored, header)
        if stored.ndim == 3 and stored.shape[2] == 3:
            shift = max(0, int(header.get("BitsStored") or 8) - 8)
            return (stored >> shift).astype(np.uint8)
        if kind not in ("MONOCHROME1", "MONOCHROME2") or stored.ndim != 2:
            raise DataError(f"{file.path}: pixels of the kind {kind} are not read; send RGB")
        grey = _grey(stored, header, window)
        return (255 - grey if kind == "MONOCHROME1" else grey)[..., None]


def stored_values(file: DicomFile, index: int) -> NDArray[Any]:
    """The values of a frame as they are stored, (H, W) or (H, W, 3); YBR as RGB.

    Raises:
        DataError: The compressed frame has another size than the header says, or needs a decoder
            that is not installed.
        MissingExtraError: GDCM is not installed.

    Example:
        >>> from bmis.data.formats.dicom import read_dicom
        >>> stored_values(read_dicom(Path("ct.dcm")), 0).dtype
        dtype('int16')
    """
    from pydicom.pixels.utils import pixel_array

    if is_deflated(file.header) or not getattr(file.header, "file_meta", {}).get(
        "TransferSyntaxUID"
    ):
        return pixel_array(whole_dataset(file), index=index)
    syntax = file.header.file_meta.TransferSyntaxUID
    if syntax.is_private or not syntax.is_encapsulated:
        return pixel_array(file.path, index=index)
    frame = without_boxes(compressed_frame(file, index))
    if not frame:
        raise DataError(f"{file.path}: damaged (its frame {index + 1} is empty); send it again")
    claimed = jpeg_size(frame)
    if claimed is not None and claimed != file.size:
        raise DataError(
            f"{file.path}: damaged (its header says {file.size[0]} x {file.size[1]} pixels, its "
            f"compressed frame {claimed[0]} x {claimed[1]}); send it again"
        )
    decoder = _decoder(file)
    if decoder == "pillow":
        frame = without_end(frame)
    with _without_stderr():
        return pixel_array(_single(file, frame), decoding_plugin=decoder)


def _single(file: DicomFile, frame: bytes) -> "Dataset":
    """What a decoder needs of a file, with one of its frames."""
    from pydicom import Dataset
    from pydicom.encaps import encapsulate

    single = Dataset()
    single.file_meta = file.header.file_meta
    single.update({element.tag: element for element in file.header.group_dataset(_PIXELS)})
    single.NumberOfFrames = 1
    single.PixelData = encapsulate([frame])
    return single


def _decoder(file: DicomFile) -> str:
    """What pydicom shall decode a compressed frame by.

    Pillow is twice as fast as GDCM for JPEG of 8 bits. Both refuse frames that are cut off, where
    pylibjpeg fills them with grey.
    """
    from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit, RLELossless

    syntax = file.header.file_meta.TransferSyntaxUID
    if syntax == RLELossless:
        return "pydicom"
    if syntax in (JPEGBaseline8Bit, JPEGExtended12Bit) and _stored_bits(file) <= 8:
        return "pillow"
    if syntax == JPEGExtended12Bit:
        if find_spec("libjpeg") is None:
            raise DataError(
                f"{file.path}: JPEG of 12 bits; install its decoder, which is under the GPL: pip "
                "install pylibjpeg-libjpeg, or store it without compression"
            )
        return "pylibjpeg"
    require("gdcm", extra="clinical")
    return "gdcm"


def _stored_bits(file: DicomFile) -> int:
    return int(file.header.get("BitsStored") or 8)


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Keep what decoders print themselves off the terminal; they raise an error too."""
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _expanded(stored: NDArray[Any], header: "Dataset") -> NDArray[np.uint8]:
    """Numbers of a palette as RGB."""
    from pydicom.pixels.processing import apply_color_lut

    colours = apply_color_lut(stored, header)[..., :3]
    return (colours >> 8 if colours.dtype.itemsize > 1 else colours).astype(np.uint8)


def _grey(stored: NDArray[Any], header: "Dataset", window: Window) -> NDArray[np.uint8]:
    """Greys (H, W) of any type through modality transformation and window."""
    from pydicom.pixels.processing import apply_modality_lut, apply_voi

    padding = header.get("PixelPaddingValue")
    outside = None if padding is None else stored == int(padding)
    if outside is not None and outside.any() and not outside.all():
        stored = np.where(outside, stored[~outside].min(), stored)  # nobody's black or white
    values = apply_modality_lut(stored, header)
    if isinstance(window, tuple):
        return _linear(values, *window)
    if window == "file" and header.get("VOILUTSequence"):
        table = header.VOILUTSequence[0]
        most = 2 ** int(table.LUTDescriptor[2]) - 1
        shown = apply_voi(np.rint(values).astype(np.int32), header)
        return _to_255(shown.astype(np.float32) / most)
    if window == "file" and (found := _first_window(header)):
        return _windowed(values, *found, str(header.get("VOILUTFunction") or "LINEAR"))
    if stored.dtype == np.uint8 and np.array_equal(values, stored):
        return stored
    return to_bytes(values)


def _first_window(header: "Dataset") -> tuple[float, float] | None:
    """Centre and width of the first window of a header, if it has one that shows anything."""
    pair = []
    for name in ("WindowCenter", "WindowWidth"):
        value = header.get(name)
        if value is None or value == "":
            return None
        pair.append(float(value if isinstance(value, int | float) else value[0]))
    return (pair[0], pair[1]) if np.isfinite(pair).all() and pair[1] > 0 else None


def _windowed(
    values: NDArray[Any], centre: float, width: float, function: str
) -> NDArray[np.uint8]:
    """Values through a window of the file (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    if function == "SIGMOID":
        exponent = np.clip(-4 * (values.astype(np.float32) - centre) / width, -60, 60)
        return _to_255(1 / (1 + np.exp(exponent)))
    if function == "LINEAR_EXACT":
        return _to_255((values.astype(np.float32) - centre) / width + _HALF_LINEAR)
    return _linear(values, centre, width)


def _linear(values: NDArray[Any], centre: float, width: float) -> NDArray[np.uint8]:
    shifted = values.astype(np.float32) - (centre - _HALF_LINEAR)
    if width <= 1:
        return _to_255((shifted > 0).astype(np.float32))
    return _to_255(shifted / (width - 1) + _HALF_LINEAR)


def _to_255(shares: NDArray[Any]) -> NDArray[np.uint8]:
    shown: NDArray[np.uint8] = np.rint(np.clip(shares, 0.0, 1.0) * 255).astype(np.uint8)
    return shown
