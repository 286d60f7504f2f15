"""A node that is killed at every moment that matters answers every object, and each once."""

import os
import signal
import subprocess
import sys
from collections import Counter

import pytest
from pydicom import dcmread

from helpers import dicoms
from helpers.pacs import store, wait_for, write_rules

pytestmark = pytest.mark.slow

_NODE = "bmis.serve.node"
MOMENTS = {  # what is called, and whether the end comes before it or after it
    "an object is whole, but has no place": (f"{_NODE}.spool", "_settle", "before"),
    "it has its place, but nobody knows": (f"{_NODE}.spool", "_settle", "after"),
    "it is known, but not confirmed": (f"{_NODE}.spool", "Spool.add", "after"),
    "all is confirmed": (f"{_NODE}.spool", "Spool.take", "before"),
    "a series is taken": (f"{_NODE}.spool", "Spool.take", "after"),
    "its masks are made": (f"{_NODE}.spool", "Spool.finish", "before"),
    "its results are kept": (f"{_NODE}.spool", "Spool.finish", "after"),
    "a result is confirmed, but not noted": (f"{_NODE}.outbox", "Outbox._sent", "before"),
    "that is noted": (f"{_NODE}.outbox", "Outbox._sent", "after"),
}
CODE = """
import importlib, os, signal, sys
from bmis.cli.main import main
module, name, when, *argv = sys.argv[1:]
if module:
    owner = importlib.import_module(module)
    *holders, name = name.split(".")
    for holder in holders:
        owner = getattr(owner, holder)
    function = getattr(owner, name)
    def killed(*args, **options):
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        function(*args, **options)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(owner, name, killed)
sys.exit(main(argv))
"""


@pytest.fixture
def start(models, tmp_path, pacs):
    """Starts a node in a process of its own, which ends by itself at a moment; its port."""
    rules = write_rules(tmp_path, models[0], pacs.place)
    argv = ["serve", "--dicom", "0", "--peers", "CT1@127.0.0.1", "--quiet", "2"]
    argv += ["--spool", str(tmp_path / "spool"), "--rules", str(rules)]
    processes = []

    def begin(moment=("", "", "")):
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, *moment, *argv],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        processes.append(process)
        address = process.stdout.readline().split(" serves ")[0]
        return process, int(address.rpartition(":")[2])

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def test_a_node_that_is_killed_answers_every_object_once(start, pacs, tmp_path):
    objects = []
    unconfirmed = []
    for number, moment in enumerate(MOMENTS.values()):
        paths = list(
            dicoms.write_ct(tmp_path / f"{number}", slices=2, series=number + 20).iterdir()
        )
        objects += [dcmread(path).SOPInstanceUID for path in paths]
        process, port = start(moment)
        statuses = store(port, [*unconfirmed, *paths])
        assert process.wait(120) == -signal.SIGKILL
        # a sender sends again what was not confirmed
        pairs = zip([*unconfirmed, *paths], statuses, strict=True)
        unconfirmed = [path for path, status in pairs if status != 0]
    process, port = start()
    store(port, unconfirmed)
    wait_for(
        lambda: (
            Counter(uid for found in pacs.sources.values() for uid in found).total() >= len(objects)
        )
    )
    wait_for(lambda: not list((tmp_path / "spool").rglob("*.dcm")))
    process.terminate()
    assert process.wait(60) == 0
    answered = Counter(uid for found in pacs.sources.values() for uid in found)
    assert answered == Counter(objects)  # each by one segmentation
    # sent again is only what was confirmed and not noted, and it is the same object
    received = Counter(one.SOPInstanceUID for one in pacs.objects)
    assert sorted(received.values())[-2:] == [1, 2]
    copies = [one for one in pacs.objects if received[one.SOPInstanceUID] == 2]
    assert copies[0] == copies[1]
