"""A real PACS sends series to the node, and gets segmentations that belong to them."""

import json
import re
import urllib.request
from pathlib import Path

import pytest
from pydicom import dcmread

from bmis.serve.node.node import Node
from bmis.serve.node.settings import NodeSettings
from helpers import dicoms
from helpers.orthanc import NEEDS_ORTHANC, NEEDS_ORTHANC_DICOMWEB, free_port, run_orthanc
from helpers.pacs import wait_for, write_rules

pytestmark = [pytest.mark.slow, NEEDS_ORTHANC, NEEDS_ORTHANC_DICOMWEB]
SERIES = 20
DOCS = Path(__file__).parents[2] / "docs/how-to/serve-dicom.md"


def ask(address, body=None):
    """What Orthanc answers to GET, or to POST of a body."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(address, data), timeout=60) as answer:
        return json.load(answer)


@pytest.mark.parametrize("way", ["C-STORE", "STOW-RS"])
def test_every_series_gets_its_segmentation(way, models, tmp_path):
    dicom, node_port = free_port(), free_port()
    settings = {
        "DicomServerEnabled": True,
        "DicomPort": dicom,
        "DicomAet": "ORTHANC",
        "DicomModalities": {"bmis": ["BMIS", "127.0.0.1", node_port]},
        "DicomWeb": {"Enable": True},
        "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
    }
    by_script = way == "C-STORE"
    if by_script:
        (script,) = re.findall(r"```lua\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
        (tmp_path / "send.lua").write_text(script, encoding="utf-8")
        settings |= {"LuaScripts": [str(tmp_path / "send.lua")], "StableAge": 1}
    with run_orthanc(tmp_path, **settings) as orthanc:
        there = {"aet": "ORTHANC", "host": "127.0.0.1", "port": dicom}
        there = there if by_script else {"url": f"{orthanc}/dicom-web"}
        rules = write_rules(tmp_path, models[0], there, ["CT"])
        node = Node(
            NodeSettings(
                node_port, spool=tmp_path / "spool", rules=rules,
                peers=("ORTHANC@127.0.0.1",), quiet=1,
            )
        )  # fmt: skip
        node.start()
        try:
            sources = {}
            for number in range(SERIES):
                folder = dicoms.write_ct(tmp_path / f"{number}", slices=3, series=100 + number)
                kept = [ask(f"{orthanc}/instances", path.read_bytes()) for path in folder.iterdir()]
                uids = {dcmread(path).SOPInstanceUID for path in folder.iterdir()}
                sources[kept[0]["ParentSeries"]] = uids
            for series in sources if not by_script else ():
                ask(f"{orthanc}/modalities/bmis/store", [series])
            found = wait_for(lambda: segmentations(orthanc, SERIES), seconds=240)
        finally:
            node.stop()
        referred = []
        for instance in found:
            assert ask(f"{orthanc}/instances/{instance}/patient")["MainDicomTags"]["PatientID"]
            tags = ask(f"{orthanc}/instances/{instance}/tags?simplify")
            assert tags["StudyInstanceUID"] == f"{dicoms.ROOT}.9"
            (one,) = tags["ReferencedSeriesSequence"]
            items = one["ReferencedInstanceSequence"]
            referred.append({item["ReferencedSOPInstanceUID"] for item in items})
        assert sorted(map(sorted, referred)) == sorted(map(sorted, sources.values()))


def segmentations(orthanc, count):
    """The segmentations that Orthanc holds, once there are so many."""
    query = {"Level": "Instance", "Query": {"Modality": "SEG"}}
    found = ask(f"{orthanc}/tools/find", query)
    return found if len(found) >= count else None
