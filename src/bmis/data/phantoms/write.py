"""Phantoms: drawn images of five modalities with exact masks, for demos and tests.

The masks come from the same geometry as the drawing, before blur, hair and noise. The same
arguments always give the same bytes. The same seed at another size gives the same scene.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.random import Generator, SeedSequence, default_rng
from numpy.typing import NDArray

from bmis.config import check_choice
from bmis.data.images import write_image, write_mask
from bmis.data.phantoms import dermoscopy, endoscopy, fundus, ultrasound, xray
from bmis.data.phantoms.canvas import Array, Canvas, Labels, Streams
from bmis.errors import ConfigError, DataError
from bmis.system.files import output_folder, write_text
from bmis.system.progress import track

SMALLEST, LARGEST = 32, 8192


class _Modality(NamedTuple):
    draw: Callable[[Canvas, Streams, float, int], tuple[Array, Labels]]
    channels: int
    classes: tuple[tuple[str, ...], ...]  # all sets of class names that it can be drawn with


_MODALITIES = {
    "dermoscopy": _Modality(dermoscopy.draw, 3, (("background", "lesion"),)),
    "ultrasound": _Modality(ultrasound.draw, 1, (("background", "lesion"),)),
    "endoscopy": _Modality(endoscopy.draw, 3, (("background", "polyp"),)),
    "fundus": _Modality(fundus.draw, 3, (("background", "vessel"), ("background", "disc", "cup"))),
    "xray": _Modality(xray.draw, 1, (("background", "lung"), ("background", "lung", "heart"))),
}
MODALITIES = tuple(_MODALITIES)


def class_names(modality: str, classes: int = 2) -> tuple[str, ...]:
    """Names of the classes of a phantom, background first.

    Raises:
        ConfigError: The modality is unknown, or cannot be drawn with this number of classes.

    Example:
        >>> class_names("fundus", classes=3)
        ('background', 'disc', 'cup')
    """
    check_choice("modality", modality, MODALITIES)
    known = {len(names): names for names in _MODALITIES[modality].classes}
    if classes not in known:
        numbers = " or ".join(map(str, known))
        more = ", ".join(name for name, kind in _MODALITIES.items() if len(kind.classes) > 1)
        raise ConfigError(
            f"{modality} phantoms have {numbers} classes, got {classes}; 3 classes: {more}"
        )
    return known[classes]


def draw_phantom(
    modality: str,
    *,
    size: tuple[int, int] = (256, 256),
    seed: int = 0,
    difficulty: float = 0.5,
    classes: int = 2,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw one image and its mask.

    Args:
        modality: One of ``MODALITIES``.
        size: Height and width in pixels, 32 to 8192 each.
        seed: Seed of the scene, 0 or above.
        difficulty: 0 (clear, sharp, nothing in the way) to 1 (faint, soft, cluttered, noisy).
        classes: 2, or 3 for fundus (background, disc, cup) and xray (background, lung, heart).

    Returns:
        Pixels (H, W, C) uint8, with C = 1 for ultrasound and xray and 3 for the others, and labels
        (H, W) uint8, 0 to ``classes`` - 1.

    Raises:
        ConfigError: An argument is outside its range.

    Example:
        >>> pixels, labels = draw_phantom("endoscopy", size=(64, 96), seed=3)
        >>> pixels.shape, labels.shape, labels.max()
        ((64, 96, 3), (64, 96), np.uint8(1))
    """
    class_names(modality, classes)
    _check(size, seed, difficulty)
    # the modality is part of the seed, so that two modalities do not share their random numbers
    streams = Streams.from_seed([seed, MODALITIES.index(modality)])
    kind = _MODALITIES[modality]
    picture, labels = kind.draw(Canvas(*size), streams, difficulty, classes)
    pixels = np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)
    return pixels.reshape(*size, kind.channels), labels


def _check(size: tuple[int, int], seed: int, difficulty: float) -> None:
    if len(size) != 2 or min(size) < SMALLEST or max(size) > LARGEST:
        raise ConfigError(
            f"size must be a height and a width from {SMALLEST} to {LARGEST} pixels, got {size}"
        )
    if not 0 <= difficulty <= 1:
        raise ConfigError(f"difficulty must be from 0 to 1, got {difficulty}")
    if seed < 0:
        raise ConfigError(f"seed must be 0 or above, got {seed}")


