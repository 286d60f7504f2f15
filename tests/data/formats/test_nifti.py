"""NIfTI with odd headers: what nibabel says of them stays off the terminal."""

import logging
import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest

from bmis.data.formats.nifti import read_nifti
from bmis.errors import DataError
from helpers import dicoms


@pytest.fixture
def damaged(tmp_path):
    """A volume of which one number of the header is changed."""

    def write(at, kind, value):
        file = dicoms.write_nifti(tmp_path / "a.nii")
        data = bytearray(file.read_bytes())
        struct.pack_into(kind, data, at, value)
        file.write_bytes(data)
        return file

    # as in a process of its own, where nibabel has just been loaded
    for name in ("nibabel", "nibabel.global"):
        logging.getLogger(name).handlers = [logging.StreamHandler()]
    return write


def test_a_wrong_code_of_the_orientation_is_passed_over(damaged, capfd):
    volume = read_nifti(damaged(252, "<h", 191))
    assert np.array_equal(volume.slices.shape, (3, 48, 40))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("at", "kind", "value"), [(70, "<h", -32487), (108, "<f", 7.6e18)])
def test_a_wrong_header_is_one_line_and_nothing_else(damaged, capfd, at, kind, value):
    with pytest.raises(DataError, match=r"^[^\n]*a.nii: "):
        read_nifti(damaged(at, kind, value))
    assert capfd.readouterr() == ("", "")


def test_what_holds_no_voxels_is_named():
    path = Path(nibabel.__file__).parent / "tests" / "data" / "row_major.dconn.nii"
    with pytest.raises(DataError, match=r"holds no voxels \(Cifti2Image\); export it as a volume"):
        read_nifti(path)
