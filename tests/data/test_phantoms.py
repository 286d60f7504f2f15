"""Phantoms: exact masks, the same bytes for the same arguments, and measurable difficulty."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bmis.data.cases import load_case
from bmis.data.folder import open_dataset
from bmis.data.phantoms import write as phantoms
from bmis.data.phantoms.blob import Blob
from bmis.data.phantoms.canvas import Canvas, Stroke
from bmis.data.phantoms.write import MODALITIES, class_names, draw_phantom, write_phantoms
from bmis.errors import ConfigError, DataError

KINDS = [(modality, 2) for modality in MODALITIES] + [("fundus", 3), ("xray", 3)]
# least and greatest share of each foreground class in any image
SHARES = {
    ("dermoscopy", 2): (0.02, 0.7),
    ("ultrasound", 2): (0.01, 0.25),
    ("endoscopy", 2): (0.01, 0.45),
    ("fundus", 2): (0.04, 0.25),
    ("fundus", 3): (0.001, 0.05),
    ("xray", 2): (0.12, 0.45),
    ("xray", 3): (0.04, 0.45),
}


def shrink(picture: NDArray[np.generic], times: int) -> NDArray[np.float64]:
    """Mean of blocks of ``times`` x ``times`` pixels."""
    height, width = (side // times for side in picture.shape[:2])
    blocks = picture.reshape(height, times, width, times, -1)
    return blocks.astype(np.float64).mean(axis=(1, 3))


def ring_around(inside: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    grown = inside.copy()
    for _ in range(width):
        padded = np.pad(grown, 1)
        grown = padded[1:-1, 1:-1] | padded[:-2, 1:-1] | padded[2:, 1:-1]
        grown |= padded[1:-1, :-2] | padded[1:-1, 2:]
    return grown & ~inside


def contrast(modality: str, seed: int, difficulty: float, classes: int) -> tuple[float, float]:
    """How far the colours of foreground and the ring about it lie apart: plain, and in spreads."""
    pixels, labels = draw_phantom(
        modality, size=(128, 128), seed=seed, difficulty=difficulty, classes=classes
    )
    ring = ring_around(labels > 0, 4)
    inner, outer = (pixels[where].astype(np.float64) for where in (labels > 0, ring))
    spread = np.sqrt((inner.var(axis=0) + outer.var(axis=0)).mean() / 2)
    gap = float(np.linalg.norm(inner.mean(axis=0) - outer.mean(axis=0)))
    return gap, gap / float(spread)


def steepness(pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    """How fast the colours change where the mask ends."""
    slopes = np.gradient(pixels.astype(np.float64), axis=(0, 1))
    return float(np.hypot(*slopes)[ring_around(mask, 1)].mean())


@pytest.mark.parametrize(("modality", "classes"), KINDS)
def test_shapes_types_and_channels(modality, classes):
    pixels, labels = draw_phantom(modality, size=(70, 45), seed=3, classes=classes)
    channels = 1 if modality in ("ultrasound", "xray") else 3
    assert (pixels.shape, pixels.dtype) == ((70, 45, channels), np.uint8)
    assert (labels.shape, labels.dtype) == ((70, 45), np.uint8)
    assert pixels.std() > 10


@pytest.mark.parametrize("size", [(32, 32), (32, 90), (150, 64)])
@pytest.mark.parametrize(("modality", "classes"), KINDS)
def test_every_class_is_there_at_any_size(modality, classes, size):
    for seed in range(3):
        _, labels = draw_phantom(modality, size=size, seed=seed, classes=classes)
        assert set(np.unique(labels)) == set(range(classes))


@pytest.mark.parametrize(("modality", "classes"), KINDS)
def test_foreground_has_a_plausible_share(modality, classes):
    least, most = SHARES[modality, classes]
    for seed in range(12):
        _, labels = draw_phantom(modality, size=(96, 96), seed=seed, classes=classes)
        shares = [(labels == k).mean() for k in range(1, classes)]
        assert least < min(shares) <= max(shares) < most


@pytest.mark.parametrize(("modality", "classes"), KINDS)
def test_the_same_call_gives_the_same_bytes_and_another_seed_does_not(modality, classes):
    one, again, other = (
        draw_phantom(modality, size=(48, 64), seed=seed, classes=classes) for seed in (5, 5, 6)
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one[0], other[0])
    assert not np.array_equal(one[1], other[1])


@pytest.mark.parametrize(("modality", "classes"), KINDS)
def test_the_same_seed_is_the_same_scene_at_another_size(modality, classes):
    large, fine = draw_phantom(modality, size=(192, 192), seed=2, difficulty=0, classes=classes)
    small, coarse = draw_phantom(modality, size=(96, 96), seed=2, difficulty=0, classes=classes)
    assert np.abs(shrink(large, 2) - small).mean() < 6
    if (modality, classes) != ("fundus", 2):  # vessels of a pixel are wider on a coarse grid
        assert (np.round(shrink(fine, 2)[..., 0]) != coarse).mean() < 0.02


@pytest.mark.parametrize(("modality", "classes"), KINDS)
def test_masks_do_not_depend_on_difficulty(modality, classes):
    easy, hard = (
        draw_phantom(modality, size=(64, 64), seed=1, difficulty=difficulty, classes=classes)
        for difficulty in (0.0, 1.0)
    )
    assert np.array_equal(easy[1], hard[1])
    assert not np.array_equal(easy[0], hard[0])


@pytest.mark.parametrize(("modality", "classes"), KINDS)
def test_contrast_falls_with_difficulty(modality, classes):
    easy, middle, hard = (
        np.mean([contrast(modality, seed, difficulty, classes) for seed in range(6)], axis=0)
        for difficulty in (0.0, 0.5, 1.0)
    )
    assert (easy > 1.1 * middle).all()
    assert (middle > 1.1 * hard).all()


@pytest.mark.parametrize(("modality", "classes"), KINDS)
def test_the_mask_ends_where_the_picture_changes(modality, classes):
    """Moved by a few pixels to any side it fits worse: mask and picture share their geometry."""
    moves = [(0, 0), (-4, 0), (4, 0), (0, -4), (0, 4)]
    fits = np.zeros(len(moves))
    for seed in range(4):
        pixels, labels = draw_phantom(
            modality, size=(128, 128), seed=seed, difficulty=0, classes=classes
        )
        for k, move in enumerate(moves):
            fits[k] += steepness(pixels, np.roll(labels, move, (0, 1)) == classes - 1)
    assert fits[0] > 1.1 * fits[1:].max()


def test_the_heart_takes_its_part_of_the_lungs():
    _, two = draw_phantom("xray", size=(256, 256), seed=4, classes=2)
    _, three = draw_phantom("xray", size=(256, 256), seed=4, classes=3)
    assert ((three == 1) <= (two == 1)).all()
    assert ((two == 1) & (three != 1)).mean() < 0.01
    height, width = (np.flatnonzero((three == 2).any(axis)).mean() for axis in (1, 0))
    assert 110 < height < 180
    assert 115 < width < 165


def test_the_cup_lies_in_the_disc():
    _, labels = draw_phantom("fundus", seed=4, classes=3)
    assert not (ring_around(labels == 2, 1) & (labels == 0)).any()


def test_class_names():
    assert class_names("dermoscopy") == ("background", "lesion")
    assert class_names("fundus", 3) == ("background", "disc", "cup")
    assert class_names("xray", 3) == ("background", "lung", "heart")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modality": "x-ray"}, r"unknown modality 'x-ray' \(did you mean 'xray'\?\); available"),
        ({"size": (31, 64)}, r"size must be .* from 32 to 8192 pixels, got \(31, 64\)"),
        ({"size": (64, 9000)}, "size must be"),
        ({"size": (64,)}, "size must be"),
        ({"difficulty": 1.1}, r"difficulty must be from 0 to 1, got 1\.1"),
        ({"difficulty": float("nan")}, "difficulty must be"),
        ({"classes": 3}, "dermoscopy phantoms have 2 classes, got 3; 3 classes: fundus, xray"),
        ({"seed": -1}, "seed must be 0 or above, got -1"),
        ({"count": 0}, "count must be 1 or above, got 0"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(tmp_path, change, message):
    arguments = {"modality": "dermoscopy", "count": 2, **change}
    with pytest.raises(ConfigError, match=message):
        write_phantoms(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("modality", "classes"), KINDS)
def test_a_written_folder_reads_back_as_drawn(tmp_path, modality, classes):
    out = write_phantoms(
        tmp_path / "data", modality=modality, count=10, size=(40, 48), classes=classes
    )
    assert sorted(path.name for path in out.iterdir()) == [
        "dataset.yaml", "images", "masks", "splits.csv",
    ]  # fmt: skip
    dataset = open_dataset(out)
    assert dataset.classes == class_names(modality, classes)
    assert (dataset.modality, dataset.licence) == (modality, "CC0-1.0")
    assert [len(dataset.split(name)) for name in ("train", "val", "test")] == [7, 1, 2]
    assert dataset.cases[0].id == f"{modality}_0001"
    image, labels = load_case(dataset.cases[0], dataset)
    assert image.pixels.shape == (40, 48, dataset.channels)
    assert set(np.unique(labels)) == set(range(classes))


def test_two_data_sets_share_no_image(tmp_path):
    one, other = (
        write_phantoms(tmp_path / str(seed), modality="xray", count=4, size=(32, 32), seed=seed)
        for seed in (0, 1)
    )
    images = [path.read_bytes() for out in (one, other) for path in (out / "images").iterdir()]
    assert len(set(images)) == 8


@pytest.mark.parametrize(("count", "parts"), [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1))])
def test_small_sets_have_as_many_splits_as_they_can(tmp_path, count, parts):
    out = write_phantoms(str(tmp_path / "data"), modality="xray", count=count, size=(32, 32))
    rows = (out / "splits.csv").read_text(encoding="utf-8").split("\n")[1:-1]
    found = [row.split(",")[1] for row in rows]
    assert tuple(map(found.count, ("train", "val", "test"))) == parts


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match=r"holds notes\.txt already; give a new or an empty folder"):
        write_phantoms(tmp_path, modality="xray", count=1)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_interrupt_leaves_an_empty_folder(tmp_path, monkeypatch):
    calls = []

    def interrupted(path: Path, *_: object) -> None:
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(phantoms, "write_mask", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_phantoms(tmp_path / "data", modality="xray", count=5, size=(32, 32))
    assert len(calls) == 3
    assert list((tmp_path / "data").iterdir()) == []


def test_a_stroke_covers_as_much_as_it_should():
    line = Stroke(np.array([(0.0, -0.4), (0.0, 0.4)]), np.array([0.1, 0.1]))
    cover = Canvas(100, 100).strokes([line])
    wanted = 0.8 * 0.1 + np.pi * 0.05**2  # the line and its two round ends
    assert cover.mean() == pytest.approx(wanted, rel=0.05)
    assert cover[50, 50] == 1
    assert cover[50, 2] == cover[40, 50] == 0


def test_level_and_outline_of_a_blob_agree():
    blob = Blob.random(
        np.random.default_rng(0), (0.05, -0.1), 0.25, rough=0.15, stretch=1.5, angle=0.6
    )
    canvas = Canvas(120, 160)
    assert ((blob.level(canvas) > 0) != (canvas.polygons([blob.outline()]) > 0.5)).mean() < 0.002


@pytest.mark.parametrize("sigma", [2.0, 20.0])
def test_blur_spreads_a_point_as_a_gaussian(sigma):
    canvas = Canvas(161, 161)
    point = np.zeros((161, 161), np.float32)
    point[80, 80] = 1
    soft = canvas.blur(point, sigma / 161)
    offsets = np.arange(161) - 80
    assert soft.sum() == pytest.approx(1, abs=0.02)
    assert np.sqrt((soft.sum(axis=0) * offsets**2).sum()) == pytest.approx(sigma, rel=0.08)


def test_a_wider_frame_keeps_the_texture_in_the_middle():
    square, wide = (Canvas(64, width).noise(np.random.default_rng(0), 8) for width in (64, 150))
    middle = slice(20, 44)  # nearer the edge the narrow frame has no neighbours to blend with
    assert np.allclose(wide[:, 43:-43][:, middle], square[:, middle], atol=0.02)
