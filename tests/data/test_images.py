"""Images and masks in all their forms; what is written comes back."""

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from bmis.data.channels import to_channels
from bmis.data.images import image_size, read_image, read_mask, write_image, write_mask
from bmis.data.palette import palette
from bmis.errors import DataError
from helpers.folders import picture, save

RGB = picture(1)
GREY = picture(2, grey=True)
UPRIGHT = {  # what the EXIF standard wants done to the stored rows and columns
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).T,
    8: np.rot90,
}


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
@pytest.mark.parametrize(("pixels", "channels"), [(GREY, 1), (RGB, 3)])
def test_eight_bits_are_kept(tmp_path, suffix, pixels, channels):
    image = read_image(save(tmp_path / f"a.{suffix}", pixels))
    assert image.pixels.shape == (24, 32, channels)
    assert image.pixels.dtype == np.uint8
    assert image.path == tmp_path / f"a.{suffix}"
    np.testing.assert_array_equal(image.pixels, pixels.reshape(24, 32, channels))


def test_jpeg_is_read_upright_and_nearly_as_it_was(tmp_path):
    image = read_image(save(tmp_path / "a.jpg", RGB, quality=95, subsampling=0))
    assert np.abs(image.pixels.astype(int) - RGB).mean() < 5


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P", "1", "CMYK"])
def test_other_forms_become_grey_or_rgb_as_pillow_sees_them(tmp_path, mode):
    source = Pillow.fromarray(RGB).convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    source.save(path)
    wanted = np.asarray(source.convert("L" if mode in ("LA", "1") else "RGB"))
    np.testing.assert_array_equal(read_image(path).pixels.squeeze(), wanted)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_mask_that_only_its_transparency_shows_is_refused(tmp_path, mode):
    alpha = np.zeros((6, 8), np.uint8)
    alpha[2:4] = 255
    picture = Pillow.new(mode[:-1], (8, 6), "white")
    for shown in (alpha, 0 * alpha):
        picture.putalpha(Pillow.fromarray(shown))
        picture.save(tmp_path / "mask.png")
        with pytest.raises(DataError, match=r"mask lies in the transparency .*`bmis import` reads"):
            read_mask(tmp_path / "mask.png")
    picture.putalpha(255)  # all of the image is foreground
    picture.save(tmp_path / "mask.png")
    assert (read_mask(tmp_path / "mask.png") == 255).all()


def test_alpha_is_dropped_not_blended(tmp_path):
    clear = np.dstack([RGB, np.zeros((24, 32), np.uint8)])
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", clear)).pixels, RGB)


@pytest.mark.parametrize("suffix", ["png", "tif", "npy"])
def test_sixteen_bits_are_stretched_by_the_images_own_percentiles(tmp_path, suffix):
    ramp = np.arange(1000, 5000, dtype=np.uint16).reshape(50, 80)
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, ramp)
    else:
        save(path, ramp)
    pixels = read_image(path).pixels[..., 0]
    low, high = np.percentile(ramp, [0.1, 99.9])
    wanted = np.clip((ramp - low) / (high - low), 0, 1) * 255
    assert np.abs(pixels - wanted).max() <= 0.5
    assert (pixels[0, 0], pixels[-1, -1]) == (0, 255)


def test_a_hot_pixel_does_not_darken_the_rest(tmp_path):
    dim = np.tile(np.arange(100, dtype=np.uint16), (100, 1))
    dim[50, 50] = 65535
    assert read_image(save(tmp_path / "a.png", dim)).pixels[:, 80:].mean() > 200


def test_one_value_throughout_is_read(tmp_path):
    assert not read_image(save(tmp_path / "a.png", np.full((9, 9), 700, np.uint16))).pixels.any()


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_tiff_in_colour_with_many_bits_keeps_its_tones(tmp_path, planar, kind):
    wide = RGB.astype(kind) / 255 * 90  # by the upper eight bits alone this would be black
    stored = wide if planar == "contig" else np.moveaxis(wide, 2, 0)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored.astype(kind), photometric="rgb", planarconfig=planar)
    assert image_size(path) == (24, 32)
    pixels = read_image(path).pixels
    assert pixels.shape == (24, 32, 3)
    assert np.corrcoef(pixels.ravel(), RGB.ravel())[0, 1] > 0.999


