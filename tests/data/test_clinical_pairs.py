"""Data sets of DICOM and NIfTI: slices are pictures, patients groups, masks where they belong."""

import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom import dcmread

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
from helpers.folders import make_folder, save
from helpers.tiny import config


def write_volume(root, name, *, images="images", masks="masks", end="", shift=0.0, shape=None):
    """A volume of three slices and its mask of what is bright, both turned from the usual axes."""
    affine = np.array([[0, 0, 3.0, 1], [-0.8, 0, 0, 2], [0, 0.5, 0, 3], [0, 0, 0, 1]])
    file = dicoms.write_nifti(root / images / f"{name}{end}.nii.gz", affine=affine)
    values = nibabel.load(file).get_fdata()
    mask = (values > 120).astype(np.uint8) if shape is None else np.zeros(shape, np.uint8)
    affine[2, 3] += shift
    (root / masks / name).parent.mkdir(parents=True, exist_ok=True)
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


def patients(root, **changes):
    """Groups of two photographs of one study, of which headers are changed by file."""
    for name in ("a", "b"):
        path = dicoms.write_photo(root / "images" / f"{name}.dcm", instance=ord(name))
        ds = dcmread(path)
        for keyword, value in changes.get(name, {}).items():
            setattr(ds, keyword, value)
        dicoms.save(ds, path)
        save(root / "masks" / f"{name}.png", np.zeros(dicoms.SIZE, np.uint8))
    return [pair.group for pair in find_layout(root).pairs]


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"PatientID": ""}, True),  # of the same study
        ({"PatientID": "", "StudyInstanceUID": "1.2"}, True),  # of the same series
        ({"PatientID": "", "StudyInstanceUID": "", "SeriesInstanceUID": ""}, False),
        ({"PatientID": "B", "StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3"}, False),
        ({"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3"}, True),
    ],
)
def test_files_that_share_one_identifier_are_of_one_patient(tmp_path, changes, same):
    first, second = patients(tmp_path, b=changes)
    assert (first == second) == same
    assert not any(dicoms.PATIENT[1] in group for group in (first, second))


def test_frames_of_a_clip_without_any_identifier_are_a_group(tmp_path):
    path = dicoms.write_clip(tmp_path / "images" / "us.dcm")
    ds = dcmread(path)
    ds.PatientID = ds.StudyInstanceUID = ds.SeriesInstanceUID = ""
    dicoms.save(ds, path)
    (tmp_path / "masks").mkdir()
    groups = {pair.group for pair in find_layout(tmp_path).pairs}
    assert len(groups) == 1
    assert None not in groups


def test_volumes_of_a_subject_are_a_group_and_sub_folders_are_kept_apart(tmp_path):
    for name in ("sub-01_ses-1_T1w", "sub-01_ses-2_T1w", "sub-02_T1w", "one/x", "two/x"):
        write_volume(tmp_path, name)
    found = {pair.volume: pair for pair in find_layout(tmp_path).pairs}
    assert {name: pair.group for name, pair in found.items()} == {
        "sub-01_ses-1_T1w": "sub-01",
        "sub-01_ses-2_T1w": "sub-01",
        "sub-02_T1w": "sub-02",
        "one-x": "one-x",
        "two-x": "two-x",
    }
    assert found["two-x"].masks[0].parent.name == "two"


def test_two_masks_of_one_volume_are_refused(tmp_path):
    write_volume(tmp_path, "a")
    shutil.copy(tmp_path / "masks" / "a.nii.gz", tmp_path / "masks" / "a_seg.nii.gz")
    with pytest.raises(DataError, match="has the same id 'a' as"):
        find_layout(tmp_path)


def test_files_that_are_called_by_their_uid_are_kept_apart(tmp_path):
    for number in (7, 8):
        path = dicoms.write_photo(tmp_path / "images" / "x.dcm", instance=number)
        path.rename(path.with_name(f"1.2.840.{number}"))
        save(tmp_path / "masks" / f"1.2.840.{number}.png", np.zeros(dicoms.SIZE, np.uint8))
    (tmp_path / "images" / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    assert [pair.id for pair in find_layout(tmp_path).pairs] == ["1.2.840.7", "1.2.840.8"]


@pytest.fixture
def series(tmp_path):
    """A series of four slices with the segmentation that bmis writes."""
    dicoms.write_ct(tmp_path / "images" / "ct")
    predictor = Predictor(Brightness(2), info(2, size=(32, 32), resize="native"))
    study, out = find_stacks([tmp_path / "images"]), tmp_path / "out"
    write_study(predictor, study, out, model="b", options=ClinicalOptions(outputs=("seg",)))
    (tmp_path / "masks").mkdir()
    (path,) = out.glob("*/segmentation.dcm")
    path.rename(tmp_path / "masks" / "seg.dcm")
    shutil.rmtree(out)
    return tmp_path


def change_places(path, change, *, named=True):
    """Change position and orientation of each frame of a segmentation."""
    ds = dcmread(path)
    for group in ds.PerFrameFunctionalGroupsSequence:
        position = group.PlanePositionSequence[0]
        position.ImagePositionPatient = change(position.ImagePositionPatient)
        if not named:
            del group.DerivationImageSequence
    dicoms.save(ds, path)


def test_a_segmentation_that_lies_elsewhere_than_its_images_is_refused(series):
    change_places(series / "masks" / "seg.dcm", lambda at: [at[0] + 0.5, *at[1:]])
    with pytest.raises(DataError, match="frame 1 lies otherwise in space than its image"):
        find_layout(series)


def test_a_segmentation_that_is_flipped_is_refused(series):
    path = series / "masks" / "seg.dcm"
    ds = dcmread(path)
    plane = ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    across = [-value for value in plane.ImageOrientationPatient[:3]]
    plane.ImageOrientationPatient = [*across, *plane.ImageOrientationPatient[3:]]
    dicoms.save(ds, path)
    with pytest.raises(DataError, match="lies otherwise in space"):
        find_layout(series)


def test_positions_that_are_rounded_otherwise_are_the_same(series):
    change_places(
        series / "masks" / "seg.dcm",
        lambda at: [round(float(value) + 0.006, 6) for value in at],
        named=False,
    )
    pairs = find_layout(series).pairs
    numbers = [pair.masks[0].name.partition("#")[2] for pair in pairs]
    assert sorted(numbers) == ["1", "2", "3", "4"]


def test_frames_that_cover_no_image_are_told(series, caplog):
    (series / "images" / "ct" / "2.dcm").unlink()
    assert len(find_layout(series).pairs) == 3
    assert "seg.dcm: 1 of 4 frames cover no image that is here" in caplog.text


def test_labels_of_a_label_map_above_a_byte_are_refused(series):
    path = series / "masks" / "seg.dcm"
    ds = dcmread(path)
    values = np.full((ds.NumberOfFrames, ds.Rows, ds.Columns), 256, np.uint16)
    ds.SegmentationType, ds.BitsAllocated, ds.BitsStored, ds.HighBit = "LABELMAP", 16, 16, 15
    ds.PixelData = values.tobytes()
    dicoms.save(ds, path)
    pair = find_layout(series).pairs[0]
    with pytest.raises(DataError, match="has a label above 255"):
        read_mask(pair.masks[0])
