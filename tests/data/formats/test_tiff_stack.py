"""Stacks of TIFF: pages, millimetres, and what is refused before anything is decoded."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from bmis.data.formats import tiff_pages
from bmis.data.formats.raster import decode, read_header
from bmis.data.formats.tiff_pages import has_several_pages, read_pages
from bmis.data.formats.tiff_stack import is_tiff_stack, read_tiff_stack, write_tiff_stack
from bmis.data.images import read_image, read_mask
from bmis.errors import DataError
from bmis.system.reading import inside
from helpers.tiffs import grey_pages, write_chain, write_stack

OME = (
    '<?xml version="1.0"?><OME><Image><Pixels SizeC="{c}" PhysicalSizeX="0.5" '
    'PhysicalSizeXUnit="{unit}" PhysicalSizeY="250" PhysicalSizeYUnit="nm" PhysicalSizeZ="2"/>'
    "</Image></OME>"
)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"compression": "zlib"},
        {"tile": (16, 16)},
        {"bigtiff": True, "byteorder": ">", "compression": "zlib"},
    ],
)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_every_page_is_what_was_written(tmp_path, options, kind):
    pages = grey_pages(4).astype(kind) * kind(3)
    path = write_stack(tmp_path / "a.tif", pages, **options)
    stack = read_tiff_stack(path)
    assert (stack.pages, stack.size, stack.notes) == (4, (48, 64), ())
    for index in (3, 0, 2):
        np.testing.assert_array_equal(decode(stack.page(index)).array, pages[index])
        single = write_stack(tmp_path / "b.tif", pages[index], **options)
        np.testing.assert_array_equal(
            read_image(stack.page(index)).pixels, read_image(single).pixels
        )


@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg", "group4", "packbits", "raw"])
def test_pages_that_libtiff_decodes(tmp_path, compression):
    pages = [Image.fromarray(page) for page in grey_pages(3)]
    if compression == "group4":
        pages = [page.point(lambda value: 255 * (value > 99)).convert("1") for page in pages]
    first, *others = pages
    first.save(tmp_path / "a.tif", save_all=True, append_images=others, compression=compression)
    found = [decode(inside(tmp_path / "a.tif", number)).array for number in (1, 2, 3)]
    assert not np.array_equal(found[0], found[1])
    for page, array in zip(pages, found, strict=True):
        assert np.abs(np.asarray(page).astype(int) - array).mean() < 10


def test_pages_in_colour_of_sixteen_bits(tmp_path):
    pages = np.stack([grey_pages(3)] * 3, axis=3).astype(np.uint16) * 256 + 7
    path = write_stack(tmp_path / "a.tif", pages)
    assert read_header(inside(path, 3)).channels == 3
    np.testing.assert_array_equal(decode(inside(path, 3)).array, pages[2])


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("mm", 1), ("micron", 1e-3), ("\\u00B5m", 1e-3), ("cm", 10), ("pixel", None), ("", None)],
)
def test_millimetres_of_imagej(tmp_path, unit, factor):
    path = write_stack(
        tmp_path / "a.tif",
        grey_pages(3),
        imagej=True,
        resolution=(4, 2),
        metadata={"unit": unit, "spacing": 2.5},
    )
    stack = read_tiff_stack(path)
    if factor is None:
        assert (stack.spacing, stack.step) == (None, None)
    else:
        assert stack.spacing == pytest.approx((0.5 * factor, 0.25 * factor))
        assert stack.step == pytest.approx(2.5 * factor)


def test_millimetres_of_ome_and_channels_that_are_pictures(tmp_path):
    pages = grey_pages(2)
    for name, channels, unit in (("a", 1, "µm"), ("b", 2, "mm"), ("c", 1, "parsec")):
        with tifffile.TiffWriter(tmp_path / f"{name}.tif") as file:
            for page in pages:
                text = OME.format(c=channels, unit=unit)
                file.write(page, description=text.encode(), metadata=None, contiguous=False)
    stack = read_tiff_stack(tmp_path / "a.tif")
    assert stack.spacing == pytest.approx((250e-6, 5e-4))
    assert stack.step == pytest.approx(2e-3)
    assert stack.notes == ()
    assert read_tiff_stack(tmp_path / "b.tif").spacing == pytest.approx((250e-6, 0.5))
    assert "also those of 2 channels" in read_tiff_stack(tmp_path / "b.tif").notes[0]
    assert read_tiff_stack(tmp_path / "c.tif").spacing is None


def test_tags_of_resolution_without_imagej_say_nothing(tmp_path):
    path = write_stack(tmp_path / "a.tif", grey_pages(2), resolution=(72, 72), resolutionunit=2)
    assert read_tiff_stack(path).spacing is None


def test_a_hundred_thousand_pages_are_refused_unread(tmp_path, monkeypatch):
    path = write_chain(tmp_path / "a.tif", 100_000)
    seen = []
    real = tiff_pages._size
    monkeypatch.setattr(tiff_pages, "_size", lambda *args: seen.append(1) or real(*args))
    with pytest.raises(DataError, match="has more than 10000 pages; save parts of it"):
        read_tiff_stack(path)
    assert len(seen) == tiff_pages.MAX_PAGES
    seen.clear()
    assert has_several_pages(path)
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((60_000, 60_000), "60000 x 60000 pixels are more than the limit of 268"),
        ((9_000, 9_000), "500 pictures of 9000 x 9000 pixels; .*34 thousand million"),
    ],
)
def test_claims_of_huge_sizes_are_refused_by_the_tags(tmp_path, size, message):
    path = write_chain(tmp_path / "a.tif", 500, size=size, entries=4)
    with pytest.raises(DataError, match=message):
        read_tiff_stack(path)


def test_pages_of_several_sizes_are_refused_with_the_page(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for size in ((48, 64), (48, 64), (48, 63)):
            file.write(np.zeros(size, np.uint8), photometric="minisblack", contiguous=False)
    with pytest.raises(DataError, match="page 1 is of 48 x 64 pixels, page 3 of 48 x 63; "):
        read_tiff_stack(tmp_path / "a.tif")


def test_damaged_chains_of_pages_end(tmp_path):
    whole = write_chain(tmp_path / "a.tif", 3).read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[:-20])
    with pytest.raises(DataError, match="truncated or damaged"):
        read_pages(tmp_path / "cut.tif")
    loop = bytearray(whole)
    struct.pack_into("<I", loop, len(loop) - 4, 8)  # behind the last page comes the first
    (tmp_path / "loop.tif").write_bytes(loop)
    assert len(read_pages(tmp_path / "loop.tif")) == 3
    wide = bytearray(whole)
    struct.pack_into("<H", wide, 8, 65535)  # tags beyond the end of the file
    (tmp_path / "wide.tif").write_bytes(wide)
    assert not is_tiff_stack(tmp_path / "wide.tif")
    odd = bytearray(whole)
    struct.pack_into("<H", odd, 8 + 2 + 2, 16)  # a width of eight bytes, for which there is no room
    (tmp_path / "odd.tif").write_bytes(odd)
    assert read_pages(tmp_path / "odd.tif")[0].size == (48, 0)
    for name in ("none.tif", "empty.tif"):
        (tmp_path / name).write_bytes(b"" if name == "empty.tif" else b"hello")
        assert read_pages(tmp_path / name) == ()


def test_a_page_that_is_not_there_is_refused(tmp_path):
    path = write_stack(tmp_path / "a.tif", grey_pages(2))
    for number in (0, 3):
        with pytest.raises(DataError, match=f"a.tif#{number}: lists 2 pages"):
            decode(inside(path, number))


@pytest.mark.parametrize("pages", [2, 3, 5])
def test_pages_may_be_channels(tmp_path, pages):
    path = write_stack(tmp_path / "a.tif", grey_pages(pages))
    assert is_tiff_stack(path)
    assert is_tiff_stack(path, 1)
    assert is_tiff_stack(path, pages) == (pages == 3)


def test_written_stacks_are_masks_with_their_values(tmp_path):
    labels = np.arange(3, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(5, 2)
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)
    for name, options in (("a.tif", {}), ("b.tif", {"colours": colours})):
        write_tiff_stack(tmp_path / name, labels, spacing=(0.5, 0.25), **options)
        stack = read_tiff_stack(tmp_path / name)
        for index in range(3):
            np.testing.assert_array_equal(read_mask(stack.page(index)), labels[index])
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].tags.valueof("XResolution") == (40, 1)
        assert file.pages[0].tags.valueof("YResolution") == (20, 1)
        np.testing.assert_array_equal(file.pages[0].colormap[:, :3].T >> 8, colours)
