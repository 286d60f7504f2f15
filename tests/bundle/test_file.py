"""What is written comes back the same; a bundle with anything wrong is refused."""

import dataclasses
import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from bmis.bundle import Graph, Manifest, read_bundle, write_bundle
from bmis.bundle.manifest import FILES
from bmis.config import InputSpec
from bmis.errors import BundleError, ConfigError, DataError
from helpers.bundles import CARD, manifest, onnx_bytes, rezip, unzip, write_tiny


@pytest.fixture
def path(tmp_path):
    return write_tiny(tmp_path / "lesion.bmis", int8=True)


def refused(path, match):
    with pytest.raises(BundleError, match=match) as caught:
        read_bundle(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def rewrite(path, change, **options):
    """Change the manifest (``content``) or what a bundle holds (``members``), with right hashes."""
    content, members = unzip(path.read_bytes())
    other = change(content, members)
    path.write_bytes(rezip(content if other is None else other, members, **options))
    return path


def test_what_is_written_is_read(path):
    bundle = read_bundle(path)
    made = manifest(int8=True)
    assert bundle.path == path
    assert bundle.manifest.to_dict() == made.to_dict()
    assert isinstance(bundle.manifest.graphs[0], Graph)
    assert bundle.manifest.info.input == InputSpec((32, 48), 3)
    assert bundle.card == CARD
    assert bundle.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    for precision in ("float32", "int8"):
        graph = bundle.find("onnx", precision)
        assert graph.precision == precision
        assert bundle.read(graph.file) == onnx_bytes(int8=precision == "int8")
    assert bundle.find("openvino", "float32") is None


def test_the_same_content_gives_the_same_bytes(path, tmp_path):
    again = write_tiny(tmp_path / "again.bmis", int8=True)
    assert again.read_bytes() == path.read_bytes()
    assert write_tiny(tmp_path / "other.bmis", seed=1).read_bytes() != path.read_bytes()


def test_a_fixed_size_comes_back(tmp_path):
    bundle = read_bundle(write_tiny(tmp_path / "fixed.bmis", size=(64, 32)))
    assert bundle.manifest.graphs[0].size == (64, 32)
    assert bundle.manifest.info.input.size == (64, 32)


def test_a_bundle_may_hold_nothing_but_int8(tmp_path):
    graphs = (Graph("model.int8.onnx", "onnx", "int8"),)
    bundle = read_bundle(write_tiny(tmp_path / "small.bmis", graphs=graphs))
    assert [graph.precision for graph in bundle.manifest.graphs] == ["int8"]
    assert bundle.find("onnx", "float32") is None


def test_what_could_not_be_read_is_not_written(tmp_path):
    path = tmp_path / "lesion.bmis"
    with pytest.raises(BundleError, match=r"lesion.bmis: has no model.onnx, which its manifest"):
        write_bundle(path, manifest(), {}, CARD)
    with pytest.raises(BundleError, match=r"'model.pte' belongs to no graph"):
        write_bundle(path, manifest(), {"model.onnx": onnx_bytes(), "model.pte": b"x"}, CARD)
    with pytest.raises(ConfigError, match="plain finite values"):
        write_bundle(path, manifest(quality={"dice": float("nan")}), {}, CARD)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named_before_it_is_half_written(tmp_path):
    with pytest.raises(DataError, match="cannot be written"):
        write_tiny(tmp_path / "nowhere" / "lesion.bmis")


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), os.mkfifo])
def test_what_is_no_file_is_refused(tmp_path, make):
    make(tmp_path / "lesion.bmis")
    refused(tmp_path / "lesion.bmis", "no such file; name a .bmis file")


