"""What a service answers where nothing is wrong."""

import base64
import io
from itertools import pairwise

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image

from bmis.cli.main import main
from bmis.importing.run_lengths import decode_runs
from bmis.predict.mask import DOES_NOT_HOLD, Mask
from bmis.serve import answers
from helpers import dicoms
from helpers.bodies import SEGMENT, png, zipped

DICOM = {"accept": "application/dicom"}


def mask_of(region):
    return decode_runs(region["rle"]["counts"], region["rle"]["size"], by_columns=True)


def area(polygons):
    """The area inside rings, holes taken off: they run the other way round."""
    rings = [ring for polygon in polygons for ring in polygon]
    return sum(a[0] * b[1] - b[0] * a[1] for ring in rings for a, b in pairwise(ring)) / 2


@pytest.mark.parametrize("number", [0, 1], ids=["two classes", "four"])
def test_the_png_is_that_of_bmis_predict(client, models, number, tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(png())
    out = tmp_path / "masks"
    assert main(["predict", models[number], str(tmp_path / "a.png"), "--out", str(out)]) == 0
    name = ("two", "four")[number]
    answer = client.post(f"/v1/segment/{name}", content=png(), headers={"accept": "image/png"})
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == (out / "a.png").read_bytes()


def test_json_holds_the_same_mask_three_times_and_what_was_measured(client):
    headers = {"accept": "image/png"}
    labels = Image.open(
        io.BytesIO(client.post("/v1/segment/four", content=png(), headers=headers).content)
    )
    address = "/v1/segment/four?spacing=0.5,2&include=picture,probability"
    answer = client.post(address, content=png()).json()
    (found,) = answer["pictures"]
    assert answer["classes"] == ["background", "class 1", "class 2", "class 3"]
    assert (found["height"], found["width"], found["spacing"]) == (40, 56, [0.5, 2])
    for region in found["regions"]:
        inside = np.array(labels) == region["label"]
        assert np.array_equal(mask_of(region), inside)
        assert area(region["polygons"]) == region["area_px"] == region["area_mm2"] == inside.sum()
        assert region["objects"] == len(region["polygons"])
        sure = np.array(Image.open(io.BytesIO(base64.b64decode(region["probability"]))))
        assert sure[inside].min(initial=255) >= 255 // 4  # the likeliest of four
    shown = Image.open(io.BytesIO(base64.b64decode(found["picture"])))
    assert np.array_equal(shown, Image.open(io.BytesIO(png())))


def test_a_mask_that_is_too_ragged_has_run_lengths_alone(client, monkeypatch):
    monkeypatch.setattr(answers, "_MOST_RUNS", 1)
    (found,) = client.post(SEGMENT, content=png()).json()["pictures"][0]["regions"]
    assert (found["polygons"], found["objects"] > 0) == (None, True)
    assert mask_of(found).sum() == found["area_px"]


def test_a_clip_is_answered_frame_by_frame_and_as_segmentation(client, clip):
    answer = client.post(f"{SEGMENT}?include=picture", content=clip).json()
    assert [found["name"] for found in answer["pictures"]] == ["0001", "0002", "0003"]
    assert answer["pictures"][0]["spacing"] == [0.1, 0.05]
    assert answer["pictures"][0]["picture"]
    seg = pydicom.dcmread(io.BytesIO(client.post(SEGMENT, content=clip, headers=DICOM).content))
    shown = [mask_of(found["regions"][0]) for found in answer["pictures"]]
    frames = seg.pixel_array.reshape(-1, 64, 80) > 0
    assert np.array_equal(frames, [mask for mask in shown if mask.any()])
    assert seg.PatientName == "Doe^Jane"


def test_a_zip_of_a_series_gives_one_segmentation_in_space(client, series):
    seg = pydicom.dcmread(io.BytesIO(client.post(SEGMENT, content=series, headers=DICOM).content))
    assert len(seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == 4
    assert "FrameOfReferenceUID" in seg


def test_of_a_zip_the_bad_files_are_told_and_the_others_done(client, clip):
    files = {
        "a.png": png(),
        "sub/clip.dcm": clip,
        "b.png": png()[:90],
        "notes.txt": b"x",
        ".c": b"",
    }
    answer = client.post(SEGMENT, content=zipped(files)).json()
    good = [found["name"] for found in answer["pictures"] if found["error"] is None]
    assert good == ["a.png", "0001", "0002", "0003"]
    (bad,) = (found for found in answer["pictures"] if found["error"])
    assert bad["name"] == "b.png"
    assert bad["error"].startswith("b.png: truncated")


def test_the_networks_say_what_they_mark(client):
    first = client.get("/v1/models").json()["models"][0]
    assert (first["name"], first["classes"]) == ("two", ["background", "class 1"])


def test_health_readiness_and_counters(client):
    client.post(SEGMENT, content=png())
    client.post("/v1/segment/secret-name", content=png())
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"status": "ready"}
    text = client.get("/metrics").text
    assert 'bmis_requests_total{route="/v1/segment/{name}",status="200"} 1.0' in text
    assert 'bmis_pictures_total{model="two"} 1.0' in text
    assert "bmis_waiting 0.0" in text
    assert "secret-name" not in text


def test_the_interface_is_described_with_examples(client):
    document = client.get("/openapi.json").json()
    answers = document["paths"]["/v1/segment/{name}"]["post"]["responses"]
    assert set(answers) == {
        "200",
        *map(str, (400, 401, 403, 404, 406, 408, 413, 415, 422, 429, 503)),
    }
    name = document["paths"]["/v1/segment/{name}"]["post"]["parameters"][0]
    assert name["schema"]["enum"] == ["two", "four"]
    known = document["components"]["schemas"]
    for answer in answers.values():
        content = answer["content"]["application/json"]
        properties = known[content["schema"]["$ref"].rpartition("/")[2]]["properties"]
        assert set(content["example"]) == set(properties)


def test_all_statuses_of_all_addresses_are_described(client):
    paths = client.get("/openapi.json").json()["paths"]
    found = {
        (path, method): set(operation["responses"])
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    open_to_all = {("/health", "get"), ("/ready", "get"), ("/auth/", "get")}
    for address, statuses in found.items():
        assert ({"401", "403"} <= statuses) is (address not in open_to_all), address
    assert found["/infer/{name}", "post"] == found["/v1/segment/{name}", "post"]
    assert found["/session/{session_id}", "delete"] == {"200", "401", "403", "404"}
    begin = found["/session/", "put"]
    assert begin == found["/infer/{name}", "post"] - {"406"}
    for address, sent, status in (
        (f"{SEGMENT}?include=picture,", png(), "400"),
        (f"{SEGMENT}?spacing=1_0", png(), "400"),
        ("/infer/two?output=x", b"", "400"),
    ):
        assert str(client.post(address, content=sent).status_code) == status


def test_a_token_is_described_where_one_is_needed(client, start, tmp_path):
    (tmp_path / "tokens").write_text("0123456789abcdef")
    guarded = start(token_file=str(tmp_path / "tokens"))
    for one, needed in ((client, False), (guarded, True)):
        paths = one.get("/openapi.json").json()["paths"]
        for path in ("/v1/segment/{name}", "/infer/{name}"):
            assert ("security" in paths[path]["post"]) is needed
        assert "security" not in paths["/health"]["get"]


def test_what_an_address_takes_is_told_with_all_its_methods(client):
    allowed = {"/session/0": "DELETE, GET", SEGMENT: "POST", "/": "GET"}
    for address, methods in allowed.items():
        answer = client.options(address)
        assert (answer.status_code, answer.headers["allow"].replace("HEAD, ", "")) == (405, methods)


def test_every_answer_carries_its_number_and_forbids_foreign_scripts(client):
    for answer in (client.get("/"), client.get("/no"), client.get("/health")):
        assert len(answer.headers["x-request-id"]) == 16
        assert "script-src 'self';" in answer.headers["content-security-policy"]
    assert (
        "access-control-allow-origin" not in client.get("/health", headers={"origin": "x"}).headers
    )
    given = {"x-request-id": "0123456789abcdef"}
    assert client.get("/health", headers=given).headers["x-request-id"] == given["x-request-id"]
    named = {"x-request-id": "Doe^Jane"}
    assert client.get("/health", headers=named).headers["x-request-id"] != "Doe^Jane"


@pytest.mark.parametrize("body", ["packed", "plain", "zip"])
def test_a_volume_comes_back_on_its_own_grid(client, tmp_path, body):
    path = dicoms.write_nifti(tmp_path / f"volume.nii{'' if body == 'plain' else '.gz'}")
    content = zipped({"a/v.nii.gz": path.read_bytes()}) if body == "zip" else path.read_bytes()
    answer = client.post(SEGMENT, content=content, headers={"accept": "application/gzip"})
    assert answer.headers["content-type"] == "application/gzip"
    (tmp_path / "mask.nii.gz").write_bytes(answer.content)
    mask, source = nibabel.load(tmp_path / "mask.nii.gz"), nibabel.load(path)
    assert np.array_equal(mask.affine, source.affine)
    slices = client.post(SEGMENT, content=content).json()["pictures"]
    assert [found["spacing"] for found in slices] == [[0.5, 0.8]] * 3
    areas = [found["regions"][0]["area_px"] for found in slices]
    assert areas == (np.asarray(mask.dataobj) > 0).sum((0, 1)).tolist()
    assert sum(areas) > 0


def test_the_answer_says_where_the_expected_dice_does_not_hold(networks):
    labels = np.ones((2, 3), np.uint8)
    found = [
        answers.describe("a", Mask(labels, ood_score=score, expected_dice=0.9), networks[0].info)
        for score in (0.5, 1.5)
    ]
    assert [one.expected_dice_note for one in found] == [None, DOES_NOT_HOLD]
