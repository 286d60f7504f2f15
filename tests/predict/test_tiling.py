"""Windows cover every pixel, and merging them gives back their scores."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from bmis.errors import ConfigError
from bmis.predict.tiling import starts, taper, tiled


def as_scores(windows):
    """The pixels themselves as scores, and their negative as a second class."""
    planes = windows.transpose(0, 3, 1, 2).astype(np.float32)
    return np.concatenate([planes, -planes], axis=1)


def merged(pixels, window, infer=as_scores, **options):
    strips = list(tiled(pixels, window, infer, **options))
    tops = [top for top, _ in strips]
    assert tops == [0, *np.cumsum([scores.shape[1] for _, scores in strips])[:-1]]
    return np.concatenate([scores for _, scores in strips], axis=1)


@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 16, 17, 61, 64, 65])
@pytest.mark.parametrize("overlap", [0, 0.25, 0.5, 0.9])
def test_windows_cover_the_axis_and_overlap_enough(length, overlap):
    first = starts(length, 8, overlap)
    assert first[0] == 0
    if length <= 8:
        assert first == [0]
        return
    assert first[-1] == length - 8
    steps = [b - a for a, b in pairwise(first)]
    assert 1 <= min(steps) <= max(steps) <= max(1, 8 * (1 - overlap) + 1e-9)


def test_no_more_windows_than_needed():
    assert starts(16, 8, 0) == [0, 8]
    assert starts(17, 8, 0) == [0, 4, 9]
    assert starts(16, 8, 0.5) == [0, 4, 8]


@pytest.mark.parametrize("overlap", [0, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("length", [32, 40, 64, 72, 1000])
def test_windows_begin_at_multiples_of_the_stride(length, overlap):
    first = starts(length, 32, overlap, stride=8)
    assert [begin % 8 for begin in first] == [0] * len(first)
    assert first[0] == 0
    assert first[-1] == length - 32
    assert all(0 < b - a <= max(8, 32 * (1 - overlap)) for a, b in pairwise(first))


@pytest.mark.parametrize(("length", "window"), [(41, 32), (40, 33)])
def test_sides_that_are_no_multiple_of_the_stride_are_refused(length, window):
    with pytest.raises(ConfigError, match=f"windows of {window} along {length} pixels are no mul"):
        starts(length, window, stride=8)


@pytest.mark.parametrize(("length", "window", "overlap"), [(0, 8, 0), (8, 0, 0), (8, 8, 1)])
def test_impossible_windows_are_refused(length, window, overlap):
    with pytest.raises(ConfigError, match=r"at least 1 and an overlap from 0 to 0\.9"):
        starts(length, window, overlap)


def test_weights_are_smooth_symmetric_and_nowhere_zero():
    weights = taper((6, 8))
    assert weights.shape == (6, 8)
    assert weights.min() > 0
    np.testing.assert_array_equal(weights, weights[::-1, ::-1])
    # by hand: squared sines of 15, 45 and 75 degrees; half a window on, they fill up to 1
    np.testing.assert_allclose(weights[:3, 3] / weights[2, 3], [0.0717968, 0.535898, 1], rtol=1e-5)
    np.testing.assert_allclose(weights[:3] + weights[3:], np.tile(weights[:3].sum(0) / 1.5, (3, 1)))


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 1), (8, 8), (9, 8), (23, 41), (64, 17)])
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_scores_that_are_the_pixels_give_the_image_back(size, batch):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 1), np.uint8)
    window = (min(8, size[0]), min(12, size[1]))
    scores = merged(pixels, window, batch=batch)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores[0], pixels[..., 0], rtol=1e-5)
    np.testing.assert_allclose(scores[1], -scores[0])


def test_batches_hold_what_was_asked_for():
    seen = []

    def infer(windows):
        seen.append(len(windows))
        return as_scores(windows)

    merged(np.zeros((8, 36, 1), np.uint8), (8, 8), infer, batch=3, overlap=0.5)
    assert seen == [3, 3, 2]  # 8 windows in the one row


def test_both_axes_keep_to_the_stride():
    """Means over blocks of 4 x 4 pixels are those of the whole image."""
    pixels = np.random.default_rng(0).integers(0, 256, (36, 44, 1), np.uint8)

    def block_means(windows):
        count, height, width, _ = windows.shape
        means = windows.reshape(count, height // 4, 4, width // 4, 4).mean((2, 4))
        return means.repeat(4, 1).repeat(4, 2)[:, None].astype(np.float32)

    scores = merged(pixels, (16, 20), block_means, stride=4)
    np.testing.assert_allclose(scores, block_means(pixels[None])[0], rtol=1e-5)


def test_windows_that_disagree_leave_no_seam():
    """Each window has a score of its own; the merge must pass smoothly between them."""
    counter = iter(range(100))

    def infer(windows):
        return np.full((1, 1, *windows.shape[1:3]), next(counter) % 2, np.float32)

    scores = merged(np.zeros((32, 96, 1), np.uint8), (32, 32), infer)[0]
    assert scores.min() < 0.01
    assert scores.max() > 0.99
    assert np.abs(np.diff(scores, axis=1)).max() < 0.11  # squared sine over 32: slope pi / 32


def test_an_image_smaller_than_the_window_is_refused():
    with pytest.raises(ConfigError, match="windows of 8x8 do not fit an image of 9x7; pad it"):
        list(tiled(np.zeros((9, 7, 1), np.uint8), (8, 8), as_scores))


def test_memory_does_not_grow_with_the_height():
    def peak(height):
        pixels = np.zeros((height, 64, 1), np.uint8)
        tracemalloc.start()
        for _, scores in tiled(pixels, (32, 32), as_scores):
            del scores
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(3200) < 1.2 * peak(320) < 200_000  # all scores together: 3200 * 64 * 8 bytes