def test_a_file_that_may_not_be_read_is_refused(path, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", denied)
    refused(path, "cannot be read .Permission denied.; check its rights")


def test_a_member_that_changed_since_it_was_checked_is_not_given_out(path, tmp_path):
    bundle = read_bundle(path)
    path.write_bytes(write_tiny(tmp_path / "other.bmis", seed=1, int8=True).read_bytes())
    with pytest.raises(BundleError, match=r"model.onnx was changed while it was in use"):
        bundle.read("model.onnx")
    assert bundle.read("MODEL_CARD.md").decode() == CARD


def test_a_member_that_is_not_there_is_refused(path):
    with pytest.raises(BundleError, match=r"has no model.pte"):
        read_bundle(path).read("model.pte")
    with pytest.raises(BundleError, match=r"manifest.json was changed"):
        read_bundle(path).read("manifest.json")


def test_a_wrong_hash_or_size_is_refused(path):
    def lie(content, members):
        content["members"]["model.onnx"]["sha256"] = "0" * 64

    def shorten(content, members):
        members["MODEL_CARD.md"] = members["MODEL_CARD.md"][:-1]

    original = path.read_bytes()
    refused(rewrite(path, lie, promise=False), "model.onnx is not what the manifest promises")
    path.write_bytes(original)
    refused(rewrite(path, shorten, promise=False), "MODEL_CARD.md is not what the manifest")


def test_a_card_that_is_no_text_or_too_long_is_refused(path):
    def noise(content, members):
        members["MODEL_CARD.md"] = b"\xff\xfe"

    def long(content, members):
        members["MODEL_CARD.md"] = os.urandom(1 << 20) + b"!"

    original = path.read_bytes()
    refused(rewrite(path, noise), "MODEL_CARD.md is not UTF-8 text")
    path.write_bytes(original)
    refused(rewrite(path, long), "MODEL_CARD.md has 1048577 bytes, the limit is 1048576")


def test_members_and_manifest_must_name_the_same_files(path):
    original = path.read_bytes()
    refused(rewrite(path, lambda s, m: m.pop("model.int8.onnx") and None), "has no model.int8.onnx")
    path.write_bytes(original)
    refused(rewrite(path, lambda s, m: m.pop("MODEL_CARD.md") and None), "has no MODEL_CARD.md")
    path.write_bytes(original)
    refused(rewrite(path, lambda s, m: m.update(notes=b"x")), "'notes' belongs to no graph")
    path.write_bytes(original)
    refused(
        rewrite(path, lambda s, m: s["members"].pop("model.onnx") and None, promise=False),
        "has no model.onnx, which its manifest names",
    )


def test_a_newer_version_asks_for_a_newer_bmis(path):
    def newer(content, members):
        members["model.new"] = b"whatever"
        content.update(format_version=3, graphs="of another kind")

    refused(rewrite(path, newer), "format version 3, this bmis reads up to 2; update bmis")


def graph(**changes):
    def change(content, members):
        content["graphs"][0].update(changes)

    return change


def top(**changes):
    def change(content, members):
        content.update(changes)

    return change


def within(part, **changes):
    def change(content, members):
        content["info"][part].update(changes)

    return change


WRONG = {
    "no format": (top(format="other"), "its manifest.json is not of bmis"),
    "no version": (top(format_version=None), "has no format_version"),
    "a version that is text": (top(format_version="1"), "has no format_version"),
    "an unknown name": (top(strides=8), "unknown setting 'strides' of Manifest"),
    "stride 0": (top(stride=0), "stride must be a whole number"),
    "stride true": (top(stride=True), "stride must be a whole number from 1 to 1024, got True"),
    "a stride that does not fit": (top(stride=7), "the input 32x48 is no multiple of 7"),
    "a fraction of a weight": (top(parameters=1.5), "parameters must be a whole number"),
    "negative work": (top(macs=-1), "macs must be a whole number"),
    "no graphs": (top(graphs=[]), "has no graph of a network"),
    "graphs that are a number": (top(graphs=3), "cannot be used"),
    "a graph that is text": (top(graphs=["model.onnx"]), r"graphs\[0\] must be names and values"),
    "another file": (graph(file="other.onnx"), "graph in float32 is model.onnx, got 'other.onnx'"),
    "another format": (graph(format="pickle"), "unknown format 'pickle'"),
    "another precision": (graph(precision="int4"), "unknown precision 'int4'"),
    "no such pair": (graph(format="litert", precision="int8"), "there is no litert graph in int8"),
    "a graph twice": (
        graph(precision="int8", file="model.int8.onnx"),
        "must differ in format or precision",
    ),
    "a graph of another size": (graph(size=[64, 64]), "both must be the same"),
    "a graph of one side": (graph(size=[64]), "size must be"),
    "a check in words": (
        graph(check={"dice": "good"}),
        "check must be names with finite numbers, got {'dice': 'good'}",
    ),
    "a check that is a list": (
        graph(check=[1]),
        "check must be names with finite numbers, got .1.",
    ),
    "one colour": (top(colours=[[1, 2, 3]]), "colours must be"),
    "colours too bright": (top(colours=[[0, 0, 0], [256, 0, 0]]), "colours must be"),
    "colours by name": (top(colours=["red", "blue"]), "colours must be"),
    "quality in words": (top(quality="good"), "quality must be names"),
    "no info": (top(info=None), "info must be names and values, got None"),
    "many channels": (within("input", channels=99), "channels must be a number from 1 to 32"),
    "a mean in words": (within("input", mean=["a", "b", "c"]), "cannot be used"),
    "std next to nothing": (
        within("input", std=[1e-9, 1, 1]),
        "std must be numbers of 1e-6 or more",
    ),
    "a mean beyond all": (within("input", mean=[1e30, 1, 1]), "below a million"),
    "an unknown resize rule": (within("input", resize=["squash"]), "unknown resize"),
    "an enormous input": (within("input", size=[10**9, 10**9]), "size must be"),
    "too many classes": (within("model", num_classes=10**9), "2 class names for 1000000000"),
    "true channels": (within("model", in_channels=3.0), "in_channels must be a whole number"),
    "options that are a list": (within("model", options=[]), "options must be names"),
    "a name that is a number": (within("model", name=7), "name must be text"),
    "a name that moves the cursor": (within("model", name="\x1b[2J"), "printable characters"),
}


@pytest.mark.parametrize(("change", "match"), WRONG.values(), ids=WRONG)
def test_a_manifest_that_cannot_be_is_refused(path, change, match):
    refused(rewrite(path, change), match)


def test_members_that_are_described_wrongly_are_refused(path):
    original = path.read_bytes()
    for value in (None, [], {"a": 1}, {"MODEL_CARD.md": {"sha256": "x", "bytes": 1}}):
        path.write_bytes(original)
        refused(
            rewrite(path, lambda s, m, v=value: s.update(members=v), promise=False),
            "manifest.json cannot be used",
        )


NOT_JSON = {
    "empty": b"",
    "not JSON": b"{'a': 1}",
    "not UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "too deep": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep enough to break others": b'{"a": ' + b"[" * 17 + b"]" * 17 + b"}",
    "a number of many digits": b'{"a": ' + b"9" * 1_000_000 + b"}",
    "a number beyond all": b'{"a": 1000000000000000000000}',
    "not a number": b'{"a": NaN}',
    "infinite": b'{"a": 1e999}',
    "half a character": rb'{"a": "\ud800"}',
    "half a character in a name": rb'{"\ud800": 1}',
    "a name twice": b'{"a": 1, "a": 2}',
}


@pytest.mark.parametrize("text", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_no_json_is_refused(path, text):
    refused(rewrite(path, lambda *_: text, promise=False), "manifest.json is not JSON as bmis")


@pytest.mark.parametrize("text", [b"[]", b"3", b"null", b'"bmis-bundle"', b"{}"])
def test_json_that_is_no_manifest_is_refused(path, text):
    refused(rewrite(path, lambda *_: text, promise=False), "its manifest.json is not of bmis")


def test_a_manifest_too_long_is_not_parsed(path):
    refused(
        rewrite(path, lambda *_: os.urandom(1 << 20) + b" ", promise=False),
        "manifest.json has 1048577 bytes, the limit is",
    )


def test_words_of_a_foreign_file_stay_one_short_line(path):
    name = "a\n" * 5000 + "\x1b]0;"
    refused(rewrite(path, top(**{name: 1})), "unknown setting")


def test_a_manifest_names_what_it_needs():
    with pytest.raises(ConfigError, match="missing"):
        Manifest.from_dict({"stride": 8})
    with pytest.raises(ConfigError, match="there is no litert graph in int8"):
        Graph("model.tflite", "litert", "int8")
    with pytest.raises(ConfigError, match="num_classes must be 1 to 256, got 257"):
        manifest(classes=257)


def test_the_reference_names_every_field_and_file():
    page = Path(__file__).parents[2] / "docs" / "reference" / "bundle.md"
    documented = set(re.findall(r"`([\w./]+)`", page.read_text(encoding="utf-8")))
    fields = {field.name for kind in (Manifest, Graph) for field in dataclasses.fields(kind)}
    files = {name for names in FILES.values() for name in names if not name.endswith(".bin")}
    assert fields | files | {"members", "sha256", "bytes", "format_version"} <= documented


def test_manifest_json_stands_first_and_is_for_people_too(path):
    text, members = unzip(path.read_bytes())
    assert list(text)[:2] == ["format", "format_version"]
    assert list(members) == ["MODEL_CARD.md", "model.onnx", "model.int8.onnx"]
    assert json.loads(json.dumps(text))["members"]["model.onnx"]["bytes"] == len(onnx_bytes())
