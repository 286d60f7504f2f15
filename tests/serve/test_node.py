"""The DICOM node with a sender and a receiver on the loopback."""

import json
import logging
import socket
import threading
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pydicom import dcmread
from pynetdicom.association import Association

from bmis.cli.main import main
from bmis.serve.logs import JsonLines
from helpers import dicoms
from helpers.pacs import Pacs, association, store, wait_for

pytestmark = pytest.mark.slow  # a node and a peer for each test


def kept(spool):
    return sorted(path.name for path in spool.rglob("*.dcm"))


def test_a_series_comes_back_once_as_a_segmentation_that_refers_to_it(
    start_node, pacs, tmp_path, spool, caplog
):
    caplog.set_level(logging.INFO, logger="bmis")
    series = list(dicoms.write_ct(tmp_path / "ct").iterdir())
    uids = sorted(dcmread(path).SOPInstanceUID for path in series)
    with start_node(pacs.place) as node:
        assert store(node.port, series) == [0] * 4
        wait_for(lambda: pacs.objects and not kept(spool))
        assert list(pacs.sources.values()) == [uids]
        (segmentation,) = pacs.objects
        assert segmentation.PatientID == dicoms.PATIENT[1]
        # the same again, and what it sent itself: known, and confirmed
        dicoms.save(segmentation, tmp_path / "back.dcm")
        assert store(node.port, [*series, tmp_path / "back.dcm"]) == [0] * 5
        assert kept(spool) == []
        assert store(node.port, [dicoms.write_photo(tmp_path / "photo.dcm")]) == [0]
        wait_for(lambda: not kept(spool))  # no rule is of it
    assert len(pacs.objects) == 1
    log = "\n".join(map(JsonLines().format, caplog.records))
    assert log.count('"object known already"') == 5
    assert not any(word in log for word in (*dicoms.PATIENT, dicoms.ROOT))


def test_only_peers_are_let_in(start_node, pacs):
    with start_node(pacs.place, peers=("CT1@127.0.0.0/8", "US1@10.9.9.9")) as node:
        with association(node.port) as known:
            assert known.send_c_echo().Status == 0
        for names in ({"aet": "OTHER"}, {"aet": "US1"}, {"called": "OTHER"}):
            with association(node.port, **names) as one:
                assert one.is_rejected, names
    with (
        start_node(pacs.place, peers=("CT1@10.9.9.9",)) as node,
        association(node.port) as one,
    ):
        assert not one.is_established


