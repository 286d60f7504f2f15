"""Data sets of DICOM and NIfTI: slices are pictures, patients groups, masks where they belong."""

import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

from bmis.clinical.run import write_study
from bmis.clinical.settings import ClinicalOptions
from bmis.clinical.study import find_stacks
from bmis.data.cases import load_case
from bmis.data.fingerprint import file_fingerprint
from bmis.data.folder import open_dataset
from bmis.data.images import image_size, read_image, read_mask
from bmis.data.layouts import find_layout
from bmis.data.scan import mask_values
from bmis.errors import DataError
from bmis.predict.predictor import Predictor
from bmis.train.run import train_model
from helpers import dicoms
from helpers.fakes import Brightness, info
from helpers.folders import make_folder
from helpers.tiny import config


def write_volume(root, name, *, images="images", masks="masks", end="", shift=0.0, shape=None):
    """A volume of three slices and its mask of what is bright, both turned from the usual axes."""
    affine = np.array([[0, 0, 3.0, 1], [-0.8, 0, 0, 2], [0, 0.5, 0, 3], [0, 0, 0, 1]])
    file = dicoms.write_nifti(root / images / f"{name}{end}.nii.gz", affine=affine)
    values = nibabel.load(file).get_fdata()
    mask = (values > 120).astype(np.uint8) if shape is None else np.zeros(shape, np.uint8)
    affine[2, 3] += shift
    (root / masks).mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(mask, affine), root / masks / f"{name}.nii.gz")
    return root


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    """Three volumes."""
    root = tmp_path_factory.mktemp("volumes")
    for name in ("a", "b", "c"):
        write_volume(root, name)
    return root


def test_the_slices_of_a_volume_are_images_of_one_split(volumes):
    dataset = open_dataset(volumes)
    assert (len(dataset.cases), dataset.channels, dataset.num_classes) == (9 * 16, 1, 2)
    assert {(case.group, case.split) for case in dataset.cases if case.group == "a"} == {
        ("a", dataset.cases[0].split)
    }
    assert {case.split for case in dataset.cases} == {"train", "val", "test"}


@pytest.mark.parametrize(("axis", "count"), [("axial", 48), ("coronal", 40), ("sagittal", 3)])
def test_slices_are_those_that_predict_shows_with_their_masks(volumes, tmp_path, axis, count):
    shutil.copytree(volumes, tmp_path, dirs_exist_ok=True)
    (tmp_path / "dataset.yaml").write_text(f"axis: {axis}\n")
    (tmp_path / "splits.csv").write_text("id,split\na,train\nb,val\nc,test\n")
    dataset = open_dataset(tmp_path)
    assert [len(dataset.split(name)) for name in ("train", "val", "test")] == [count] * 3
    (stack,) = find_stacks([volumes / "images" / "b.nii.gz"], axis=axis).stacks
    for index in (0, count - 1):
        case = dataset.split("val")[index]
        assert case.id == f"b-{index + 1:04d}"
        image, labels = load_case(case, dataset)
        assert np.array_equal(image.pixels, stack.read(index).pixels)
        assert image_size(case.image) == stack.size
        values = stack.volume.values(index)
        assert np.array_equal(labels, values > 120)
        assert mask_values(case.masks[0]) == tuple(np.unique(labels))
    assert len({file_fingerprint(case.image) for case in dataset.split("val")}) == count


def test_raw_folders_of_nnunet_may_hold_volumes(tmp_path):
    for name in ("a", "b", "c"):
        write_volume(tmp_path, name, images="imagesTr", masks="labelsTr", end="_0000")
    (tmp_path / "dataset.json").write_text('{"labels": {"background": 0, "lesion": 1}}')
    dataset = open_dataset(tmp_path)
    assert (len(dataset.cases), dataset.classes) == (9 * 16, ("background", "lesion"))
    assert {case.group for case in dataset.cases} == {"a", "b", "c"}


def segmented(root, seg_type="binary", classes=3):
    """A data set of what is bright in a series, a clip and an enhanced file; the exact masks."""
    shutil.rmtree(root, ignore_errors=True)
    dicoms.write_ct(root / "images" / "ct")
    dicoms.write_clip(root / "images" / "clip.dcm", regions=False)
    dicoms.write_enhanced(root / "images" / "enhanced.dcm")
    predictor = Predictor(
        Brightness(classes),
        info(classes, size=(32, 32), resize="native"),
        keep_probabilities=seg_type == "fractional",
    )
    options = ClinicalOptions(outputs=("seg", "png"), seg_type=seg_type)
    out = root / "out"
    study = find_stacks([root / "images"])
    write_study(predictor, study, out, model="b", options=options)
    (root / "masks").mkdir()
    exact = {}
    for number, stack in enumerate(study.stacks):
        shutil.move(out / stack.name / "segmentation.dcm", root / "masks" / f"any{number}.dcm")
        for index, (file, frame) in enumerate(stack.frames):
            mask = out / stack.name / "masks" / f"{stack.slice_name(index)}.png"
            exact[file.path, frame if file.frames > 1 else None] = read_mask(mask)
    shutil.rmtree(out)
    return exact


