"""``bmis predict`` and ``bmis inspect`` of TIFF of several pages."""

import json

import nibabel
import numpy as np
import pytest
import tifffile

from bmis.cli.main import main
from bmis.clinical.inspection import inspect_study
from bmis.clinical.sources import clinical_files, is_study
from bmis.clinical.study import find_stacks
from bmis.data.formats.tiff_stack import read_tiff_stack
from bmis.data.images import read_image, read_mask
from helpers import dicoms
from helpers.bundles import write_tiny
from helpers.folders import picture, save
from helpers.tiffs import grey_pages, write_chain, write_stack


@pytest.fixture
def stack(tmp_path):
    """Four pages, 0.5 mm down, 0.25 mm across, 2 mm apart."""
    return write_stack(
        tmp_path / "in" / "scan.tif",
        grey_pages(4),
        imagej=True,
        resolution=(4, 2),
        metadata={"axes": "ZYX", "unit": "mm", "spacing": 2.0},
    )


def test_each_page_gets_its_mask_in_every_format(stack, predict):
    done, out = predict(stack, outputs=("tiff", "nifti", "png", "csv", "json"), overlay=True)
    assert done.failed == []
    masks = read_tiff_stack(out / "scan" / "mask.tif")
    volume = np.asanyarray(nibabel.load(out / "scan" / "mask.nii.gz").dataobj)
    expected = grey_pages(4) > 127.5
    for index in range(4):
        mask = read_mask(masks.page(index))
        np.testing.assert_array_equal(mask, expected[index] * 255)
        np.testing.assert_array_equal(
            read_mask(out / "scan" / "masks" / f"{index + 1:04d}.png"), mask
        )
        np.testing.assert_array_equal(volume[..., index].T, expected[index])
    affine = nibabel.load(out / "scan" / "mask.nii.gz").affine
    np.testing.assert_allclose(np.abs(affine.diagonal()), [0.25, 0.5, 2, 1])
    rows = [
        line.split(",") for line in (out / "scan" / "measurements.csv").read_text().splitlines()
    ]
    at = [rows[0].index(name) for name in ("area_px", "area_mm2")]
    assert len(rows) == 5
    for row, mask in zip(rows[1:], expected, strict=True):
        assert [float(row[k]) for k in at] == pytest.approx([mask.sum(), mask.sum() / 8], rel=1e-3)


def test_three_classes_are_numbers_with_colours(stack, predict):
    _, out = predict(stack, classes=3, outputs=("tiff", "png"))
    masks = read_tiff_stack(out / "scan" / "mask.tif")
    mask = read_mask(masks.page(1))
    assert mask.max() <= 2
    np.testing.assert_array_equal(mask, read_mask(out / "scan" / "masks" / "0002.png"))


def test_deep_pages_are_shown_as_single_files_or_through_a_window(tmp_path):
    pages = grey_pages(2).astype(np.uint16) * 40
    path = write_stack(tmp_path / "a.tif", pages)
    single = write_stack(tmp_path / "one" / "b.tif", pages[1])
    (found,) = find_stacks([path]).stacks
    np.testing.assert_array_equal(found.read(1).pixels, read_image(single).pixels)
    (found,) = find_stacks([path], window=(2000.0, 4000.0)).stacks
    expected = np.rint(np.clip(pages[1] / 4000, 0, 1) * 255)
    assert np.abs(found.read(1).pixels[..., 0] - expected).max() <= 1


