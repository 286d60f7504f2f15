"""Raw folders of nnU-Net: ``imagesTr/``, ``labelsTr/``, ``dataset.json`` and their test split."""

import re
from pathlib import Path

import msgspec

from bmis.data.clinical_pairs import slices_of_volume
from bmis.data.file_kinds import kind_of
from bmis.data.formats.nifti import is_nifti, stem_of
from bmis.data.image_files import image_files
from bmis.data.on_error import OnError
from bmis.data.pairs import Layout, Pair, same_id
from bmis.errors import DataError
from bmis.system.reading import read_bytes

_CHANNEL = re.compile(r"(?P<id>.+)_(?P<channel>\d{4})")
_LARGEST = 2**20  # bytes of dataset.json


def is_nnunet(root: Path) -> bool:
    """Whether a folder looks like a raw folder of nnU-Net.

    Example:
        >>> is_nnunet(Path("polyps"))
        False
    """
    return (root / "imagesTr").is_dir() and (root / "labelsTr").is_dir()


def nnunet_layout(root: Path, on_error: OnError, *, axis: str = "axial") -> Layout:
    """Pair the images and labels of a raw folder of nnU-Net.

    ``imagesTs/`` with ``labelsTs/`` is the test split. Test images without labels are left out.
    Each slice of a NIfTI volume is a pair.

    Args:
        root: Folder that holds ``imagesTr/`` and ``labelsTr/``.
        on_error: Takes errors that leave other images usable, such as a second channel.
        axis: How volumes of NIfTI are cut into slices.

    Raises:
        DataError: The folder holds volumes of another kind.

    Example:
        >>> for file in ("imagesTr/a_0000.png", "labelsTr/a.png", "labelsTr/b.png"):
        ...     Path(file).parent.mkdir(exist_ok=True)
        ...     Path(file).touch()
        >>> layout = nnunet_layout(Path("."), print)
        >>> layout.pairs[0].id, [file.name for file in layout.unmatched]
        ('a', ['b.png'])
    """
    pairs: list[Pair] = []
    unmatched: list[Path] = []
    parts: list[tuple[str, str | None]] = [("Tr", None)]
    if (root / "imagesTs").is_dir() and (root / "labelsTs").is_dir():
        parts.append(("Ts", "test"))
    for end, split in parts:
        images = _single_channel(_pictures(root / f"images{end}"), on_error)
        masks = {stem_of(file): file for file in _pictures(root / f"labels{end}")}
        for name, image in images.items():
            mask = masks.pop(name, None)
            try:
                pairs += _pairs(name, image, mask, split, axis)
            except DataError as error:
                on_error(error)
        unmatched += masks.values()
    classes: tuple[str, ...] = ()
    ignore: int | None = None
    try:
        classes, ignore = _classes(root / "dataset.json")
    except DataError as error:
        on_error(error)
    return Layout(tuple(pairs), tuple(unmatched), classes, ignore)


def _pairs(name: str, image: Path, mask: Path | None, split: str | None, axis: str) -> list[Pair]:
    """An image, or all slices of a volume, with the mask."""
    if is_nifti(image):
        return slices_of_volume(image, mask, name, axis=axis, split=split)
    return [Pair(name, image, () if mask is None else (mask,), None, split)]


def _pictures(folder: Path) -> list[Path]:
    """Images and NIfTI volumes."""
    files = sorted(folder.iterdir())
    volume = next((path for path in files if kind_of(path) == "volume"), None)
    if volume is not None:
        raise DataError(f"{volume}: of volumes NIfTI is read; convert it to .nii.gz first")
    return [*image_files(folder), *(path for path in files if kind_of(path) == "NIfTI")]


def _single_channel(files: list[Path], on_error: OnError) -> dict[str, Path]:
    """Images by id; nnU-Net's _0000 is cut off, further channels are refused."""
    images: dict[str, Path] = {}
    for file in files:
        match = _CHANNEL.fullmatch(stem_of(file))
        name = match["id"] if match else stem_of(file)
        if match and match["channel"] != "0000":
            on_error(
                DataError(
                    f"{file}: a further channel of {name!r}; one file per image is read: merge "
                    "the channels into one TIFF or NPY (H, W, C), or keep only the _0000 files"
                )
            )
        elif name in images:
            on_error(same_id(file, images[name], name))
        else:
            images[name] = file
    return images


def _classes(path: Path) -> tuple[tuple[str, ...], int | None]:
    """The names of the classes, and the number of the label that nnU-Net calls "ignore"."""
    if not path.exists():
        return (), None
    content = read_bytes(path, limit=_LARGEST)
    try:
        labels = msgspec.json.decode(content, type=_DatasetJson).labels
        # version 2 maps name to number, version 1 number to name
        numbers = {
            int(key if key.isdecimal() else value): str(value if key.isdecimal() else key)
            for key, value in labels.items()
        }
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); 'labels' must give one number per class name"
        ) from error
    ignore = next((number for number, name in numbers.items() if name == "ignore"), None)
    numbers = {number: name for number, name in numbers.items() if number != ignore}
    if sorted(numbers) != list(range(len(numbers))):
        raise DataError(f"{path}: 'labels' must number the classes 0, 1, 2 ..., got {labels}")
    return tuple(numbers[index] for index in range(len(numbers))), ignore


class _DatasetJson(msgspec.Struct):
    """What is read of ``dataset.json``."""

    labels: dict[str, str | int] = {}
