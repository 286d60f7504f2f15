"""What of a folder is read, in what order, and what is named of what is not."""

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from bmis.cli.main import main
from bmis.clinical import sources
from bmis.clinical.inspection import inspect_study
from bmis.clinical.sources import clinical_files
from bmis.clinical.study import find_stacks
from bmis.data.images import write_image
from bmis.errors import DataError
from helpers import dicoms
from helpers.bundles import write_tiny
from helpers.fakes import hide


def change(path, **values):
    ds = dcmread(path)
    for name, value in values.items():
        setattr(ds, name, value)
    ds.save_as(path)


def test_series_are_kept_apart_and_sorted_by_place(study):
    stacks = find_stacks([study]).stacks
    assert [len(stack) for stack in stacks] == [1, 1, 3, 3, 4, 3, 1, 3]
    ct = next(stack for stack in stacks if stack.name.startswith("CT-6"))
    heights = [file.header.InstanceNumber for file, _ in ct.frames]
    assert heights == [1, 2, 3, 4]
    assert len({stack.name for stack in stacks}) == len(stacks)


def test_missing_slices_are_named(tmp_path):
    folder = dicoms.write_ct(tmp_path, slices=6)
    (folder / "3.dcm").unlink()
    (stack,) = find_stacks([folder]).stacks
    assert list(stack.notes) == ["1 slice missing (by the gaps between slices)"]
    assert stack.affine is None


def test_uneven_slices_give_a_segmentation_but_no_nifti(tmp_path, predict):
    folder = dicoms.write_ct(tmp_path / "ct", slices=6)
    (folder / "3.dcm").unlink()
    done, out = predict(folder, outputs=("seg", "nifti"))
    assert ["not evenly spaced" in why for _, why in done.failed] == [True]
    assert len(list(out.glob("*/segmentation.dcm"))) == 1


def test_phases_at_one_place_become_stacks_of_their_own(tmp_path):
    dicoms.write_ct(tmp_path / "a")
    for path in dicoms.write_ct(tmp_path / "b").iterdir():
        ds = dcmread(path)
        change(path, InstanceNumber=ds.InstanceNumber + 4, SOPInstanceUID=ds.SOPInstanceUID + ".2")
    stacks = find_stacks([tmp_path]).stacks
    assert [len(stack) for stack in stacks] == [4, 4]
    assert [stack.name[-2:] for stack in stacks] == ["-a", "-b"]


def test_copies_of_an_object_are_named(tmp_path):
    dicoms.write_photo(tmp_path / "a.dcm")
    dicoms.write_photo(tmp_path / "b.dcm")
    found = find_stacks([tmp_path])
    assert len(found.stacks) == 1
    assert [path.name for path, _ in found.failed] == ["b.dcm"]
    assert "the same object as" in found.failed[0][1]


def test_mixed_sizes_of_a_series_are_apart(tmp_path):
    dicoms.write_photo(tmp_path / "a.dcm", instance=1)
    dicoms.write_photo(tmp_path / "b.dcm", instance=2, size=(48, 64))
    dicoms.write_photo(tmp_path / "c.dcm", instance=3)
    stacks = find_stacks([tmp_path]).stacks
    assert [(len(stack), stack.size) for stack in stacks] == [(2, (64, 64)), (1, (48, 64))]


@pytest.mark.parametrize(("name", "value"), [("PatientID", "other"), ("StudyInstanceUID", "1.2")])
def test_two_patients_in_one_series_are_apart(tmp_path, name, value):
    folder = dicoms.write_ct(tmp_path / "ct")
    change(next(folder.iterdir()), **{name: value})
    assert sorted(map(len, find_stacks([folder]).stacks)) == [1, 3]


