"""Images of two, four and more channels, as samples of a TIFF, in NPY, or as pages."""

import numpy as np
import pytest
import tifffile

from bmis.data.images import image_size, read_image
from bmis.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 255, (24, 32, 5), dtype=np.uint8)
GREY = {"photometric": "minisblack"}


def write(path, pixels, **options):
    tifffile.imwrite(path, pixels, **{**GREY, **options})
    return path


@pytest.mark.parametrize("channels", [2, 4, 5])
@pytest.mark.parametrize("planar", [True, False])
def test_samples_of_a_tiff_are_channels(tmp_path, channels, planar):
    pixels = PIXELS[..., :channels]
    path = tmp_path / "a.tif"
    if planar:
        write(path, np.moveaxis(pixels, 2, 0), planarconfig="separate")
    else:
        write(path, pixels, planarconfig="contig")
    np.testing.assert_array_equal(read_image(path).pixels, pixels)
    assert image_size(path) == (24, 32)


@pytest.mark.parametrize(("kind", "channels"), [("unassalpha", 3), ("unspecified", 4)])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_transparency_of_a_tiff_is_no_channel(tmp_path, kind, channels, depth):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS[..., :4].astype(depth), photometric="rgb", extrasamples=[kind])
    assert read_image(path).pixels.shape == (24, 32, channels)


def test_each_channel_is_stretched_by_itself(tmp_path):
    np.save(tmp_path / "a.npy", PIXELS.astype(np.float32) * [1, 10, 100, 1000, 0.1])
    pixels = read_image(tmp_path / "a.npy").pixels
    assert (pixels.max((0, 1)) == 255).all()
    assert (pixels.mean((0, 1)) > 100).all()


def test_pages_are_channels_where_as_many_are_wanted(tmp_path):
    path = write(tmp_path / "a.tif", np.moveaxis(PIXELS, 2, 0))
    np.testing.assert_array_equal(read_image(path, channels=5).pixels, PIXELS)
    assert image_size(path, channels=5) == (24, 32)
    for other in (None, 1, 3, 4):
        with pytest.raises(DataError, match=r"5 pictures .* write `channels: 5` into dataset.yaml"):
            read_image(path, channels=other)


def test_three_pages_are_never_taken_for_a_photograph(tmp_path):
    path = write(tmp_path / "a.tif", np.moveaxis(PIXELS[..., :3], 2, 0))
    with pytest.raises(DataError, match="holds 3 pictures"):
        read_image(path, channels=3)


def test_pages_in_colour_or_of_several_sizes_are_no_channels(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((4, 24, 32, 3), np.uint8), photometric="rgb")
    with pytest.raises(DataError, match="its 4 pictures are no channels of one image"):
        read_image(path, channels=4)
    with tifffile.TiffWriter(path) as file:
        for side in (24, 25):
            file.write(PIXELS[:side, :24, 0][:24, : side - 1], **GREY)
    with pytest.raises(DataError, match="its 2 pictures are no channels of one image"):
        read_image(path, channels=2)


def test_other_channels_than_wanted_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", PIXELS)
    with pytest.raises(DataError, match=r"a.npy: has 5 channels, and 3 are wanted"):
        read_image(tmp_path / "a.npy", channels=3)


@pytest.mark.parametrize("shape", [(5, 24, 32), (24, 32, 33), (24, 32, 0)])
def test_arrays_with_channels_first_or_too_many_are_refused(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    with pytest.raises(DataError, match=r"save it as \(H, W\) or \(H, W, C\) with 1 to 32"):
        read_image(tmp_path / "a.npy")