@pytest.mark.parametrize(
    ("array", "channels"),
    [(RGB, 3), (GREY, 1), (GREY[..., None], 1), (np.dstack([RGB, GREY]), 4), (GREY > 99, 1)],
)
def test_npy_arrays(tmp_path, array, channels):
    path = tmp_path / "a.npy"
    np.save(path, array)
    assert image_size(path) == (24, 32)
    pixels = read_image(path).pixels
    wanted = array.astype(np.uint8) * 255 if array.dtype == bool else array
    np.testing.assert_array_equal(pixels, wanted.reshape(24, 32, channels))


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_to_images_and_masks(tmp_path, suffix, orientation):
    exif = Pillow.Exif()
    exif[0x112] = orientation
    path = tmp_path / f"a.{suffix}"
    exif = exif if suffix == "tif" else exif.tobytes()
    save(path, GREY, exif=exif, **({"quality": 100} if suffix == "jpg" else {}))
    wanted = UPRIGHT[orientation](GREY)
    off = 1 if suffix == "jpg" else 0
    np.testing.assert_allclose(read_image(path).pixels[..., 0].astype(int), wanted, atol=off)
    np.testing.assert_allclose(read_mask(path).astype(int), wanted, atol=off)
    assert image_size(path) == wanted.shape


def test_channels_on_demand(tmp_path):
    grey, rgb = save(tmp_path / "g.png", GREY), save(tmp_path / "c.png", RGB)
    assert (read_image(grey, channels=3).pixels == GREY[..., None]).all()
    luma = RGB @ np.array([0.299, 0.587, 0.114])
    assert np.abs(read_image(rgb, channels=1).pixels[..., 0] - luma).max() <= 1
    equal = np.repeat(GREY[..., None], 3, axis=2)
    np.testing.assert_array_equal(to_channels(equal, 1)[..., 0], GREY)


@pytest.mark.parametrize(
    "raw",
    [
        GREY // 64,
        (GREY > 99).astype(np.uint8) * np.uint8(255),
        GREY.astype(np.uint16) * 9,
        np.repeat(GREY[..., None], 3, axis=2),
    ],
)
def test_masks_keep_their_values(tmp_path, raw):
    mask = read_mask(save(tmp_path / "m.png", raw))
    np.testing.assert_array_equal(mask, raw if raw.ndim == 2 else GREY)
    assert mask.dtype == raw.dtype


def test_a_palette_mask_gives_its_indices(tmp_path):
    image = Pillow.fromarray(GREY // 64)
    image.putpalette([9, 9, 9, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), GREY // 64)


def test_a_black_and_white_palette_means_black_and_white_in_any_order(tmp_path):
    image = Pillow.fromarray((GREY > 99).astype(np.uint8))
    image.putpalette([255, 255, 255, 0, 0, 0])
    image.save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), np.where(GREY > 99, 0, 255))


@pytest.mark.parametrize("kind", [bool, np.int64, np.float32])
def test_npy_masks_of_whole_numbers(tmp_path, kind):
    np.save(tmp_path / "m.npy", (GREY > 99).astype(kind))
    mask = read_mask(tmp_path / "m.npy")
    np.testing.assert_array_equal(mask, GREY > 99)
    assert mask.dtype == np.uint8


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (RGB, "a mask in colours; save class numbers"),
        (GREY / 255, "fractions from 0.* to .*; threshold it"),
        (-GREY.astype(int), "mask values from -.* save class numbers"),
        (GREY.astype(int) * 1000, "save class numbers"),
    ],
)
def test_arrays_that_are_no_masks_are_refused(tmp_path, array, message):
    np.save(tmp_path / "m.npy", array)
    with pytest.raises(DataError, match=message):
        read_mask(tmp_path / "m.npy")


@pytest.mark.parametrize("num_classes", [2, 3, 64])
def test_a_written_mask_comes_back(tmp_path, num_classes):
    labels = (np.arange(24 * 32) % num_classes).astype(np.uint8).reshape(24, 32)
    write_mask(tmp_path / "m.png", labels, num_classes)
    wanted = labels * np.uint8(255) if num_classes == 2 else labels
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), wanted)
    shown = read_image(tmp_path / "m.png", channels=3).pixels
    if num_classes > 2:
        np.testing.assert_array_equal(shown, palette(num_classes)[labels])
    assert [p.name for p in tmp_path.iterdir()] == ["m.png"]


def test_masks_are_written_as_png_within_their_classes(tmp_path):
    labels = np.full((4, 4), 2, np.uint8)
    with pytest.raises(DataError, match=r"m.jpg: masks are written as PNG; name it m.png"):
        write_mask(tmp_path / "m.jpg", labels, 3)
    with pytest.raises(DataError, match="label 2 does not fit 2 classes"):
        write_mask(tmp_path / "m.png", labels, 2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "npy"])
@pytest.mark.parametrize("pixels", [RGB, GREY, GREY[..., None]])
def test_a_written_image_comes_back(tmp_path, suffix, pixels):
    write_image(tmp_path / f"a.{suffix}", pixels)
    back = read_image(tmp_path / f"a.{suffix}").pixels
    np.testing.assert_array_equal(back, pixels.reshape(24, 32, -1))


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"not a format that is written; use \.png"):
        write_image(tmp_path / "a.gif", RGB)