def test_what_is_broken_becomes_a_dead_letter_and_the_rest_is_answered(
    start_node, pacs, tmp_path, spool, capsys
):
    good, bad, anonymous, *_ = map(dcmread, dicoms.write_ct(tmp_path / "ct").iterdir())
    bad.PixelData = bad.PixelData[:10]
    del anonymous.SeriesInstanceUID
    with start_node(pacs.place) as node:
        assert store(node.port, [good, bad, anonymous]) == [0, 0, 0xC000]
        wait_for(lambda: pacs.objects)
    assert list(pacs.sources.values()) == [[good.SOPInstanceUID]]
    assert main(["serve", "--dead-letters", "--spool", "nowhere"]) == 2
    assert "nowhere: no spool" in capsys.readouterr().err
    assert main(["serve", "--dead-letters", "--spool", str(spool)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    (path,) = (spool / "objects").iterdir()
    assert line.startswith(f"{path}: truncated or damaged")
    # sent again and whole, it is answered
    whole = dcmread(
        next(
            p
            for p in (tmp_path / "ct").iterdir()
            if dcmread(p).InstanceNumber == bad.InstanceNumber
        )
    )
    with start_node(pacs.place) as node:
        assert store(node.port, [whole]) == [0]
        wait_for(lambda: len(pacs.objects) == 2 and not kept(spool))
    assert [bad.SOPInstanceUID] in pacs.sources.values()


def test_a_result_waits_for_its_receiver(start_node, tmp_path, spool, capsys):
    pacs = Pacs()
    pacs.close()
    clip = dicoms.write_clip(tmp_path / "clip.dcm")
    with start_node(pacs.place, give_up=0) as node:
        store(node.port, [clip])
        list_them = ["serve", "--dead-letters", "--spool", str(spool)]
        wait_for(lambda: main(list_them) == 0 and "to there" in capsys.readouterr().out)
    with start_node(pacs.place):  # a start tries dead letters again
        pacs = Pacs(pacs.port)
        try:
            wait_for(lambda: pacs.objects and not kept(spool))
        finally:
            pacs.close()
    assert list(pacs.sources.values()) == [[dcmread(clip).SOPInstanceUID]]


class Archive(BaseHTTPRequestHandler):
    """STOW-RS that fails at first; its server has a list ``seen``."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, self.headers["Authorization"], body))
        self.send_response(503 if len(self.server.seen) == 1 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_result_goes_by_stow_and_again_if_it_fails(start_node, tmp_path, spool):
    (tmp_path / "token").write_text("secret\n")
    with HTTPServer(("127.0.0.1", 0), Archive) as server:
        server.seen = []
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/dicom-web"
        with start_node({"url": url, "token_file": str(tmp_path / "token")}) as node:
            store(node.port, [dicoms.write_clip(tmp_path / "clip.dcm")])
            wait_for(lambda: len(server.seen) == 2 and not kept(spool))
        server.shutdown()
    path, token, body = server.seen[1]
    assert (path, token) == ("/dicom-web/studies", "Bearer secret")
    assert b"DICM" in body
    assert server.seen[0] == server.seen[1]


def test_too_much_is_refused_and_nothing_of_it_stays(start_node, pacs, tmp_path, spool):
    big = dicoms.write_photo(tmp_path / "big.dcm", size=(640, 640))
    small = dicoms.write_clip(tmp_path / "clip.dcm")
    with start_node(pacs.place, object_mb=1) as node:
        assert store(node.port, [big]) == [None]
        wait_for(lambda: not kept(spool))
        assert store(node.port, [small]) == [0]
        wait_for(lambda: pacs.objects)
    with start_node(pacs.place, spool_gb=1e-6) as node:
        assert store(node.port, [dicoms.write_xray(tmp_path / "xray.dcm")]) == [0xA700]
        assert kept(spool) == []


@pytest.mark.parametrize(
    "sent", [b"", b"\1\0", b"\1\0\0\0\0\x40abc", b"\4\0\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_a_connection_that_hangs_or_lies_is_cut_off(start_node, pacs, sent):
    with start_node(pacs.place, idle=0.5, associations=1) as node:
        with socket.create_connection(("127.0.0.1", node.port), timeout=30) as one:
            one.sendall(sent)
            while one.recv(100):  # an abort, perhaps
                pass
        wait_for(lambda: store_is_possible(node.port))


@pytest.mark.parametrize("seconds", [0, 0.5])  # for which an association still counts as arriving
def test_one_address_cannot_take_all_places(start_node, pacs, monkeypatch, seconds):
    def start(association):
        threading.Thread.start(association)
        time.sleep(seconds if association.is_acceptor else 0)

    monkeypatch.setattr(Association, "start", start)
    places = {"associations": 4, "idle": 9, "peers": ("CT1@127.0.0.0/8",)}
    with start_node(pacs.place, **places) as node, ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", node.port), timeout=30))
            for _ in range(4)
        ]
        assert silent.pop().recv(1) == b""
        for one in silent:
            one.setblocking(False)
            with pytest.raises(BlockingIOError):  # it is still open
                one.recv(1)
        with association(node.port, address="127.0.0.2") as other:
            assert other.is_established


def store_is_possible(port):
    with association(port) as one:
        return one.is_established


DESTINATIONS = "destinations: [{name: pacs, aet: PACS, host: h, port: 4242}]\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2]", "give destinations and rules"),
        ("destinations: []\nrules: []", "destinations"),
        (
            "destinations: [{name: a}]\nrules: [{network: n, send_to: [a]}]",
            "give aet, host and port",
        ),
        (DESTINATIONS + "rules: [{network: n, send_to: [pac]}]", "unknown destination 'pac'"),
        (DESTINATIONS + "rules: [{network: n, send_to: [pacs], modalty: CT}]", "modalty"),
        (
            DESTINATIONS + "rules: [{network: n, send_to: [pacs], clinical: {outputs: [csv]}}]",
            "must be some of seg, sr, sc",
        ),
        (
            "destinations: [{name: a, url: 'http://pacs', token_file: t}]\n"
            "rules: [{network: n, send_to: [a]}]",
            "needs https",
        ),
        (DESTINATIONS + "rules: [{network: no-such, send_to: [pacs]}]", "no-such"),
    ],
)
def test_rules_that_are_wrong_are_said_in_one_line(text, words, tmp_path, capsys):
    (tmp_path / "rules.yaml").write_text(text)
    argv = ["--spool", str(tmp_path / "s"), "--rules", str(tmp_path / "rules.yaml")]
    assert main(["serve", "--dicom", "0", "--peers", "CT1@127.0.0.1", *argv]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "loading" not in line]
    assert words in line


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "needs --spool"),
        (["nuclei"], "takes its networks from --rules"),
        (["--aet", "x" * 17], "an AE title, 1 to 16 characters"),
        (["--spool", "s", "--rules", "r.yaml", "--peers", "CT1"], "r.yaml"),
    ],
)
def test_what_a_node_lacks_is_said_in_one_line(argv, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["serve", "--dicom", "0", *argv]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_the_log_is_json(caplog):
    from bmis.serve.node.logs import log_error

    try:
        raise ValueError("Doe^Jane")
    except ValueError as error:
        log_error(error)
    (record,) = caplog.records
    fields = json.loads(JsonLines().format(record))
    assert fields["error"] == "ValueError"
    assert "Doe" not in str(fields)
