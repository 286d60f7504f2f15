"""Small sources as annotation tools leave them: 24 x 32 images with a square of known pixels."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from bmis.data.images import read_mask
from helpers.folders import picture, save

SIZE = (24, 32)
OUTLINE = [4, 5, 13, 5, 13, 14, 4, 14]  # traced: x 4 to 13, y 5 to 14


def square(value: int = 1) -> np.ndarray:
    """The pixels inside OUTLINE."""
    labels = np.zeros(SIZE, np.uint8)
    labels[5:15, 4:14] = value
    return labels


def write(path: Path, text: str | bytes | dict[str, Any]) -> Path:
    """Write text, bytes or JSON, and the folders above."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = json.dumps(text) if isinstance(text, dict) else text
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def images(folder: Path, *names: str) -> None:
    """Images of these names."""
    for seed, name in enumerate(names):
        save(folder / name, picture(seed, SIZE))


def coco(*annotations: dict[str, Any], names: tuple[str, ...] = ("a.png",)) -> dict[str, Any]:
    """A file of COCO; without annotations each image has the square."""
    height, width = SIZE
    listed = [
        {"id": number, "file_name": name, "height": height, "width": width}
        for number, name in enumerate(names, start=1)
    ]
    whole = [annotation(image_id=one["id"]) for one in listed]
    categories = [{"id": 7, "name": "lesion"}, {"id": 9, "name": "hair"}]
    return {"images": listed, "annotations": [*annotations] or whole, "categories": categories}


def annotation(**values: Any) -> dict[str, Any]:
    """An annotation of COCO."""
    return {"id": 1, "image_id": 1, "category_id": 7, "segmentation": [OUTLINE]} | values


def labelme(name: str = "a.png", *shapes: dict[str, Any], **values: Any) -> dict[str, Any]:
    """A file of LabelMe; without shapes it has the square."""
    whole = {"version": "5", "flags": {}, "shapes": [*shapes] or [shape()], "imagePath": name}
    return {**whole, "imageData": None, "imageHeight": SIZE[0], "imageWidth": SIZE[1]} | values


def shape(kind: str = "polygon", points: Any = None, **values: Any) -> dict[str, Any]:
    """A shape of LabelMe."""
    corners = [[4, 5], [13, 5], [13, 14], [4, 14]] if points is None else points
    return {"label": "lesion", "points": corners, "shape_type": kind, "group_id": None} | values


def mask(out: Path, name: str = "a") -> np.ndarray:
    """A written mask as it is stored."""
    return read_mask(out / "masks" / f"{name}.png")
