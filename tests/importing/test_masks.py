"""Masks as people have them: any two values, greys, colours, alpha, ids, one file a class."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from bmis import ImportOptions, import_dataset, inspect_dataset
from bmis.errors import DataError
from bmis.importing.pictures import read_stored
from helpers.annotated import SIZE, images, mask, square, write
from helpers.folders import save

RING = square()
RING[8:11, 7:10] = 2  # class 2 lies inside of class 1


def tif(path, array, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, array, metadata=None, **how)


def source(root, *arrays, suffix="png", store=save):
    """``images/`` and ``masks/`` with c0, c1, ..."""
    images(root / "images", *(f"c{index}.png" for index in range(len(arrays))))
    for index, array in enumerate(arrays):
        store(root / "masks" / f"c{index}.{suffix}", array)
    return root


def run(root, **options):
    done = import_dataset(root, root.parent / "out", ImportOptions(**options))
    found = inspect_dataset(done.out)
    assert [p for p in found.problems if "cannot be divided" not in p.message] == []  # too few
    assert found.suggestion is None
    return done


def soft(array):
    small = Image.fromarray(array).resize((27, 20), Image.Resampling.BILINEAR)
    return np.array(small.resize(SIZE[::-1], Image.Resampling.BILINEAR))


@pytest.mark.parametrize("values", [(0, 1), (0, 255), (0, 128), (7, 9), (0, 65535), (1, 2)])
def test_two_values_are_two_classes_and_the_larger_is_foreground(tmp_path, values):
    array = np.where(square(), values[1], values[0]).astype(np.uint16)
    done = run(source(tmp_path / "in", array, suffix="tif", store=tif))
    np.testing.assert_array_equal(mask(done.out, "c0"), square(255))
    told = f"two values, {values[0]} and {values[1]}: the larger is foreground"
    assert done.notes == (() if values[0] == 0 and values[1] in (1, 255) else (told,))


def test_jpeg_masks_are_cut_at_half_and_the_greys_are_counted(tmp_path):
    root = source(tmp_path / "in", square(255), suffix="jpg")
    stored = np.asarray(Image.open(root / "masks" / "c0.jpg"))
    grey = int(((stored != stored.min()) & (stored != stored.max())).sum())
    done = run(root)
    np.testing.assert_array_equal(mask(done.out, "c0"), square(255))
    assert done.cases[0].notes == (f"{grey} grey pixels, cut at 128",)


def test_blurred_masks_are_cut_at_half(tmp_path):
    blurred = soft(square(255))
    done = run(source(tmp_path / "in", blurred))
    np.testing.assert_array_equal(mask(done.out, "c0") > 0, blurred >= 128)
    assert done.notes == ("masks with grey edges or JPEG noise",)


@pytest.mark.parametrize(("threshold", "limit"), [(200, 200), (0.25, 64), (1, 1)])
def test_a_threshold_is_a_value_or_a_share(tmp_path, threshold, limit):
    blurred = soft(square(255))
    done = run(source(tmp_path / "in", blurred), mask_threshold=threshold)
    np.testing.assert_array_equal(mask(done.out, "c0") > 0, blurred >= limit)


def test_probabilities_are_cut_at_half(tmp_path):
    shares = (soft(square(255)) / 255).astype(np.float32)
    root = source(tmp_path / "in", shares, suffix="npy", store=lambda p, a: write(p, b"x"))
    np.save(root / "masks" / "c0.npy", shares)
    np.testing.assert_array_equal(mask(run(root).out, "c0") > 0, shares >= 0.5)


@pytest.mark.parametrize(
    "values", [(0, 127, 255), (0, 128, 255), (1, 2, 3), (0, 85, 170), (3, 90, 200), (0, 2, 4)]
)
def test_values_at_any_distance_are_classes_in_their_order(tmp_path, values):
    done = run(source(tmp_path / "in", np.array(values, np.uint8)[RING]))
    np.testing.assert_array_equal(mask(done.out, "c0"), RING)
    assert done.notes == (f"values {' '.join(map(str, values))} are classes 0 to 2",)


def test_class_numbers_stay_what_they_are(tmp_path):
    done = run(source(tmp_path / "in", RING), classes=["disc", "cup"])
    assert done.classes == ("background", "disc", "cup")
    assert done.notes == ()


def test_class_numbers_that_do_not_occur_are_kept_where_all_are_named(tmp_path):
    done = run(source(tmp_path / "in", square(2)), classes=["a", "b"])
    np.testing.assert_array_equal(mask(done.out, "c0"), square(2))


def test_void_pixels_are_background_and_counted(tmp_path):
    array = RING.copy()
    array[0] = 255
    done = run(source(tmp_path / "in", array))
    assert done.cases[0].notes == ("32 pixels without a class (void): background",)
    np.testing.assert_array_equal(mask(done.out, "c0"), RING)


def ids(count):
    array = np.zeros(SIZE, np.uint16)
    for index in range(count):
        y, x = divmod(index, 5)
        array[y * 6 + 1 : y * 6 + 5, x * 6 + 1 : x * 6 + 5] = index + 1
    return array


def test_ids_of_objects_are_foreground_only_where_asked(tmp_path):
    root = source(tmp_path / "in", ids(9), ids(12), suffix="tif", store=tif)
    with pytest.raises(DataError, match="--instances foreground"):
        run(root)
    done = run(root, instances="foreground")
    np.testing.assert_array_equal(mask(done.out, "c1") > 0, ids(12) > 0)


def test_ids_may_be_classes_after_all(tmp_path):
    root = source(tmp_path / "in", ids(9), ids(12), suffix="tif", store=tif)
    assert len(run(root, instances="classes").classes) == 13


COLOURS = np.array([[0, 0, 0], [250, 50, 83], [51, 221, 255]], np.uint8)


def test_colours_are_classes(tmp_path):
    done = run(source(tmp_path / "in", COLOURS[RING]))
    assert done.classes == ("background", "#33ddff", "#fa3253")
    np.testing.assert_array_equal(mask(done.out, "c0"), np.array([0, 2, 1])[RING])


def test_a_map_of_labels_names_the_colours(tmp_path):
    root = source(tmp_path / "in", COLOURS[RING])
    write(
        root / "labelmap.txt", "# label:color_rgb:parts:actions\nrim:250,50,83::\ncup:51,221,255::"
    )
    done = run(root)
    assert (done.format, done.classes) == ("voc", ("background", "rim", "cup"))
    np.testing.assert_array_equal(mask(done.out, "c0"), RING)


def test_a_colour_that_the_map_lacks_is_named(tmp_path):
    other = COLOURS[RING].copy()
    other[0, 0] = (1, 2, 3)
    root = source(tmp_path / "in", COLOURS[RING], other)
    write(root / "labelmap.txt", "rim:250,50,83::\ncup:51,221,255::")
    done = import_dataset(root, tmp_path / "out")
    assert [case.id for case in done.cases] == ["c0"]
    assert "has colours that the map of labels lacks (#010203)" in done.failed[0]


def test_pascal_voc_has_lists_palettes_and_void(tmp_path):
    root = tmp_path / "in"
    images(root / "JPEGImages", "a.jpg", "b.jpg")
    palette = Image.fromarray(np.where(RING == 2, 255, RING).astype(np.uint8)).convert("P")
    palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    (root / "SegmentationClass").mkdir()
    for name, split in (("a", "train"), ("b", "val")):
        palette.save(root / "SegmentationClass" / f"{name}.png")
        write(root / "ImageSets" / "Segmentation" / f"{split}.txt", f"{name}\n")
    write(root / "labelmap.txt", "background:::\nrim:::")
    write(root / "Annotations" / "a.xml", "<annotation/>")
    done = import_dataset(root, tmp_path / "out", ImportOptions(format="voc"))
    assert done.classes == ("background", "rim")
    assert [case.split for case in done.cases] == ["train", "val"]
    assert done.not_read == {"XML": 1}


def test_white_is_zero_keeps_the_stored_numbers(tmp_path):
    root = source(tmp_path / "in")
    images(root / "images", "c0.png")
    tif(root / "masks" / "c0.tif", square(255), photometric="miniswhite")
    done = run(root)
    np.testing.assert_array_equal(mask(done.out, "c0"), square(255))
    assert done.cases[0].notes == ("white is zero: the stored numbers count",)


def test_a_mask_that_pillow_refuses_is_tifffiles_to_read(tmp_path):
    path = tmp_path / "c0.tif"
    tif(path, np.dstack([square(255)] * 3), photometric="rgb")
    samples = struct.pack("<HHI", 277, 3, 1)  # tag, type and count of "samples per pixel"
    content = path.read_bytes()
    assert samples in content
    path.write_bytes(content.replace(samples, struct.pack("<HHI", 271, 3, 1)))
    assert read_stored(path).values.shape[:2] == SIZE


def test_masks_may_lie_in_the_transparency(tmp_path):
    def rgba(alpha):
        return np.dstack([np.full((*SIZE, 3), 255, np.uint8), alpha])

    done = run(source(tmp_path / "in", rgba(square(255)), rgba(square(0))))
    np.testing.assert_array_equal(mask(done.out, "c0"), square(255))
    assert not mask(done.out, "c1").any()
    assert done.notes == ("the masks lie in the transparency (alpha)",)


@pytest.mark.parametrize("name", ["{label}/{id}", "{id}_{label}"])
def test_one_mask_a_class(tmp_path, name):
    root = tmp_path / "in"
    images(root / "images", "c0.png", "c1.png")
    for index in range(2):
        for label, value in (("rim", 1), ("cup", 2)):
            path = root / "masks" / (name.format(label=label, id=f"c{index}") + ".png")
            save(path, ((value == RING) * 255).astype(np.uint8))
    done = run(root, classes=["rim", "cup"])
    assert (done.format, done.classes) == ("one-hot", ("background", "rim", "cup"))
    np.testing.assert_array_equal(mask(done.out, "c0"), RING)


def test_jpeg_masks_of_three_classes_are_refused(tmp_path):
    root = source(
        tmp_path / "in", np.array([0, 128, 255], np.uint8)[RING.repeat(4, 0).repeat(4, 1)]
    )
    save(root / "images" / "c0.png", np.zeros((96, 128, 3), np.uint8))
    (root / "masks" / "c0.png").unlink()
    wide = np.array([0, 128, 255], np.uint8)[RING.repeat(4, 0).repeat(4, 1)]
    save(root / "masks" / "c0.jpg", wide)
    with pytest.raises(DataError, match=r"saved as JPEG hold .*--mask-threshold N"):
        import_dataset(root, tmp_path / "out")


def test_coloured_pictures_are_no_masks(tmp_path):
    rng = np.random.default_rng(0)
    root = source(tmp_path / "in", rng.integers(0, 255, (*SIZE, 3), np.uint8))
    with pytest.raises(DataError, match="colours, too many for classes"):
        import_dataset(root, tmp_path / "out")


def test_a_mask_of_another_size_leaves_out_its_image(tmp_path):
    done = import_dataset(
        source(tmp_path / "in", square(255), np.zeros((9, 9), np.uint8)), tmp_path / "out"
    )
    assert [case.id for case in done.cases] == ["c0"]
    assert "mask of 9 x 9 pixels for an image of 24 x 32" in done.failed[0]


def test_damaged_files_leave_out_their_images(tmp_path):
    root = source(tmp_path / "in", *[square(255)] * 4)
    write(root / "masks" / "c0.png", (root / "masks" / "c0.png").read_bytes()[:40])
    write(root / "images" / "c1.png", b"")
    (root / "masks" / "c2.png").unlink()
    done = import_dataset(root, tmp_path / "out")
    assert [case.id for case in done.cases] == ["c3"]
    assert len(done.failed) == 3
    assert {line.split(": ")[1][:12] for line in done.failed} == {
        "has no mask;",
        "truncated or",
        "the file is ",
    }
