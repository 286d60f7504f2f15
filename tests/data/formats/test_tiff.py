"""TIFF of odd kinds: read right, or refused in one line; libraries say nothing by themselves."""

import io
import re
import struct
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from bmis.data.formats.raster import count_pages, decode
from bmis.data.images import image_size, read_image, read_mask
from bmis.errors import DataError
from bmis.system.reading import inside

READERS = [image_size, read_image, read_mask]
DEEP = np.random.default_rng(0).integers(0, 65536, (20, 24, 3), np.uint16)


def tiff(tags, data=b"\0" * 64):
    """A little-endian TIFF of one page with these tags: (number, type, count, value)."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + b"\0" * 4 + data


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "tags",
    [
        [(262, 3, 1, 1)],  # neither width nor height
        [(256, 3, 1, 8), (262, 3, 1, 1)],
        [(256, 2, 1, 8), (257, 2, 1, 8), (258, 2, 1, 8), (277, 2, 1, 3), (262, 3, 1, 2)],
        [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (277, 3, 1, 9999), (262, 3, 1, 2)],
    ],
)
def test_missing_and_odd_tags_are_refused_in_one_line(tmp_path, read, tags, capfd):
    (tmp_path / "a.tif").write_bytes(tiff(tags))
    with pytest.raises(DataError, match=r"a\.tif: ") as caught:
        read(tmp_path / "a.tif")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("tag", [256, 257, 277])
def test_a_second_page_without_dimensions_is_refused_in_one_line(tmp_path, read, tag, capfd):
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, np.zeros((2, 20, 24), np.uint8), photometric="minisblack")
    data = bytearray(file.read_bytes())
    at = data.rindex(struct.pack("<HHI", tag, 3 if tag == 277 else 4, 1))
    data[at : at + 2] = struct.pack("<H", 65000)
    if tag == 277:
        data[at : at + 2], data[at + 8] = struct.pack("<H", tag), 0
    file.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.tif: ") as caught:
        read(file)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("colours", [8, 5])
def test_deep_colours_that_are_not_rgb_are_refused(tmp_path, read, colours):
    """Before, L, a and b of CIELAB were taken for red, green and blue."""
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, DEEP, photometric="rgb")
    data = bytearray(file.read_bytes())
    at = data.index(struct.pack("<HHI", 262, 3, 1))
    data[at + 8] = colours
    file.write_bytes(data)
    with pytest.raises(DataError, match=r"(CIELAB|SEPARATED) are not read; save it as RGB or grey"):
        read(file)


def lzw(path, array):
    """Write 16-bit RGB with LZW compression; Pillow would read its upper eight bits only."""
    tifffile.imwrite(path, array, photometric="rgb", compression="lzw", predictor=True)
    return path


def test_deep_colours_with_lzw_are_read(tmp_path):
    tifffile.imwrite(tmp_path / "plain.tif", DEEP, photometric="rgb")
    found = read_image(lzw(tmp_path / "a.tif", DEEP)).pixels
    np.testing.assert_array_equal(found, read_image(tmp_path / "plain.tif").pixels)


def test_compression_that_needs_another_package_is_named(tmp_path):
    code = """
import sys
sys.modules["imagecodecs"] = None
import bmis
try:
    bmis.read_image(sys.argv[1])
except bmis.BmisError as error:
    print(error)
"""
    command = [sys.executable, "-c", code, str(lzw(tmp_path / "a.tif", DEEP))]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.search(r'a.tif: LZW compression .* pip install "bmis\[tiff\]"', run.stdout)
    assert run.stdout.count("\n") == 1


@pytest.mark.parametrize("read", READERS)
def test_channels_and_bits_count_in_the_limit(tmp_path, read):
    tags = [
        *((256, 4, 1, 16000), (257, 4, 1, 16000), (258, 3, 1, 64), (259, 3, 1, 1)),
        *((262, 3, 1, 1), (273, 4, 1, 200), (277, 3, 1, 1), (279, 4, 1, 64), (339, 3, 1, 3)),
    ]
    (tmp_path / "a.tif").write_bytes(tiff(tags))
    with pytest.raises(DataError, match="16000 x 16000 pixels of 8 bytes are more than 1 GiB"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_libtiff_does_not_speak(tmp_path, compression, capfd):
    stream = io.BytesIO()
    Pillow.fromarray((DEEP >> 8).astype(np.uint8)).save(stream, "TIFF", compression=compression)
    data = bytearray(stream.getvalue())
    data[8:60] = b"\xa5" * 52  # pixels come first
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(DataError, match="truncated or damaged"):
        read_image(tmp_path / "a.tif")
    assert capfd.readouterr() == ("", "")


def test_a_stack_of_imagej_that_lists_one_page_of_many_is_refused(tmp_path):
    """ImageJ writes stacks of more than 4 GiB so; Pillow sees the first picture alone."""
    note = "ImageJ=1.54f\nimages=30\nslices=30\n"
    tifffile.imwrite(tmp_path / "a.tif", DEEP[..., 0], description=note, metadata=None)
    with pytest.raises(DataError, match="has 30 pages by what ImageJ notes, and lists 1;"):
        read_image(tmp_path / "a.tif")


def test_pages_are_read_one_by_one_and_each_has_the_limits_of_an_image(tmp_path):
    path = tmp_path / "a.tif"
    for kind, photometric in ((np.uint16, "rgb"), (np.uint8, "minisblack")):
        pages = np.stack([DEEP, DEEP[::-1]]).astype(kind)
        pages = pages if photometric == "rgb" else pages[..., 0]
        tifffile.imwrite(path, pages, photometric=photometric)
        assert count_pages(path) == 2
        for number in range(2):
            np.testing.assert_array_equal(decode(inside(path, number + 1)).array, pages[number])
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        for name in ("ImageWidth", "ImageLength"):
            tag = file.pages[1].tags[name]
            struct.pack_into("<I" if tag.dtype == 4 else "<H", content, tag.valueoffset, 60000)
    path.write_bytes(content)
    assert decode(inside(path, 1)).array.shape == DEEP.shape[:2]
    with pytest.raises(DataError, match="60000 x 60000 pixels are more than the limit of 268"):
        decode(inside(path, 2))