def write_phantoms(
    out: str | Path,
    *,
    modality: str,
    count: int,
    size: tuple[int, int] = (256, 256),
    seed: int = 0,
    difficulty: float = 0.5,
    classes: int = 2,
) -> Path:
    """Write a dataset folder of phantoms: images/, masks/, splits.csv, dataset.yaml.

    If the work is interrupted, everything written so far is removed again.

    Args:
        out: Folder to write. It is made if it does not exist, and must be empty if it does.
        modality: One of ``MODALITIES``.
        count: Number of images, 1 or above; 70 % train, 10 % val, 20 % test.
        size: Height and width in pixels, 32 to 8192 each.
        seed: Seed of scenes and split. The sets of two seeds have no image in common.
        difficulty: 0 to 1, as in ``draw_phantom``.
        classes: 2 or 3, as in ``draw_phantom``.

    Returns:
        ``out``.

    Raises:
        ConfigError: An argument is outside its range.
        DataError: The folder is not empty or cannot be written to.

    Example:
        >>> out = write_phantoms("lungs", modality="xray", count=3, size=(64, 64))
        >>> sorted(path.name for path in out.iterdir())
        ['dataset.yaml', 'images', 'masks', 'splits.csv']
    """
    out = Path(out)
    class_names(modality, classes)
    _check(size, seed, difficulty)
    if count < 1:
        raise ConfigError(f"count must be 1 or above, got {count}")
    _make_empty(out)
    try:
        _fill(out, modality, count, size=size, seed=seed, difficulty=difficulty, classes=classes)
    except BaseException:  # an interrupt too must leave no half data set behind
        for entry in ("images", "masks", "splits.csv", "dataset.yaml"):
            if (out / entry).is_dir():
                shutil.rmtree(out / entry, ignore_errors=True)
            else:
                (out / entry).unlink(missing_ok=True)
        raise
    return out


def _fill(out: Path, modality: str, count: int, *, seed: int, **how: Any) -> None:
    """Write all files; ``how`` holds the other arguments of ``draw_phantom``."""
    for folder in ("images", "masks"):
        (out / folder).mkdir()
    digits = max(4, len(str(count)))
    ids = [f"{modality}_{number:0{digits}}" for number in range(1, count + 1)]
    for number, name in enumerate(track(ids, f"drawing {modality}")):
        # hashed, so that the data sets of two seeds have no image in common
        image_seed = int(SeedSequence([seed, number]).generate_state(1, np.uint64)[0])
        pixels, labels = draw_phantom(modality, seed=image_seed, **how)
        write_image(out / "images" / f"{name}.png", pixels)
        write_mask(out / "masks" / f"{name}.png", labels, how["classes"])
    splits = _splits(count, default_rng([seed, count]))
    rows = [f"{name},{split}\n" for name, split in zip(ids, splits, strict=True)]
    write_text(out / "splits.csv", "id,split\n" + "".join(rows))
    description = {
        "name": f"{modality} phantoms, seed {seed}, difficulty {how['difficulty']:g}",
        "modality": modality,
        "licence": "CC0-1.0",
        "classes": list(class_names(modality, how["classes"])),
        "channels": _MODALITIES[modality].channels,
    }
    write_text(out / "dataset.yaml", yaml.safe_dump(description, sort_keys=False))


def _make_empty(out: Path) -> None:
    """Make the folder; refuse one that is not empty, so that nobody's data are lost."""
    output_folder(out)
    found = sorted(entry.name for entry in out.iterdir())
    if found:
        raise DataError(
            f"{out}: holds {found[0]}{' and more' if len(found) > 1 else ''} already; "
            "give a new or an empty folder"
        )


def _splits(count: int, rng: Generator) -> list[str]:
    """The split of each image: 70/10/20, and none of them empty from three images on."""
    test = max(round(0.2 * count), int(count > 1))
    val = max(round(0.1 * count), int(count > 2))
    parts = ["test"] * test + ["val"] * val + ["train"] * (count - test - val)
    return [parts[k] for k in rng.permutation(count)]
