"""A PACS of our own on the loopback, where it is installed."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest

ORTHANC = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
NEEDS_ORTHANC = pytest.mark.skipif(
    ORTHANC is None, reason="Orthanc is not installed (Debian: orthanc)"
)
NEEDS_ORTHANC_DICOMWEB = pytest.mark.skipif(
    not DICOMWEB.exists(), reason="Orthanc's DICOMweb is not installed (Debian: orthanc-dicomweb)"
)


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def run_orthanc(folder, **settings):
    """The address of an Orthanc that keeps all it has in a folder."""
    port = free_port()
    usual = {
        "StorageDirectory": str(folder / "pacs"),
        "IndexDirectory": str(folder / "pacs"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps({**usual, **settings}), encoding="utf-8")
    log = (folder / "log").open("wb")
    server = subprocess.Popen([ORTHANC, str(folder / "orthanc.json")], stdout=log, stderr=log)
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
