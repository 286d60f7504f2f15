"""Small data sets on disk, for tests of whatever reads them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, size: tuple[int, int] = (24, 32), *, grey: bool = False) -> np.ndarray:
    """Coarse random blocks, uint8: no two seeds look alike, and even JPEG keeps them."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (*(-(-side // 8) for side in size), 1 if grey else 3), np.uint8)
    blocks = coarse.repeat(8, 0).repeat(8, 1)[: size[0], : size[1]]
    return blocks[..., 0] if grey else blocks


def blob(seed: int, size: tuple[int, int] = (24, 32), value: int = 255) -> np.ndarray:
    """A rectangle of ``value`` on 0, uint8; its place depends on the seed."""
    labels = np.zeros(size, np.uint8)
    labels[2 + seed % 5 : 10 + seed % 7, 3 + seed % 4 : 15 + seed % 9] = value
    return labels


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    """Write an image, and the folders above it where they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def make_folder(root: Path, count: int = 10, *, grey: bool = False, value: int = 255) -> Path:
    """``images/`` and ``masks/`` with cases c00, c01, ..."""
    for index in range(count):
        save(root / "images" / f"c{index:02}.png", picture(index, grey=grey))
        save(root / "masks" / f"c{index:02}.png", blob(index, value=value))
    return root


def make_nnunet(root: Path, labels: dict[str, object] | None = None) -> Path:
    """A raw folder of nnU-Net: ``a`` and ``b`` to train on, ``t`` to test; ``labels`` for JSON."""
    for end, names in (("Tr", ("a", "b")), ("Ts", ("t",))):
        for index, name in enumerate(names):
            save(root / f"images{end}" / f"{name}_0000.png", picture(index, grey=True))
            save(root / f"labels{end}" / f"{name}.png", blob(index, value=1))
    if labels is not None:
        (root / "dataset.json").write_text(json.dumps({"labels": labels}))
    return root


def write_table(path: Path, *lines: str) -> Path:
    """Write a text file of these lines, and the folders above it where they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
