"""Clients of MONAI Label get masks: what they send and read, and then the client itself."""

import io
import json
import os
import subprocess
import sys

import nibabel
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from bmis.serve.app import make_app
from bmis.serve.monai_label import form as form_module
from bmis.serve.monai_label import sessions as sessions_module
from bmis.serve.monai_label.form import read_form
from bmis.serve.monai_label.sessions import Sessions
from bmis.serve.refusals import Refused
from bmis.serve.service import Service
from bmis.serve.settings import ServeSettings
from helpers import dicoms
from helpers.bodies import SEGMENT, nifti, png

INFER = "/infer/two"
TOKEN = "0123456789abcdef"


def parts_of(answer, tmp_path):
    """The parameters and the file of an answer."""
    (tmp_path / "answer").write_bytes(answer.content)
    form = read_form(tmp_path / "answer", answer.headers["content-type"], tmp_path / "parts")
    return json.loads(form.fields["params"]), form.named("image")[0].read_bytes()


def expected(client, content, kind):
    """The mask by the interface of our own."""
    return client.post(SEGMENT, content=content, headers={"accept": kind}).content


def test_the_networks_are_told(client):
    told = client.get("/info/").json()
    assert told["models"]["four"]["labels"] == {"class 1": 1, "class 2": 2, "class 3": 3}
    assert told["models"]["two"]["type"] == "segmentation"
    assert told["labels"] == ["class 1", "class 2", "class 3"]
    assert client.get("/datastore/").json() == told["datastore"]
    assert client.get("/datastore/?output=all").json() == {"objects": {}}


