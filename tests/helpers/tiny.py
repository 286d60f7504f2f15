"""Data sets on which a network trains in a second."""

import csv

import numpy as np
from PIL import Image

from bmis.config import TrainConfig

SPLITS = ("train", "train", "train", "train", "val", "test")


def write_dataset(root, *, splits=SPLITS, size=(32, 32), channels=3, classes=2, seed=0):
    """Noise with one bright square an image; with three classes its left half is class 2."""
    random = np.random.default_rng(seed)
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    rows = [("id", "split")]
    for number, split in enumerate(splits):
        pixels = random.integers(0, 120, (*size, channels), dtype=np.uint8)
        labels = np.zeros(size, np.uint8)
        side = min(size) // 2
        top, left = (int(random.integers(0, length - side + 1)) for length in size)
        labels[top : top + side, left : left + side] = 1
        if classes == 3:
            labels[top : top + side, left : left + side // 2] = 2
        pixels[labels > 0] += 60 * labels[labels > 0][:, None]
        Image.fromarray(pixels.squeeze()).save(root / "images" / f"case{number}.png")
        Image.fromarray(labels * (255 if classes == 2 else 1)).save(
            root / "masks" / f"case{number}.png"
        )
        rows.append((f"case{number}", split))
    with (root / "splits.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return root


NETWORK = {"widths": [4, 8, 12], "depths": [1, 1], "dilations": [2]}


def config(data, **values):
    """The smallest network, in float32, for two epochs."""
    base = {"size": (32, 32), "epochs": 2, "batch_size": 2, "precision": "32", "device": "cpu"}
    return TrainConfig(str(data), options=NETWORK, **{**base, **values})