@pytest.mark.parametrize("seg_type", ["binary", "fractional", "labelmap"])
def test_segmentations_say_what_they_cover(tmp_path, seg_type):
    classes = 2 if seg_type == "fractional" else 3  # of three none may reach one half
    exact = segmented(tmp_path, seg_type, classes)
    layout = find_layout(tmp_path)
    assert layout.classes == ("background", "class 1", "class 2")[:classes]
    assert layout.unmatched == ()
    assert len(layout.pairs) == len(exact) == 10
    for pair in layout.pairs:
        name, _, frame = pair.image.name.partition("#")
        wanted = exact[pair.image.with_name(name), int(frame) - 1 if frame else None]
        (mask,) = pair.masks
        assert np.array_equal(read_mask(mask), np.where(wanted == 255, 1, wanted))
        assert wanted.any()
        assert pair.image.parent == tmp_path / "images" or pair.id.startswith("ct-")
    (group,) = {pair.group for pair in layout.pairs}
    assert not any(part in group for part in dicoms.PATIENT)


def test_a_picture_that_no_frame_covers_is_background_and_other_series_have_no_mask(tmp_path):
    segmented(tmp_path)
    dicoms.write_clip(tmp_path / "images" / "clip.dcm", frames=4, regions=False)
    dicoms.write_ct(tmp_path / "images" / "other", series=11)
    pairs = {pair.id: pair for pair in find_layout(tmp_path).pairs}
    (mask,) = pairs["clip-0004"].masks
    assert mask.name.endswith("#0")
    assert not read_mask(mask).any()
    assert {len(pairs[f"other-{number}"].masks) for number in (1, 2, 3, 4)} == {0}


def test_one_picture_may_have_an_ordinary_mask(tmp_path):
    root = make_folder(tmp_path / "data", 2)
    image = dicoms.write_photo(root / "images" / "skin.dcm")
    shutil.copy(next((root / "masks").iterdir()), root / "masks" / "skin_mask.png")
    pairs = {pair.id: pair for pair in find_layout(root).pairs}
    assert [mask.name for mask in pairs["skin"].masks] == ["skin_mask.png"]
    assert read_image(image).pixels.shape == (64, 64, 3)


def test_a_network_is_trained_on_volumes_and_photographs_alike(volumes, tmp_path):
    shutil.copytree(volumes, tmp_path / "data", dirs_exist_ok=True)
    (tmp_path / "data" / "dataset.yaml").write_text("axis: sagittal\n")
    done = train_model(config(tmp_path / "data", epochs=1), out=tmp_path / "run", page=False)
    assert done.epochs == 1


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda root: write_volume(root, "a", shift=1.0), "a mask at other places in space for an"),
        (lambda root: write_volume(root, "a", shape=(40, 48, 4)), "a mask of 40 x 48 x 4 voxels"),
        (lambda root: (root / "masks" / "a.nii.gz").write_bytes(b"x"), "not a NIfTI volume"),
        (lambda root: (root / "images" / "a.nii.gz").write_bytes(b"x"), "not a NIfTI volume"),
        (lambda root: (root / "masks" / "a.nii.gz").unlink(), "has no mask; add one"),
        (lambda root: dicoms.write_photo(root / "images" / "d.dcm"), "d.dcm: has no mask"),
        (lambda root: dicoms.write_photo(root / "masks" / "d.dcm"), "that is no segmentation"),
        (lambda root: (root / "images" / "e.dcm").write_bytes(b"x"), "e.dcm: not a DICOM file"),
        (
            lambda root: (root / "dataset.yaml").write_text("axis: oblique"),
            "axial, coronal or sagittal, got",
        ),
    ],
)
def test_what_does_not_fit_is_named(volumes, tmp_path, break_it, message):
    shutil.copytree(volumes, tmp_path, dirs_exist_ok=True)
    break_it(tmp_path)
    with pytest.raises(DataError, match=message):
        open_dataset(tmp_path)


@pytest.mark.parametrize("place", ["#4", "#axial0", "#1+2", ""])
def test_a_picture_that_a_file_does_not_hold_is_refused(tmp_path, place):
    file = dicoms.write_nifti(tmp_path / "v.nii.gz")
    with pytest.raises(DataError, match=r"holds 3 pictures; name one, from v.nii.gz#1 to"):
        read_image(Path(f"{file}{place}"))
