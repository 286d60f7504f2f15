"""What is written is right by others' tools: dciodvfy, pydicom, highdicom."""

import json
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import highdicom
import numpy as np
import pytest
from pydicom import dcmread

from bmis.clinical.stack import DicomStack
from bmis.clinical.study import find_stacks
from helpers import dicoms

DCIODVFY = shutil.which("dciodvfy", path=str(Path(sys.executable).parent)) or "dciodvfy"


def errors(path):
    """What dciodvfy finds wrong."""
    run = subprocess.run([DCIODVFY, str(path)], check=False, capture_output=True, text=True)
    assert run.stderr
    return [line for line in run.stderr.splitlines() if line.startswith(("Error", "Abort"))]


def shown(stack):
    """The masks of a ``Brightness`` network of two classes, from the pixels that it sees."""
    masks = np.zeros((len(stack), *stack.size), np.uint8)
    for index in range(len(stack)):
        pixels = stack.read(index).pixels
        top, left, bottom, right = stack.box(index) or (0, 0, *stack.size)
        bright = pixels.astype(np.float32).mean(2) > 127.5
        masks[index, top:bottom, left:right] = bright[top:bottom, left:right]
    return masks


def by_source(path):
    """Pixels of a segmentation by UID of the source, its frame and the segment."""
    seg = highdicom.seg.segread(path)
    arrays = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    shared = seg.SharedFunctionalGroupsSequence[0]
    found = {}
    for group, array in zip(seg.PerFrameFunctionalGroupsSequence, arrays, strict=True):
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        holder = group if "SegmentIdentificationSequence" in group else shared
        segment = holder.get("SegmentIdentificationSequence")
        number = segment[0].ReferencedSegmentNumber if segment else 0
        frame = int(source.get("ReferencedFrameNumber") or 1)
        found[source.ReferencedSOPInstanceUID, frame, number] = array
    return found


@pytest.mark.parametrize("seg_type", ["binary", "fractional"])
def test_dciodvfy_finds_no_error(study, predict, seg_type):
    sources = [study] if seg_type == "binary" else [study / "us.dcm", study / "ct"]
    done, _ = predict(*sources, classes=3, outputs=("seg", "sr", "sc"), seg_type=seg_type)
    assert [why for _, why in done.failed if "no DICOM" not in why] == []
    written = [path for path in done.written if path.suffix == ".dcm"]
    kinds = {path.parent.name if path.stem.isdecimal() else path.stem for path in written}
    assert kinds == {"segmentation", "report", "captures"}
    one_of_each = {(path.parent, path.stem.isdecimal()): path for path in written}
    one_of_each |= {path: path for path in written if not path.stem.isdecimal()}
    assert {str(path): found for path in one_of_each.values() if (found := errors(path))} == {}


def test_label_maps_have_no_error_and_hold_the_labels(study, predict):
    done, _ = predict(study / "us.dcm", study / "ct", classes=3, seg_type="labelmap")
    for path in done.written:
        if path.suffix == ".dcm":
            assert errors(path) == []
            assert {len(key) for key in by_source(path)} == {3}
            assert max(array.max() for array in by_source(path).values()) == 2


def test_masks_come_back_pixel_for_pixel(study, predict):
    _, out = predict(study, outputs=("seg", "png"))
    stacks = [s for s in find_stacks([study]).stacks if isinstance(s, DicomStack)]
    assert len(stacks) == 7
    for stack in stacks:
        expected, found = shown(stack), by_source(out / stack.name / "segmentation.dcm")
        assert expected.any()
        for index, (file, frame) in enumerate(stack.frames):
            array = found.pop((file.header.SOPInstanceUID, frame + 1, 1), np.zeros(stack.size))
            np.testing.assert_array_equal(array, expected[index], err_msg=stack.name)
        assert found == {}


def test_clips_lie_in_no_space_and_refer_to_every_frame(study, predict):
    _, out = predict(study / "us.dcm")
    (path,) = out.glob("*/segmentation.dcm")
    seg = dcmread(path)
    assert "FrameOfReferenceUID" not in seg
    assert [tuple(key[1:]) for key in by_source(path)] == [(1, 1), (2, 1), (3, 1)]
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == f"{dicoms.ROOT}.4"
    source = dcmread(study / "us.dcm")
    assert (seg.StudyInstanceUID, seg.PatientID) == (source.StudyInstanceUID, source.PatientID)


def test_segments_are_coded_and_name_the_algorithm(study, predict):
    _, out = predict(study / "skin.dcm", codes={"class 1": "SCT:68496003:Polyp of colon"})
    (path,) = out.glob("*/segmentation.dcm")
    (segment,) = dcmread(path).SegmentSequence
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "68496003"
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    assert segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmName == "b"


