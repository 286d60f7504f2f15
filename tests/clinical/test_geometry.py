"""Voxels lie at the right millimetres: closed form against highdicom, nibabel and SimpleITK."""

import highdicom
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from bmis.clinical.study import find_stacks
from helpers import dicoms

FLIPPED = (-0.8, -0.6, 0.0, 0.0, 0.0, 1.0)


def places(shape, orientation, spacing=(0.5, 0.8), gap=3.0):
    """Millimetres (n, H, W, 3), LPS, of all voxels of ``write_ct`` in closed form."""
    across, down = np.array(orientation[:3]), np.array(orientation[3:])
    slices, rows, columns = np.indices(shape)
    first = np.stack(
        [dicoms.slice_position(k, orientation=orientation, gap=gap) for k in range(shape[0])]
    )
    return (
        first[slices]
        + columns[..., None] * spacing[1] * across
        + rows[..., None] * spacing[0] * down
    )


def rounded(points):
    return {tuple(point) for point in np.round(points, 3).tolist()}


@pytest.mark.parametrize("orientation", [dicoms.ROTATED, FLIPPED, (1, 0, 0, 0, 1, 0)])
def test_voxels_of_a_series_lie_where_they_belong(tmp_path, predict, orientation):
    folder = dicoms.write_ct(tmp_path / "ct", orientation=orientation)
    _, out = predict(folder, outputs=("seg", "nifti", "png"))
    (stack,) = find_stacks([folder]).stacks
    (masks,) = out.glob("*/masks")
    labels = np.stack(
        [sitk.GetArrayFromImage(sitk.ReadImage(p)) > 0 for p in sorted(masks.iterdir())]
    )
    expected = rounded(places((len(stack), *stack.size), orientation)[labels])
    assert len(expected) > 100

    volume = highdicom.seg.segread(masks.parent / "segmentation.dcm").get_volume(
        combine_segments=True
    )
    indices = np.argwhere(volume.array > 0)
    assert rounded(volume.map_indices_to_reference(indices)) == expected

    image = sitk.ReadImage(masks.parent / "mask.nii.gz")
    array = sitk.GetArrayFromImage(image)  # (z, y, x)
    points = [
        image.TransformIndexToPhysicalPoint([int(x), int(y), int(z)])
        for z, y, x in np.argwhere(array > 0)
    ]
    assert rounded(points) == expected


def test_an_enhanced_file_is_read_as_the_series_would_be(tmp_path, predict):
    path = dicoms.write_enhanced(tmp_path / "a.dcm")
    _, out = predict(path, outputs=("seg", "nifti"))
    (target,) = out.glob("*/mask.nii.gz")
    image = nibabel.load(target)
    np.testing.assert_allclose(image.affine.diagonal(), [-0.8, -0.5, 3, 1])
    np.testing.assert_allclose(image.affine[:3, 3], [-10, -20, 0])
    volume = highdicom.seg.segread(target.with_name("segmentation.dcm")).get_volume()
    lps = np.diag([-1, -1, 1, 1]) @ image.affine
    ours = np.argwhere(np.asanyarray(image.dataobj) > 0) @ lps[:3, :3].T + lps[:3, 3]
    theirs = volume.map_indices_to_reference(np.argwhere(volume.array[..., 0] > 0))
    assert rounded(ours) == rounded(theirs)


@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("codes", ["RAS", "LPS", "SAR", "PIL"])
def test_masks_of_nifti_lie_on_their_voxels(tmp_path, predict, axis, codes):
    shape, side = (40, 36, 33), np.array([0.5, 0.8, 1.5])
    from nibabel.orientations import axcodes2ornt, inv_ornt_aff

    affine = np.diag([*side, 1.0]) @ inv_ornt_aff(axcodes2ornt(codes), shape)
    values = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    image = nibabel.Nifti1Image(values, affine)
    nibabel.save(image, tmp_path / "a.nii")
    done, out = predict(tmp_path / "a.nii", outputs=("nifti",), axis=axis)
    assert done.failed == []
    mask = nibabel.load(out / "a" / "mask.nii.gz")
    np.testing.assert_array_equal(mask.affine, nibabel.load(tmp_path / "a.nii").affine)
    np.testing.assert_array_equal(np.asanyarray(mask.dataobj), values > 127)


def test_slices_are_shown_as_radiologists_see_them(tmp_path):
    """The patient's front is up and the right side at the left, whatever the file's order."""
    values = np.zeros((40, 36, 33), np.uint8)
    values[-1, -1, :] = 255  # RAS: right and front
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii")
    (stack,) = find_stacks([tmp_path / "a.nii"]).stacks
    assert stack.read(0).pixels[0, 0, 0] == 255
    (stack,) = find_stacks([tmp_path / "a.nii"], axis="coronal").stacks
    assert stack.size == (33, 40)


def test_ultrasound_is_seen_in_its_region_and_measured(study, predict):
    _, out = predict(study / "us.dcm", outputs=("csv", "png"))
    (table,) = out.glob("*/measurements.csv")
    rows = [line.split(",") for line in table.read_text("utf-8").splitlines()]
    area_px, area_mm2 = (rows[0].index(name) for name in ("area_px", "area_mm2"))
    for row in rows[1:]:
        assert float(row[area_mm2]) == pytest.approx(float(row[area_px]) * 0.1 * 0.05, rel=1e-4)


def test_a_tilted_gantry_is_named_and_lies_right(tmp_path, predict):
    from pydicom import dcmread

    folder = dicoms.write_ct(tmp_path / "ct", orientation=(1, 0, 0, 0, 1, 0))
    for path in folder.iterdir():
        ds = dcmread(path)
        x, y, z = ds.ImagePositionPatient
        ds.ImagePositionPatient = [x, y + z / 3, z]
        ds.save_as(path)
    done, out = predict(folder, outputs=("nifti", "seg"))
    (notes,) = done.notes.values()
    assert "gantry tilt of 18.4 degrees" in notes[0]
    assert done.failed == []
    (target,) = out.glob("*/mask.nii.gz")
    np.testing.assert_allclose(nibabel.load(target).affine[:3, 2], [0, -1, 3], atol=1e-6)