def test_what_is_no_picture_is_counted_in_folders_and_refused_alone(tmp_path, predict):
    ds = dicoms.base("1.2.840.10008.5.1.4.1.1.104.1", "DOC")
    ds.EncapsulatedDocument = b"%PDF"
    dicoms.save(ds, tmp_path / "a.dcm")
    _, out = predict(dicoms.write_photo(tmp_path / "b.dcm"))
    found = find_stacks([tmp_path])
    assert found.skipped == {"Encapsulated PDF Storage": 1, "Segmentation Storage": 1}
    assert find_stacks([tmp_path], out=out).skipped == {"Encapsulated PDF Storage": 1}
    assert "no picture (Encapsulated PDF Storage)" in find_stacks([tmp_path / "a.dcm"]).failed[0][1]


def test_names_of_results_are_safe_whatever_the_file_says(tmp_path, predict):
    path = dicoms.write_photo(tmp_path / "a.dcm")
    change(path, Modality="../../X", SeriesInstanceUID="../../../etc", SeriesNumber=-5)
    done, out = predict(path, outputs=("png",))
    assert done.failed == []
    (folder,) = out.iterdir()
    assert folder.name.startswith("X-5-")


def test_a_bad_frame_leaves_the_others(tmp_path, predict):
    folder = dicoms.write_ct(tmp_path / "ct")
    data = (folder / "2.dcm").read_bytes()
    (folder / "2.dcm").write_bytes(data[:-3000])
    done, out = predict(folder)
    assert [path.name for path, _ in done.failed] == ["2.dcm"]
    assert "truncated or damaged" in done.failed[0][1]
    assert len(list(out.glob("*/segmentation.dcm"))) == 1


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"Rows": 60000, "Columns": 60000, "NumberOfFrames": 10000}, "more than the limit"),
        ({"NumberOfFrames": 10000}, "claims 10000 frames of 64 x 64 pixels, which"),
        ({"NumberOfFrames": -1}, "claims -1 frames"),
        ({"Rows": 90}, "claims 1 frame of 90 x 64 pixels, which"),
        ({"Rows": 0}, "has no pixels"),
        ({"PhotometricInterpretation": ""}, "no PhotometricInterpretation in its header"),
    ],
)
def test_headers_that_lie_are_refused_in_one_line(tmp_path, values, why):
    path = dicoms.write_xray(tmp_path / "a.dcm")
    change(path, **values)
    ((_, line),) = find_stacks([path]).failed
    assert why in line
    assert "\n" not in line


def test_objects_need_uids_to_refer_to(tmp_path, predict):
    path = dicoms.write_photo(tmp_path / "a.dcm")
    ds = dcmread(path)
    del ds.StudyInstanceUID
    ds.save_as(path)
    done, _ = predict(path, outputs=("seg", "sr", "sc", "png"))
    assert [why.count("no StudyInstanceUID") for _, why in done.failed] == [1, 1]
    assert [path.suffix for path in done.written] == [".png"]


def test_inspection_tells_the_patient_only_if_asked(study, capsys):
    assert main(["inspect", str(study)]) == 0
    shown = capsys.readouterr().out
    assert "Doe" not in shown
    assert "rows 8 to 56, columns 20 to 68" in shown
    assert main(["inspect", str(study / "us.dcm"), "--names", "--json"]) == 0
    assert "Doe^Jane" in capsys.readouterr().out
    assert inspect_study([study / "dx.dcm"]).stacks[0].notes == [
        "millimetres at the detector or film, not in the patient"
    ]


def test_the_command_predicts_studies_and_photographs_at_once(study, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "a.bmis")
    (tmp_path / "mixed").mkdir()
    write_image(tmp_path / "mixed" / "photo.png", np.zeros((40, 48, 3), np.uint8))
    (tmp_path / "mixed" / "us.dcm").write_bytes((study / "us.dcm").read_bytes())
    assert main(["predict", "a.bmis", "mixed", "--out", "out", "--as", "seg,csv"]) == 0
    shown = capsys.readouterr()
    assert "1 mask in out; measurements in out/measurements.csv" in shown.out
    assert "segmentation.dcm, measurements.csv" in shown.out
    assert shown.err == ""
    assert (tmp_path / "out" / "photo.png").is_file()


