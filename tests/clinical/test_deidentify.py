"""Copies without patient: nothing of him is left, and what belongs together still does."""

import numpy as np
import pytest
from pydicom import Dataset, Sequence, dcmread

from bmis.cli.main import main
from bmis.clinical.deidentify import write_copies
from helpers import dicoms
from helpers.bundles import write_tiny

SECRETS = (*dicoms.PATIENT, "SECRET", "19700101", "20260102", dicoms.ROOT)


@pytest.fixture
def marked(tmp_path):
    """A series and a photograph that name their patient in every kind of place."""
    dicoms.write_ct(tmp_path / "in" / "ct")
    dicoms.write_photo(tmp_path / "in" / "skin.dcm")
    for path in sorted((tmp_path / "in").rglob("*.dcm")):
        ds = dcmread(path)
        inner, item = Dataset(), Dataset()
        inner.PatientName, inner.OperatorsName = "SECRET^Deep", "SECRET^Nurse"
        inner.ReferencedSOPInstanceUID = f"{dicoms.ROOT}.6.1"
        item.ReferencedImageSequence = Sequence([inner])
        item.ReferencedSOPInstanceUID = f"{dicoms.ROOT}.6.2"
        ds.SourceImageSequence = Sequence([item])
        ds.InstitutionName, ds.StationName, ds.StudyDescription = ("SECRET",) * 3
        ds.PatientComments, ds.ImageComments, ds.ProtocolName = ("SECRET",) * 3
        ds.add_new(0x60003000, "OW", b"SECRET")
        block = ds.private_block(0x0011, "SECRET", create=True)
        block.add_new(1, "LO", "SECRET")
        ds.file_meta.SourceApplicationEntityTitle = "SECRET"
        ds.preamble = b"SECRET".ljust(128, b"\0")
        dicoms.save(ds, path)
    return tmp_path / "in"


def leaks(folder):
    return {
        (path.name, secret)
        for path in folder.rglob("*")
        for secret in SECRETS
        if secret.encode() in (path.read_bytes() if path.is_file() else b"") + str(
            path.relative_to(folder)
        ).encode()
    }  # fmt: skip


def test_results_and_copies_hold_nothing_of_the_patient_and_belong_together(
    marked, tmp_path, capsys
):
    bundle = write_tiny(tmp_path / "tiny.bmis")
    out = tmp_path / "out"
    command = ["predict", str(bundle), str(marked / "skin.dcm"), "--deidentify", "--out", str(out)]
    assert main([*command, "--as", "seg,sr,sc,csv,png"]) == 0
    assert leaks(out) == set()
    assert not any(secret in "".join(capsys.readouterr()) for secret in SECRETS[:3])
    (copy,) = (out / "deidentified").rglob("*.dcm")
    (seg,) = out.rglob("segmentation.dcm")
    image, segmentation = dcmread(copy), dcmread(seg)
    assert segmentation.StudyInstanceUID == image.StudyInstanceUID
    (series,) = segmentation.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == image.SeriesInstanceUID
    assert series.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert segmentation.StudyDate == image.StudyDate == "19000101"
    assert image.PatientIdentityRemoved == "YES"
    assert image.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    before = {path: path.read_bytes() for path in out.rglob("*") if path.suffix == ".dcm"}
    assert main([*command, "--as", "seg"]) == 0
    assert before[copy] == copy.read_bytes()


def test_uids_are_replaced_in_one_way_on_every_level(marked, tmp_path):
    copies, failed = write_copies(sorted(marked.rglob("*.dcm")), tmp_path / "copies", "1.2.3")
    assert failed == []
    assert leaks(tmp_path / "copies") == set()
    old = {path.stem: dcmread(path) for path in (marked / "ct").iterdir()}
    new = {int(ds.InstanceNumber): ds for ds in map(dcmread, copies) if ds.Modality == "CT"}
    assert len(new) == 4
    assert len({ds.SeriesInstanceUID for ds in new.values()}) == 1
    item = new[1].SourceImageSequence[0]
    assert item.ReferencedSOPInstanceUID == new[2].SOPInstanceUID
    assert item.ReferencedImageSequence[0].ReferencedSOPInstanceUID == new[1].SOPInstanceUID
    for ds in new.values():
        assert ds.SOPInstanceUID.startswith("1.2.3.")
        assert ds.SOPInstanceUID == ds.file_meta.MediaStorageSOPInstanceUID
        assert ds.SOPClassUID == old["1"].SOPClassUID
        source = next(one for one in old.values() if one.InstanceNumber == ds.InstanceNumber)
        for name in ("ImagePositionPatient", "PixelSpacing", "WindowCenter", "RescaleIntercept"):
            assert ds[name].value == source[name].value
        assert np.array_equal(ds.pixel_array, source.pixel_array)


def test_burnt_in_text_is_refused_and_the_rest_is_done(tmp_path):
    bad = dicoms.write_photo(tmp_path / "bad.dcm")
    ds = dcmread(bad)
    ds.BurnedInAnnotation = "YES"
    dicoms.save(ds, bad)
    (tmp_path / "cut.dcm").write_bytes(bad.read_bytes()[:900])
    good = dicoms.write_jpeg(tmp_path / "good.dcm")
    volume = dicoms.write_nifti(tmp_path / "v.nii.gz")
    files = [bad, tmp_path / "cut.dcm", good, volume]
    (copy, kept), failed = write_copies(files, tmp_path / "copies", "2.25")
    assert kept == volume
    assert dcmread(copy).file_meta.TransferSyntaxUID == dcmread(good).file_meta.TransferSyntaxUID
    (_, why), (cut, _) = failed
    assert why.startswith(f"{bad}: says that text is burnt into its pixels")
    assert cut == tmp_path / "cut.dcm"


def test_what_is_no_picture_is_counted_and_not_copied(tmp_path, capsys):
    dicoms.write_photo(tmp_path / "in" / "skin.dcm")
    ds = dicoms.base("1.2.840.10008.5.1.4.1.1.104.1", "DOC", series=30)
    dicoms.save(ds, tmp_path / "in" / "letter.dcm")
    bundle, out = write_tiny(tmp_path / "tiny.bmis"), tmp_path / "out"
    argv = ["predict", str(bundle), str(tmp_path / "in"), "--out", str(out), "--deidentify"]
    assert main(argv) == 0
    assert "no pictures, left alone: 1 Encapsulated PDF Storage" in capsys.readouterr().err
    assert len(list((out / "deidentified").rglob("*.dcm"))) == 1
    assert main([*argv[:2], str(tmp_path / "in" / "letter.dcm"), *argv[3:]]) == 2
    assert "no picture (Encapsulated PDF Storage); name the images" in capsys.readouterr().err
