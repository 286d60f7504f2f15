"""Grey or colour."""

import numpy as np

from bmis.data.channels import is_grey
from bmis.data.scan_channels import scan_channels
from helpers.folders import picture, save


def test_equal_channels_and_jpeg_noise_are_grey():
    equal = np.repeat(picture(0, (64, 64), grey=True)[..., None], 3, axis=2)
    noise = np.random.default_rng(0).integers(-8, 9, equal.shape)
    assert is_grey(equal)
    assert is_grey(np.clip(equal + noise, 0, 255).astype(np.uint8))
    assert not is_grey(picture(0, (64, 64)))


def test_coloured_marks_on_a_grey_picture_do_not_count():
    pixels = np.full((100, 100, 3), 90, np.uint8)
    pixels[:10, :10, 0] = 255
    assert is_grey(pixels)
    pixels[:20, :20, 0] = 255
    assert not is_grey(pixels)


def test_one_coloured_image_makes_the_data_set_coloured(tmp_path):
    grey = [save(tmp_path / f"{i}.png", picture(i, grey=True)) for i in range(5)]
    assert scan_channels(grey) == 1
    assert scan_channels([*grey, save(tmp_path / "c.png", picture(9))]) == 3


def arrays(folder, channels):
    files = []
    for number, count in enumerate(channels):
        files.append(folder / f"{number}.npy")
        np.save(files[-1], np.zeros((8, 8, count), np.uint8))
    return files


def test_equal_numbers_of_other_channels_are_those_of_the_data_set(tmp_path):
    assert scan_channels(arrays(tmp_path, [5, 5])) == 5
    assert scan_channels(arrays(tmp_path, [2])) == 2


def test_a_mix_of_channels_is_one_error_with_the_counts(tmp_path):
    errors = []
    assert scan_channels(arrays(tmp_path, [3, 5, 5, 5, 1]), on_error=errors.append) == 5
    (error,) = map(str, errors)
    assert "0.npy: has 3 channels, but" in error
    assert "1.npy has 5 (1 image of 1, 1 of 3, 3 of 5)" in error
