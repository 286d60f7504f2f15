"""A PACS takes every object that is written, and gives it back unchanged."""

import json
import urllib.request

import pytest
from pydicom import dcmread

from helpers.orthanc import NEEDS_ORTHANC, run_orthanc

pytestmark = [pytest.mark.slow, NEEDS_ORTHANC]


@pytest.fixture
def orthanc(tmp_path):
    with run_orthanc(tmp_path) as address:
        yield address


def test_objects_are_stored_and_fetched_unchanged(study, predict, orthanc):
    done, _ = predict(
        study / "us.dcm", study / "ct", study / "skin.dcm", outputs=("seg", "sr", "sc")
    )
    written = [path for path in done.written if path.suffix == ".dcm"]
    assert len(written) == 3 + 3 + 8
    for path in written:
        request = urllib.request.Request(f"{orthanc}/instances", data=path.read_bytes())
        with urllib.request.urlopen(request, timeout=60) as answer:
            stored = json.load(answer)
        assert stored["Status"] == "Success"
        with urllib.request.urlopen(f"{orthanc}/instances/{stored['ID']}/file") as answer:
            assert answer.read() == path.read_bytes()
        with urllib.request.urlopen(f"{orthanc}/instances/{stored['ID']}/tags?simplify") as answer:
            assert json.load(answer)["SOPInstanceUID"] == dcmread(path).SOPInstanceUID
