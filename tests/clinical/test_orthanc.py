"""A PACS takes every object that is written, and gives it back unchanged."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from urllib.error import URLError

import pytest
from pydicom import dcmread

ORTHANC = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(ORTHANC is None, reason="Orthanc is not installed (Debian: orthanc)"),
]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def orthanc(tmp_path):
    """The address of a PACS of our own on the loopback."""
    port = free_port()
    settings = {
        "StorageDirectory": str(tmp_path / "pacs"),
        "IndexDirectory": str(tmp_path / "pacs"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "Plugins": [],
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
    log = (tmp_path / "log").open("wb")
    server = subprocess.Popen([ORTHANC, str(tmp_path / "orthanc.json")], stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/system", timeout=5).close()
                break
            except (URLError, OSError):
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(30)
        log.close()


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