@pytest.mark.parametrize(("name", "classes"), [("two", 2), ("four", 4)])
def test_a_form_with_an_image_gets_its_mask(client, tmp_path, name, classes):
    sent = {"file": ("/home/jane/doe.png", png())}
    answer = client.post(f"/infer/{name}?image=doe", files=sent, data={"params": "{}"})
    told, mask = parts_of(answer, tmp_path)
    assert told["label_names"] == {f"class {n}": n for n in range(1, classes)}
    assert told["pictures"] == 1
    shown = client.post(f"/v1/segment/{name}", content=png(), headers={"accept": "image/png"})
    numbers = np.array(Image.open(io.BytesIO(shown.content)))
    image = Image.open(io.BytesIO(mask))
    assert image.mode == "L"  # other programs make colours of a palette
    assert np.array_equal(np.array(image), numbers // (255 if classes == 2 else 1))
    assert numbers.any()
    assert b'filename="mask.png"' in answer.content
    for output, kind in (("image", "image/png"), ("json", "application/json")):
        one = client.post(f"/infer/{name}?output={output}", files=sent)
        assert one.headers["content-type"] == kind
        assert one.content == mask if output == "image" else one.json() == told


def test_a_session_is_asked_again_until_it_ends(client, kept, tmp_path):
    begun = client.put("/session/", files={"files": ("v.nii.gz", nifti())}).json()
    session = begun["session_id"]
    assert client.get(f"/session/{session}").json()["name"] == session
    for name in ("one", "again"):
        answer = client.post(f"{INFER}?session_id={session}", files={"x": ("", b"")})
        (tmp_path / name).mkdir()
        _, mask = parts_of(answer, tmp_path / name)
        assert mask == expected(client, nifti(), "application/gzip")
    assert client.delete(f"/session/{session}").status_code == 200
    assert client.get(f"/session/{session}").status_code == 404
    assert client.post(f"{INFER}?session_id={session}", files={"x": ("", b"")}).status_code == 404
    assert [path for path in kept.iterdir() if path.name.startswith(".bmis")] == []


def test_a_series_of_files_is_one_segmentation(client, tmp_path):
    files = [
        ("files", (path.name, path.read_bytes()))
        for path in sorted(dicoms.write_ct(tmp_path / "ct").iterdir())
    ]
    session = client.put("/session/", files=files).json()["session_id"]
    answer = client.post(f"{INFER}?session_id={session}&output=dicom_seg", files={"x": ("", b"")})
    assert answer.headers["content-type"] == "application/dicom"
    assert answer.content[128:132] == b"DICM"


def test_few_sessions_live_and_none_for_long(client, kept, monkeypatch, tmp_path):
    client.service.sessions = Sessions(2)
    names = [
        client.put("/session/", files={"files": ("a.png", png(seed))}).json()["session_id"]
        for seed in range(2)
    ]
    client.get(f"/session/{names[0]}")  # so that the other one is older
    third = client.put("/session/", files={"files": ("a.png", png(2))}).json()["session_id"]
    found = [client.get(f"/session/{name}").status_code for name in (*names, third)]
    assert found == [200, 404, 200]
    assert len(list(kept.glob(".bmis-*"))) == 2
    later = sessions_module.time.time() + 1801
    monkeypatch.setattr(sessions_module.time, "time", lambda: later)
    client.service.sessions.remove_expired()
    assert list(kept.glob(".bmis-*")) == []


def test_a_service_that_ends_leaves_no_session(networks, kept):
    app = make_app(Service(networks, ServeSettings()))
    with TestClient(app, base_url="http://localhost") as client:
        client.put("/session/", files={"files": ("a.png", png())})
        assert len(list(kept.glob(".bmis-*"))) == 1
    assert list(kept.glob(".bmis-*")) == []


FORM = {"content-type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + png()
# name: address, body, headers, status, words of the error
WRONG = {
    "no form": (INFER, png(), {}, 415, "the body is no form"),
    "no boundary": (INFER, png(), {"content-type": "multipart/form-data"}, 415, "is no form"),
    "cut": (INFER, PART, FORM, 400, "the form ends early"),
    "garbage": (INFER, b"--c\r\n" + png(), FORM, 400, "the form cannot be read"),
    "no name": (INFER, b"--b\r\nA: b\r\n\r\nx\r\n--b--", FORM, 400, "the form cannot be read"),
    "no image": (INFER, b"--b--", FORM, 404, "no images are kept here"),
    "scribbles": (INFER, PART.replace(b'"file"', b'"label"') + b"\r\n--b--", FORM, 422,
                  "scribbles"),
    "no such session": (f"{INFER}?session_id=..", b"--b--", FORM, 404, "no such session"),
    "unknown output": (f"{INFER}?output=x", b"--b--", FORM, 400, "output must be one of"),
    "no such network": ("/infer/tow", b"--b--", FORM, 404, "did you mean 'two'"),
    "too long": (INFER, b"\0" * (2**20 + 1), FORM, 413, "more than 1048576 bytes"),
    "large field": (INFER, PART.replace(b'; filename="a.png"', b"") + b"x" * 2**16 + b"\r\n--b--",
                    FORM, 413, "a field of the form"),
    "text": (INFER, PART.partition(b"\x89PNG")[0] + b"hello\r\n--b--", FORM, 415, "not an image"),
    "nothing": (INFER, b"", FORM, 400, "the body is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_kept(client, kept, name):
    address, body, headers, status, words = WRONG[name]
    answer = client.post(address, content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]
    assert str(kept) not in answer.text
    assert list(kept.iterdir()) == []


def test_a_form_of_many_parts_is_refused(client, monkeypatch):
    monkeypatch.setattr(form_module, "_MOST", 2)
    files = [("files", (f"{n}.png", b"")) for n in range(3)]
    answer = client.put("/session/", files=files)
    assert (answer.status_code, "more than 2 parts" in answer.text) == (413, True)


def test_no_sessions_where_they_are_off(client, start):
    answer = start(sessions=0).put("/session/", files={"files": ("a.png", png())})
    assert (answer.status_code, "no sessions here" in answer.text) == (404, True)
    assert client.put("/session/", files={"x": ("a.png", png())}).status_code == 400


def test_the_password_of_a_client_is_a_token(start, tmp_path):
    (tmp_path / "tokens").write_text(TOKEN)
    client = start(token_file=str(tmp_path / "tokens"))
    assert client.get("/auth/").json() == {"enabled": True}
    for method, address in (("GET", "/info/"), ("PUT", "/session/"), ("POST", INFER),
                            ("GET", "/session/x"), ("DELETE", "/session/x"),
                            ("GET", "/auth/token/valid"), ("GET", "/datastore/")):  # fmt: skip
        assert client.request(method, address).status_code == 401, address
    wrong = client.post("/auth/token", data={"username": "jane", "password": "guess"})
    assert wrong.status_code == 401
    found = client.post("/auth/token", data={"username": "jane", "password": TOKEN}).json()
    assert found == {"access_token": TOKEN, "token_type": "bearer"}
    headers = {"authorization": f"{found['token_type']} {found['access_token']}"}
    for address in ("/auth/token/valid", "/info/"):
        assert client.get(address, headers=headers).status_code == 200
    long = client.post("/auth/token", data={"password": "x" * 5000})
    assert long.status_code == 413
    assert start().get("/auth/").json() == {"enabled": False}


def test_files_of_a_form_choose_no_place(tmp_path):
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="../../../x.dcm"\r\n\r\nx'
    (tmp_path / "body").write_bytes(body + b"\r\n--b--")
    form = read_form(tmp_path / "body", FORM["content-type"], tmp_path / "form")
    assert form.files == [("file", tmp_path / "form" / "0001.dcm")]
    (tmp_path / "body").write_bytes(body)
    with pytest.raises(Refused, match="ends early"):
        read_form(tmp_path / "body", FORM["content-type"], tmp_path / "again")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # it reads forms by `cgi`,
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # leaves files open
def test_the_client_of_monai_label_gets_masks(models, tmp_path):
    client_module = pytest.importorskip(
        "monailabel.client", reason="the client of MONAI Label is not installed (pip: monailabel)"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "bmis", "serve", models[0], "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        address, *_ = process.stdout.readline().split()
        client = client_module.MONAILabelClient(address, str(tmp_path), client_id="test")
        assert not client.auth_enabled()
        assert list(client.info()["models"]) == ["two"]
        assert client.datastore() == {"objects": {}}

        (tmp_path / "photo.png").write_bytes(png())
        path, told = client.infer("two", "photo", {}, file=str(tmp_path / "photo.png"))
        assert told["label_names"] == {"class 1": 1}
        labels = np.array(Image.open(path))
        assert labels.shape == np.array(Image.open(io.BytesIO(png()))).shape[:2]
        assert set(np.unique(labels)) <= {0, 1}

        volume = dicoms.write_nifti(tmp_path / "volume.nii.gz")
        session = client.create_session(str(volume))["session_id"]
        assert client.get_session(session)["name"] == session
        path, _ = client.infer("two", "volume", {}, session_id=session)
        mask, source = nibabel.load(path), nibabel.load(volume)
        assert mask.shape == source.shape
        assert np.array_equal(mask.affine, source.affine)
        client.remove_session(session)
        with pytest.raises(client_module.client.MONAILabelClientException):
            client.get_session(session)
    finally:
        process.kill()
        process.communicate()
