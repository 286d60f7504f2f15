"""Files that end before their image does are refused, whatever decoders make of them."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image as Pillow

from bmis.data.images import read_image, read_mask
from bmis.errors import DataError

SMOOTH = Pillow.fromarray(np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8))
SMOOTH = SMOOTH.resize((120, 90))


def png(pixels, *, rows, bits=8, colour=0, interlaced=0):
    """A PNG with right checksums whose data hold the first rows alone."""
    height, width = pixels.shape
    raw = b"".join(b"\0" + row.tobytes() for row in pixels[:rows])
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    data = b"\x89PNG\r\n\x1a\n"
    for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + name + body
        data += struct.pack(">I", zlib.crc32(name + body))
    return data


@pytest.mark.parametrize("read", [read_image, read_mask])
@pytest.mark.parametrize("rows", [0, 1, 15, 29])
def test_a_png_without_its_last_rows_is_refused(tmp_path, read, rows):
    (tmp_path / "a.png").write_bytes(png(np.full((30, 20), 1, np.uint8), rows=rows))
    with pytest.raises(DataError, match=r"a\.png: truncated or damaged"):
        read(tmp_path / "a.png")


def test_a_png_that_is_black_at_its_edges_is_whole(tmp_path):
    pixels = np.zeros((30, 20), np.uint8)
    pixels[9:12, 9:12] = 255
    (tmp_path / "a.png").write_bytes(png(pixels, rows=30))
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), pixels)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (17, 8), (64, 33)])
def test_whole_png_files_of_all_kinds_pass(tmp_path, mode, size):
    image = Pillow.new(mode, size)  # all zero, so that the data are counted
    image.save(tmp_path / "a.png")
    read_image(tmp_path / "a.png")


def interlaced_png(size, *, lacking=0):
    """All zero and interlaced, which Pillow cannot write; the data lack so many bytes."""
    width, height = size
    lines = [
        (-((top - height) // down), -((left - width) // across))
        for top, left, down, across in [
            *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
            *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
        ]
    ]
    wanted = sum(rows * (columns + 1) for rows, columns in lines if rows > 0 and columns > 0)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    data = b"\x89PNG\r\n\x1a\n"
    body = zlib.compress(bytes(wanted - lacking))
    for name, part in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b"")):
        data += struct.pack(">I", len(part)) + name + part
        data += struct.pack(">I", zlib.crc32(name + part))
    return data


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (8, 8), (33, 70)])
def test_an_interlaced_png_is_whole_or_refused(tmp_path, size):
    (tmp_path / "a.png").write_bytes(interlaced_png(size))
    assert read_image(tmp_path / "a.png").pixels.shape[:2] == size[::-1]
    (tmp_path / "b.png").write_bytes(interlaced_png(size, lacking=1))
    with pytest.raises(DataError, match="truncated or damaged"):
        read_image(tmp_path / "b.png")


def jpeg(image=SMOOTH, **options):
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.98])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_jpeg_that_is_ended_early_is_refused(tmp_path, share, mode):
    data = jpeg(SMOOTH.convert(mode))
    (tmp_path / "a.jpg").write_bytes(data[: int(len(data) * share)] + b"\xff\xd9")
    with pytest.raises(DataError, match=r"a\.jpg: truncated or damaged"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("more", [b"", b"notes of a camera \xff\xd9"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"subsampling": 0, "optimize": True},
        {"restart_marker_rows": 1},
        {"quality": 5},
        {"comment": b"\xff\xda\xff\xd9"},
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (7, 9), (120, 90)])
def test_whole_jpeg_files_keep_every_pixel(tmp_path, options, more, size):
    data = jpeg(SMOOTH.resize(size), **options)
    (tmp_path / "a.jpg").write_bytes(data + more)
    wanted = np.asarray(Pillow.open(io.BytesIO(data)))
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg").pixels, wanted)
