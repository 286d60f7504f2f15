"""Errors of a node itself, of its senders and of its receivers cost no other object anything."""

import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pydicom import dcmread

from bmis.serve.node import node as node_module
from bmis.serve.node.rules import Destination
from bmis.serve.node.send import send
from bmis.serve.node.settings import NodeSettings
from bmis.serve.node.spool import Spool
from helpers import dicoms
from helpers.pacs import Pacs, association, store, wait_for

pytestmark = pytest.mark.slow  # a node or a peer for each test


def test_what_is_not_what_was_announced_is_refused(start_node, pacs, tmp_path, spool):
    path = dicoms.write_clip(tmp_path / "clip.dcm")
    clip = dcmread(path)
    clip.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    clip.save_as(path, enforce_file_format=False)
    with start_node(pacs.place) as node, association(node.port) as one:
        assert one.send_c_store(path).Status == 0xC000  # as the file says, before its data
        assert not list(spool.rglob("*.dcm"))


def test_an_error_of_the_node_itself_costs_no_series(
    start_node, pacs, tmp_path, spool, monkeypatch
):
    tries, finish, add = [], Spool.finish, Spool.add

    def fail_at_first(self, *args):
        tries.append(args)
        if len(tries) < 8:
            raise OSError("No space left on device")
        finish(self, *args)

    def refuse_once(self, *args):
        monkeypatch.setattr(Spool, "add", add)
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(node_module, "_AFTER_ERROR", 0.01)
    monkeypatch.setattr(Spool, "finish", fail_at_first)
    monkeypatch.setattr(Spool, "add", refuse_once)
    clip = dicoms.write_clip(tmp_path / "clip.dcm")
    with start_node(pacs.place) as node:
        assert store(node.port, [clip, clip]) == [0xA700, 0]
        wait_for(lambda: pacs.objects and not list(spool.rglob("*.dcm")))
    assert len(tries) == 8


def test_a_result_that_a_receiver_hangs_up_on_holds_up_no_other(start_node, tmp_path, spool):
    clips = [dicoms.write_clip(tmp_path / "0.dcm"), dicoms.write_xray(tmp_path / "1.dcm")]
    for number, path in enumerate(clips):
        clip = dcmread(path)
        clip.SOPInstanceUID = clip.file_meta.MediaStorageSOPInstanceUID = f"1.2.{number}"
        clip.SeriesInstanceUID, clip.Modality = f"1.3.{number}", "US"
        clip.save_as(path)
    pacs = Pacs()
    away = {**pacs.place, "port": 1}
    with start_node(away) as node:
        assert store(node.port, clips) == [0, 0]
        wait_for(lambda: len(list((spool / "results").iterdir())) == 2)
    first = Spool(spool, limit=1).database.rows("SELECT uid FROM results ORDER BY came")[0][0]
    pacs.close()
    pacs = Pacs(hated=first)
    try:
        with start_node(pacs.place):
            wait_for(lambda: pacs.objects)
            wait_for(lambda: len(list((spool / "results").iterdir())) == 1)
        pacs_of_later = [one.SOPInstanceUID for one in pacs.objects]
    finally:
        pacs.close()
    assert first not in pacs_of_later


def test_what_was_not_tried_is_not_charged(tmp_path):
    paths = [dicoms.write_photo(tmp_path / f"{n}.dcm", instance=n) for n in range(1, 4)]
    pacs = Pacs(hated=dcmread(paths[0]).SOPInstanceUID)
    try:
        found = list(send(paths, Destination("there", **pacs.place), NodeSettings(idle=20)))
    finally:
        pacs.close()
    assert [path for path, _ in found] == paths[:1]


def test_a_result_that_is_damaged_holds_up_no_other(tmp_path):
    good, bad = dicoms.write_clip(tmp_path / "good.dcm"), tmp_path / "bad.dcm"
    bad.write_bytes(b"\0" * 200)
    pacs = Pacs()
    try:
        there = Destination("there", **pacs.place)
        found = dict(send([bad, good], there, NodeSettings(idle=20)))
        assert found == {bad: "is damaged; remove it", good: None}
    finally:
        pacs.close()


def test_an_archive_that_refuses_one_object_gets_the_others(tmp_path):
    class Picky(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.seen.append(body)
            self.send_response({1: 409, 3: 503}.get(len(self.server.seen), 200))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    paths = [dicoms.write_photo(tmp_path / f"{n}.dcm", instance=n) for n in range(1, 6)]
    with HTTPServer(("127.0.0.1", 0), Picky) as server:
        server.seen = []
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        there = Destination("there", url=f"http://127.0.0.1:{server.server_port}/dicom-web")
        found = [(path, why and why[:3]) for path, why in send(paths, there, NodeSettings(idle=5))]
        server.shutdown()
    # the third answer is of the archive, not of the object: nothing is tried after it
    assert found == [(paths[0], "409"), (paths[1], None), (paths[2], "HTT")]
