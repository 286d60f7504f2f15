"""Every way in which a request can be wrong: one line, the right status, and nothing is left."""

import asyncio
import gzip
import json
import logging
import struct
import threading

import numpy as np
import pytest

from bmis.serve import service as service_module
from bmis.serve.app import make_app
from helpers.bodies import SEGMENT, encrypted, huge_png, nifti, png, zipped

TOKEN = "0123456789abcdef"
BOMB = {"a.npy": b"\0" * 3 * 2**20}
NPY = b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,)}" + b" " * 60

# name: address, body, headers, status, words of the error
WRONG = {
    "empty": (SEGMENT, b"", {}, 400, "the body is empty"),
    "unknown include": (f"{SEGMENT}?include=mask", png(), {}, 400, "unknown include 'mask'"),
    "unknown spacing": (f"{SEGMENT}?spacing=0", png(), {}, 400, "millimetres per pixel"),
    "misspelt spacing": (f"{SEGMENT}?spacin=0.1", png(), {}, 400, "did you mean 'spacing'"),
    "long name": (f"/v1/segment/{'a' * 201}", png(), {}, 400, "name"),
    "no such network": ("/v1/segment/tow", png(), {}, 404, "did you mean 'two'"),
    "path upwards": ("/v1/segment/..%2f..%2fetc%2fpasswd", png(), {}, 404, "nothing at this"),
    "path in a name": ("/v1/segment/two.bmis", png(), {}, 404, "no network 'two.bmis'"),
    "null in a name": ("/v1/segment/two%00", png(), {}, 404, "no network"),
    "page upwards": ("/page/%2e%2e/app.py", png(), {}, 405, "does not take this method"),
    "no such kind": (SEGMENT, png(), {"accept": "text/html"}, 406, "accept application/json"),
    "no study": (SEGMENT, png(), {"accept": "application/dicom"}, 406, "of one series"),
    "one mask of many": (SEGMENT, zipped({"a.png": png(), "b.png": png(1)}),
                         {"accept": "image/png"}, 406, "there are 2 pictures"),
    "too long": (SEGMENT, b"\0" * (2**20 + 1), {}, 413, "more than 1048576 bytes"),
    "long by its word": (SEGMENT, png(), {"content-length": "9" * 30}, 413, "more than 1048576"),
    "many pixels": (SEGMENT, huge_png(200, 200), {}, 413, "40000 pixels are more than"),
    "many together": (SEGMENT, zipped({f"{n}.png": png() for n in range(9)}), {}, 413, "20160 pix"),
    "large volume": (SEGMENT, nifti((200, 200, 2), size=352), {}, 413, "80000 pixels are more"),
    "gzip of nothing": (SEGMENT, gzip.compress(b"hello"), {}, 422, "the body: "),
    "volume as segmentation": (SEGMENT, nifti(), {"accept": "application/dicom"}, 406, "no DICOM"),
    "zip bomb": (SEGMENT, zipped(BOMB), {}, 413, "unpacks to more than"),
    "form": (SEGMENT, b"--x", {"content-type": "multipart/form-data; boundary=x"}, 415,
             "curl --data-binary"),
    "packed": (SEGMENT, gzip.compress(png()), {"content-encoding": "gzip"}, 415, "as it is"),
    "text": (SEGMENT, b"hello", {}, 415, "not an image"),
    "video": (SEGMENT, b"\0\0\0\x20ftypmp42", {}, 415, "a video"),
    "no pixels": (SEGMENT, huge_png(0, 9), {}, 422, ""),
    "more than any limit": (SEGMENT, huge_png(60_000, 60_000), {}, 422, "limit"),
    "cut": (SEGMENT, png()[:99], {}, 422, "the body: truncated"),
    "pickle": (SEGMENT, NPY, {}, 422, ""),
    "cut zip": (SEGMENT, zipped({"a.png": png()})[:60], {}, 422, "the zip: truncated or damaged"),
    "encrypted zip": (SEGMENT, encrypted(), {}, 422, "the zip: is encrypted"),
    "zip of many files": (SEGMENT, zipped({f"{n}.png": b"" for n in range(5001)}), {}, 413,
                          "holds 5001 files"),
    "empty zip": (SEGMENT, zipped({}), {}, 422, "holds no file"),
    "zip of nothing": (SEGMENT, zipped({"../../a.txt": b"x"}), {}, 422, "holds no file"),
    "zip in a zip": (SEGMENT, zipped({"a.zip": zipped({"b.png": png()})}), {}, 415, "a.zip"),
    "damaged dicom": (SEGMENT, b"\0" * 128 + b"DICM" + b"\xff" * 64, {}, 422, ""),
    "dicom by its word": (SEGMENT, b"hello", {"content-type": "application/dicom"}, 422, ""),
    "foreign page": (SEGMENT, png(), {"origin": "https://example.org"}, 403, "another web page"),
    "foreign name": (SEGMENT, png(), {"host": "example.org"}, 403, "for localhost alone"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_kept(client, kept, name):
    address, body, headers, status, words = WRONG[name]
    answer = client.post(address, content=body, headers=headers)
    assert answer.status_code == status, answer.text
    found = answer.json()
    assert set(found) == {"error", "request_id"}
    assert words in found["error"]
    assert "\n" not in found["error"]
    assert str(kept) not in found["error"]
    assert "bmis-" not in found["error"]
    assert list(kept.iterdir()) == []
    assert client.post(SEGMENT, content=png()).status_code == 200


def test_other_methods_and_addresses_have_the_same_shape(client):
    for method, address, status in (
        ("GET", SEGMENT, 405),
        ("GET", "/docs", 404),
        ("PUT", "/", 405),
    ):
        answer = client.request(method, address)
        assert answer.status_code == status
        assert set(answer.json()) == {"error", "request_id"}


def test_tokens(start, tmp_path):
    (tmp_path / "tokens").write_text(f"# ward\n\n{TOKEN}\nanother token, longer\n")
    client = start("http://hospital.example", token_file=str(tmp_path / "tokens"))
    for header in (
        None,
        "",
        TOKEN,
        f"Basic {TOKEN}",
        "Bearer",
        f"Bearer {TOKEN}x",
        "Bearer # ward",
    ):
        headers = {} if header is None else {"authorization": header}
        answer = client.post(SEGMENT, content=png(), headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    right = {"authorization": "Bearer another token, longer"}
    assert client.post(SEGMENT, content=png(), headers=right).status_code == 200
    assert [client.get(at).status_code for at in ("/v1/models", "/metrics")] == [401, 401]
    assert [client.get(at).status_code for at in ("/", "/health", "/ready")] == [200, 200, 200]


def ask(client, receive, headers=()):
    """Send a request as a server of ASGI does; its status and body."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": SEGMENT, "raw_path": SEGMENT.encode(),
        "query_string": b"", "scheme": "http", "http_version": "1.1",
        "headers": [(b"host", b"127.0.0.1"), *headers],
    }  # fmt: skip
    asyncio.run(make_app(client.service)(scope, receive, send))
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent))


def test_a_body_without_end_is_cut_off_where_the_limit_is(client, kept):
    chunks = []

    async def receive():
        chunks.append(2**16)
        assert len(chunks) < 1000
        return {"type": "http.request", "body": b"\0" * 2**16, "more_body": True}

    for headers in ((), ((b"content-length", b"10"),)):  # without a word on its length, or a lie
        chunks.clear()
        status, found = ask(client, receive, headers)
        assert (status, found["error"][:22]) == (413, "the body has more than")
        assert sum(chunks) == 2**20 + 2**16 + 16 * 2**20  # the rest is dropped, for a while
    assert list(kept.iterdir()) == []


def test_a_body_that_does_not_come_is_given_up(start, kept):
    client = start(timeout=1)

    async def receive():
        await asyncio.sleep(60)

    assert ask(client, receive)[0] == 408
    assert list(kept.iterdir()) == []


def test_half_a_body_is_no_body(client, kept):
    waiting = [{"type": "http.request", "body": png()[:50], "more_body": True}]

    async def receive():
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    status, found = ask(client, receive)
    assert (status, found["error"]) == (400, "the body ended early; send it again")
    assert list(kept.iterdir()) == []


def test_a_full_queue_sends_clients_away_without_keeping_what_they_send(start, monkeypatch):
    client = start(queue=1)
    client.service.worker.gate.enter()
    with monkeypatch.context() as patch:
        patch.setattr(service_module, "private_folder", None)  # nobody asks for one
        answer = client.post(SEGMENT, content=png())
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert client.get("/ready").status_code == 503
    assert client.get("/health").status_code == 200
    client.service.worker.gate.leave()
    assert client.post(SEGMENT, content=png()).status_code == 200


def test_who_waits_too_long_is_told_and_the_place_is_free_when_the_work_ends(
    start, kept, monkeypatch
):
    client, go_on = start(timeout=1, queue=2), threading.Event()
    monkeypatch.setattr(service_module, "answer", lambda *_, **__: go_on.wait(20))
    answer = client.post(SEGMENT, content=png())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert client.post(SEGMENT, content=png()).status_code == 503  # it waited, and is dropped
    assert client.service.worker.gate.taken == 1
    assert len(list(kept.iterdir())) == 1
    go_on.set()
    client.service.worker.close()
    assert client.service.worker.gate.taken == 0
    assert list(kept.iterdir()) == []


def test_a_fault_of_the_service_is_told_without_its_words(client, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError("Doe^Jane")

    monkeypatch.setattr(service_module, "answer", fail)
    with caplog.at_level(logging.INFO, "bmis"):
        answer = client.post(SEGMENT, content=png())
    assert (answer.status_code, set(answer.json())) == (500, {"error", "request_id"})
    assert "Doe" not in answer.text + str([vars(record) for record in caplog.records])
    assert any(vars(record).get("fields", {}).get("where") for record in caplog.records)


def test_the_log_holds_no_name_and_no_content(client, clip, caplog):
    body = zipped({"Doe_Jane.dcm": clip, "Doe_Jane.png": png()[:80]})
    with caplog.at_level(logging.INFO):
        assert client.post(f"{SEGMENT}?include=picture", content=body).status_code == 200
        client.post("/v1/segment/Doe", content=body)
        client.post(f"{SEGMENT}?Doe=Doe", content=body)
    (first, *_) = [record.fields for record in caplog.records if hasattr(record, "fields")]
    assert set(first) == {"request_id", "method", "route", "status", "milliseconds", "bytes"}
    ours = [vars(record) for record in caplog.records if record.name.startswith("bmis")]
    assert "Doe" not in str(ours)


def test_damaged_bodies_by_the_dozen_are_never_the_service_s_fault(client, clip, series, kept):
    random = np.random.default_rng(0)
    for turn in range(60):
        body = bytearray((png(), clip, series)[turn % 3])
        places = random.integers(0, len(body), random.integers(1, 30))
        for place in places:
            body[place] = random.integers(0, 256)
        if turn % 5 == 0:
            del body[random.integers(0, len(body)) :]
        if turn % 7 == 0:
            body[20:28] = struct.pack(">II", *random.integers(0, 2**31, 2))
        kind = ("application/json", "image/png", "application/dicom")[turn % 4 % 3]
        status = client.post(SEGMENT, content=bytes(body), headers={"accept": kind}).status_code
        assert status in (200, 400, 406, 413, 415, 422), (turn, status)
    assert list(kept.iterdir()) == []
