"""Files are called by their kind, by name or by content; companions are not complained about."""

from pathlib import Path

import pytest

from bmis.data.file_kinds import foreign_kind, is_companion, kind_of
from bmis.data.images import read_image
from bmis.errors import DataError

DICOM = bytes(128) + b"DICM"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.DCM", b"x", "a.DCM: not a DICOM file; name files that a scanner"),
        ("scan", DICOM, "scan: "),
        ("a.png", DICOM, "a DICOM file, which is not read; export it as PNG or TIFF"),
        ("a.nii.gz", b"\x1f\x8b", "not a NIfTI volume"),
        ("a.png", bytes(344) + b"n+1\0", "a NIfTI volume, which is not read; save its slices"),
        ("a.png", b"\0\0\0\x18ftypheic", "a HEIC picture, which is not read; save it as PNG"),
        ("a.jpg", b"\0\0\0\x20ftypavif", "an AVIF picture"),
        ("a.png", b"\0\0\0\x20ftypisom", "a video, which is not read; save its frames"),
        ("a.webp", b"RIFF1234AVI LIST", "a video"),
        ("a.png", b"PK\3\4", "an archive, which is not read; unpack it"),
        ("a.svs", b"x", "a slide, which is not read; cut tiles out of it"),
    ],
)
def test_a_foreign_file_is_refused_by_its_kind(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_image(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.tar.gz", "archive"),
        ("a.MHA", "volume"),
        ("a.jp2", "JPEG 2000"),
        ("a.xyz", "XYZ"),
        ("1.2.840.113619", "file without a suffix"),
    ],
)
def test_files_that_are_only_counted_are_not_opened(name, kind):
    assert kind_of(Path(name)) == kind


@pytest.mark.parametrize("name", ["scan", "1.2.840.113619"])
def test_a_dicom_file_without_a_suffix_is_known_by_its_content(tmp_path, name):
    (tmp_path / name).write_bytes(DICOM)
    assert kind_of(tmp_path / name) == "DICOM"


def test_every_kind_says_what_to_do():
    for name in ("a.dcm", "a.nii", "a.mhd", "a.heic", "a.avif", "a.j2k", "a.mp4", "a.zip", "a.czi"):
        kind = foreign_kind(Path(name))
        assert kind
        assert kind.title.startswith(("a ", "an "))
        assert kind.fix


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (".DS_Store", True),
        ("splits.csv~", True),
        ("License", True),
        ("a_superpixels.png", True),
        ("readme.png", False),
        ("a.mat", False),
        ("scan", False),
    ],
)
def test_companions(name, expected):
    assert is_companion(Path(name)) is expected