def test_results_never_go_where_they_would_be_read_again(study, tmp_path, capsys):
    write_tiny(tmp_path / "a.bmis")
    argv = ["predict", str(tmp_path / "a.bmis"), str(study / "ct"), "--out", str(study)]
    assert main(argv) == 2
    assert "lies in the folder that would be written to" in capsys.readouterr().err


def test_without_the_extra_the_install_line_is_said(study, tmp_path, monkeypatch, capsys):
    from bmis.data.formats import dicom

    dicom.load_pydicom.cache_clear()
    hide(monkeypatch, "pydicom")
    write_tiny(tmp_path / "a.bmis")
    argv = ["predict", str(tmp_path / "a.bmis"), str(study / "us.dcm"), "--out", str(tmp_path)]
    assert main(argv) == 2
    assert 'pip install "bmis[clinical]"' in capsys.readouterr().err


def test_a_dicomdir_stands_for_its_folder(tmp_path):
    dicoms.write_photo(tmp_path / "IM1")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    assert clinical_files(tmp_path / "DICOMDIR") == [tmp_path / "IM1"]
    assert isinstance(dcmread(tmp_path / "IM1"), Dataset)


def test_a_damaged_number_is_one_line_of_its_file(tmp_path):
    path = dicoms.write_ct(tmp_path / "ct", slices=1) / "1.dcm"
    data = path.read_bytes()
    at = data.index(b"\x18\0\x50\0DS") + 8  # SliceThickness
    path.write_bytes(data[:at] + b"+" + data[at + 1 :].replace(b".0 ", b"+1 ", 1))
    found = inspect_study([path])
    assert found.stacks == []
    assert found.failed[0][1].startswith(f"{path}: ")


def test_slices_of_two_patients_are_never_one_stack(tmp_path):
    dicoms.write_ct(tmp_path / "a")
    for path in dicoms.write_ct(tmp_path / "b").iterdir():  # the same UIDs of study and series
        ds = dcmread(path)
        between = [float(value) + 0.7 for value in ds.ImagePositionPatient]
        uid = ds.SOPInstanceUID + ".2"
        change(path, PatientID="PAT-2", SOPInstanceUID=uid, ImagePositionPatient=between)
    stacks = find_stacks([tmp_path]).stacks
    people = [{file.header.PatientID for file in stack.files} for stack in stacks]
    assert sorted(map(len, stacks)) == [4, 4]
    assert all(len(one) == 1 for one in people)


def test_more_files_than_are_looked_at_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_MOST", 5)
    for number in range(5):
        (tmp_path / f"{number}.txt").touch()
    for number in range(9):  # images are not counted, they are not looked into here
        (tmp_path / f"{number}.png").touch()
    assert clinical_files(tmp_path) == []
    (tmp_path / "z.dcm").touch()
    with pytest.raises(DataError, match="holds more than 5 files; name the folders"):
        clinical_files(tmp_path)


def test_a_study_with_photographs_is_inspected_as_one(study, tmp_path, capsys):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "us.dcm").write_bytes((study / "us.dcm").read_bytes())
    (folder / "odd.xyz").write_bytes(b"odd")
    write_image(folder / "photo.png", np.zeros((40, 48, 3), np.uint8))
    assert main(["inspect", str(folder)]) == 0
    shown = capsys.readouterr()
    assert "US-4-" in shown.out
    assert "beside them: 1 image, which bmis predict takes too" in shown.out
    assert shown.err == f"bmis: {folder}: not read: 1 XYZ\n"
    write_image(folder / "photo_mask.png", np.zeros((40, 48), np.uint8))
    assert not sources.is_study(folder)


def test_a_raw_folder_of_nnunet_is_a_data_set(tmp_path):
    dicoms.write_nifti(tmp_path / "imagesTr" / "a_0000.nii.gz")
    assert sources.is_study(tmp_path)
    dicoms.write_nifti(tmp_path / "labelsTr" / "a.nii.gz")
    assert not sources.is_study(tmp_path)