def test_the_same_input_gives_the_same_uids_and_other_masks_give_others(study, predict):
    def uids(**options):
        done, _ = predict(study / "us.dcm", outputs=("seg", "sr", "sc"), **options)
        return [dcmread(path).SOPInstanceUID for path in done.written if path.suffix == ".dcm"]

    first = uids(uid_root="1.2.3")
    assert len(set(first)) == len(first) == 5
    assert all(uid.startswith("1.2.3.") and len(uid) <= 64 for uid in first)
    assert uids(uid_root="1.2.3") == first
    assert not set(uids(uid_root="1.2.3", classes=3)) & set(first)


def test_a_report_gives_millimetres_in_closed_form(study, predict):
    _, out = predict(study / "us.dcm", outputs=("seg", "sr", "csv"))
    (path,) = out.glob("*/report.dcm")
    (stack,) = find_stacks([study / "us.dcm"]).stacks
    expected = [round(float(mask.sum() * 0.05 * 0.1), 4) for mask in shown(stack)]
    values = [item["MeasuredValueSequence"] for item in _numbers(dcmread(path), "42798000")]
    assert [float(value[0].NumericValue) for value in values] == expected
    assert {value[0].MeasurementUnitsCodeSequence[0].CodeValue for value in values} == {"mm2"}


def test_a_volume_is_measured_in_cubic_millimetres(study, predict):
    _, out = predict(study / "ct", outputs=("seg", "sr"))
    (path,) = out.glob("*/report.dcm")
    (stack,) = find_stacks([study / "ct"]).stacks
    (found,) = _numbers(dcmread(path), "118565006")
    value = float(found.MeasuredValueSequence[0].NumericValue)
    assert value == pytest.approx(shown(stack).sum() * 0.5 * 0.8 * 3.0)


def _numbers(item, code):
    """All measurements of a code in a report."""
    for below in item.get("ContentSequence", []):
        names = below.get("ConceptNameCodeSequence")
        if below.ValueType == "NUM" and names[0].CodeValue == code:
            yield below
        yield from _numbers(below, code)


def test_where_nothing_is_found_it_is_said(study, predict):
    done, out = predict(study / "us.dcm", outputs=("seg", "sr"), window="100000,2")
    assert done.failed == []
    (path,) = out.glob("*/report.dcm")
    (found,) = _numbers(dcmread(path), "42798000")
    assert float(found.MeasuredValueSequence[0].NumericValue) == 0
    assert errors(path) == errors(path.with_name("segmentation.dcm")) == []
    assert not dcmread(path.with_name("segmentation.dcm")).pixel_array.any()


def test_no_field_of_the_patient_outside_of_dicom(study, predict, capfd):
    _, out = predict(study, outputs=("png", "csv", "json", "nifti"), overlay=True)
    for path in (path for path in out.rglob("*") if path.is_file()):
        assert b"Doe" not in path.read_bytes()
        assert b"PAT-1" not in path.read_bytes()
        assert "Doe" not in str(path.relative_to(out))
    assert "Doe" not in "".join(capfd.readouterr())


def test_outlines_are_geojson_of_the_same_area(study, predict):
    _, out = predict(study / "skin.dcm", outputs=("json",))
    (path,) = out.glob("*/outlines.geojson")
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    (stack,) = find_stacks([study / "skin.dcm"]).stacks
    area = 0.0
    for feature in features:
        for ring in feature["geometry"]["coordinates"]:
            area += sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring)) / 2
    assert area == shown(stack).sum()
    assert {feature["properties"]["classification"]["name"] for feature in features} == {"class 1"}


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192", "ISO 2022 IR 87"])
def test_names_of_every_character_set_are_kept(tmp_path, predict, charset):
    name = {"ISO_IR 100": "Müller^Jörg", "ISO_IR 192": "Иванов^Пётр"}.get(charset, "Yamada=山田")
    path = dicoms.write_photo(tmp_path / "a.dcm")
    ds = dcmread(path)
    ds.SpecificCharacterSet = ["", charset] if "2022" in charset else charset
    ds.PatientName = name
    ds.save_as(path)
    _, out = predict(path, outputs=("seg", "sc"))
    for written in out.rglob("*.dcm"):
        assert str(dcmread(written).PatientName) == name


def test_a_retired_kind_of_image_gets_a_report(tmp_path, predict):
    path = dicoms.write_photo(tmp_path / "a.dcm")
    ds = dcmread(path)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.6"
    ds.save_as(path)
    done, out = predict(path, outputs=("seg", "sr"))
    assert done.failed == []
    (report,) = out.glob("*/report.dcm")
    assert errors(report) == []
    assert dcmread(report).PatientName == "Doe^Jane"
