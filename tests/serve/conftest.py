"""A service with two tiny networks and small limits, and what tests send to it."""

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager

import pytest
from fastapi.testclient import TestClient

from bmis.serve.app import make_app
from bmis.serve.networks import load_networks
from bmis.serve.node.node import Node
from bmis.serve.node.settings import NodeSettings
from bmis.serve.service import Service
from bmis.serve.settings import ServeSettings
from helpers import dicoms
from helpers.bodies import zipped
from helpers.browser import chromium
from helpers.bundles import write_tiny
from helpers.pacs import Pacs, write_rules

OWN = "http://127.0.0.1:8000"


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Bundles of two and of four classes."""
    root = tmp_path_factory.mktemp("bundles")
    return [str(write_tiny(root / "two.bmis")), str(write_tiny(root / "four.bmis", classes=4))]


@pytest.fixture(scope="session")
def networks(models):
    return load_networks(models)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The folder where bodies lie for as long as they are needed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def start(networks, kept):
    """Starts a service with some settings; gives a client of it, which has ``service``."""
    clients = []

    def begin(base_url=OWN, **settings):
        limits = {"max_mb": 1, "max_pixels": 20_000, **settings}
        service = Service(networks, ServeSettings(**limits))
        client = TestClient(make_app(service), base_url=base_url)
        client.service = service
        clients.append(client)
        return client.__enter__()

    yield begin
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(start):
    return start()


@pytest.fixture
def spool(tmp_path):
    """Where the spool of a node lies."""
    return tmp_path / "spool"


@pytest.fixture
def pacs():
    one = Pacs()
    yield one
    one.close()


@pytest.fixture
def start_node(models, tmp_path, spool):
    """Starts a node that answers CT and US, and stops it at the end of the block."""

    @contextmanager
    def begin(destination, **settings):
        rules = write_rules(tmp_path, models[0], destination, ("CT", "US"))
        usual = {"peers": ("CT1@127.0.0.1",), "quiet": 0, "retry": 0.05, "idle": 20}
        one = Node(NodeSettings(0, spool=spool, rules=rules, **{**usual, **settings}))
        one.start()
        try:
            yield one
        finally:
            one.stop()

    return begin


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """An ultrasound clip of three frames."""
    return dicoms.write_clip(tmp_path_factory.mktemp("dicom") / "clip.dcm").read_bytes()


@pytest.fixture(scope="session")
def series(tmp_path_factory):
    """A zip of a series of four slices."""
    folder = dicoms.write_ct(tmp_path_factory.mktemp("dicom") / "ct")
    return zipped({f"ct/{path.name}": path.read_bytes() for path in folder.iterdir()})


@pytest.fixture
def address(tmp_path):
    """A service in a process of its own, that asks for a token."""
    (tmp_path / "tokens").write_text("0123456789abcdef\n")
    argv = ["serve", "colonoscopy", "dermoscopy", "--port", "0"]
    argv += ["--token-file", str(tmp_path / "tokens")]
    process = subprocess.Popen(
        [sys.executable, "-m", "bmis", *argv],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ},
    )  # fmt: skip
    with process:
        yield process.stdout.readline().split()[0]
        process.terminate()


@pytest.fixture
def browser():
    """A browser with a camera that is none."""
    with chromium(
        "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"
    ) as started:
        yield started
