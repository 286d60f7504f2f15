"""TIFF files of several pages."""

import struct

import numpy as np
import tifffile

from helpers.dicoms import phantom


def grey_pages(count=3, size=(48, 64)):
    """Ultrasound phantoms (count, H, W) uint8."""
    return np.stack([phantom("ultrasound", size, seed)[..., 0] for seed in range(count)])


def write_stack(path, pages, **options):
    """Write pages (n, H, W), or (n, H, W, 3) as RGB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = "rgb" if pages.ndim == 4 else "minisblack"
    tifffile.imwrite(path, pages, **{"photometric": kind} | options)
    return path


def write_chain(path, count, *, size=(48, 64), entries=2):
    """A TIFF of any number of pages that claim a size and have no pixels."""
    tags = [struct.pack("<HHII", 256 + at, 4, 1, size[1 - at]) for at in (0, 1)]
    tags += [struct.pack("<HHII", 258 + at, 4, 1, 1) for at in range(entries - 2)]
    length = 2 + 12 * entries + 4
    with path.open("wb") as stream:
        stream.write(b"II*\0" + struct.pack("<I", 8))
        for page in range(count):
            after = 0 if page == count - 1 else 8 + (page + 1) * length
            stream.write(struct.pack("<H", entries) + b"".join(tags) + struct.pack("<I", after))
    return path