def test_the_command_takes_stacks_beside_photographs(stack, tmp_path, capsys):
    save(stack.parent / "photo.png", picture(1, (48, 64)))
    bundle, out = write_tiny(tmp_path / "tiny.bmis"), tmp_path / "out"
    assert main(["predict", str(bundle), str(stack.parent), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        *("measurements.csv", "objects.csv", "photo.png", "scan")
    ]
    assert sorted(path.name for path in (out / "scan").iterdir()) == [
        *("mask.tif", "measurements.csv", "objects.csv")
    ]
    assert "not read" not in capsys.readouterr().err


def test_one_bad_page_leaves_the_others(stack, predict):
    with tifffile.TiffFile(stack) as file:
        tag = file.pages[2].tags["StripOffsets"]
    data = bytearray(stack.read_bytes())
    data[tag.valueoffset : tag.valueoffset + 4] = b"\xff\xff\xff\x7f"
    stack.write_bytes(data)
    done, out = predict(stack, outputs=("tiff", "png"))
    ((path, why),) = done.failed
    assert path == stack
    assert why.endswith("(0003 of scan)")
    assert sorted(path.stem for path in (out / "scan" / "masks").iterdir()) == [
        *("0001", "0002", "0004")
    ]
    masks = read_tiff_stack(out / "scan" / "mask.tif")
    assert masks.pages == 4
    assert not read_mask(masks.page(2)).any()


@pytest.mark.parametrize("count", [10_001, 100_000])
def test_too_many_pages_are_one_line(tmp_path, count, capsys):
    path = write_chain(tmp_path / "a.tif", count)
    bundle = write_tiny(tmp_path / "tiny.bmis")
    assert main(["predict", str(bundle), str(path), "--out", str(tmp_path / "out")]) == 2
    assert main(["inspect", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    named = [line for line in lines if "has more than 10000 pages" in line]
    assert len(named) == 2
    assert set(lines) - set(named) == {"bmis: left out: 1 file; the others are done"}


def test_pages_are_channels_of_a_network_that_takes_as_many(tmp_path):
    path = write_stack(tmp_path / "a.tif", grey_pages(5))
    assert clinical_files(path) == [path]
    assert clinical_files(path, channels=3) == [path]
    assert clinical_files(path, channels=5) == []


def test_the_command_gives_a_network_its_channels(tmp_path):
    path = write_stack(tmp_path / "a.tif", grey_pages(2))
    bundle = write_tiny(tmp_path / "tiny.bmis", channels=2)
    assert main(["predict", str(bundle), str(path), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "a.png").exists()
    many = write_stack(tmp_path / "b.tif", grey_pages(4))
    assert main(["predict", str(bundle), str(many), "--out", str(tmp_path / "out")]) == 2


def test_inspect_tells_of_a_stack(stack, capsys):
    (found,) = inspect_study([stack]).stacks
    assert (found.name, found.kind, found.pictures, found.size) == ("scan", "TIFF", 4, (48, 64))
    assert found.spacing == (0.5, 0.25)
    assert main(["inspect", str(stack.parent), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stacks"][0]["pictures"] == 4


def test_a_folder_of_stacks_with_masks_is_a_data_set(stack):
    assert is_study(stack.parent)
    write_stack(stack.parent / "scan_mask.tif", grey_pages(4))
    assert not is_study(stack.parent)


def test_what_belongs_to_dicom_is_refused_for_stacks(stack, predict):
    done, _ = predict(stack, outputs=("seg", "png"))
    ((_, why),) = done.failed
    assert "no DICOM, so there is no study for seg" in why


def test_masks_of_dicom_as_a_stack_too(tmp_path, predict):
    _, out = predict(dicoms.write_clip(tmp_path / "us.dcm"), outputs=("tiff", "png"))
    (path,) = out.glob("*/mask.tif")
    masks = read_tiff_stack(path)
    for index in range(masks.pages):
        single = path.parent / "masks" / f"{index + 1:04d}.png"
        np.testing.assert_array_equal(read_mask(masks.page(index)), read_mask(single))


def test_a_file_of_dicom_that_is_called_tiff_is_dicom(tmp_path, predict):
    path = dicoms.write_photo(tmp_path / "a.dcm").rename(tmp_path / "a.tif")
    done, _ = predict(path, outputs=("seg",))
    assert done.failed == []
