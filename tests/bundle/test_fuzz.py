"""Bundles damaged by the thousand: read with the same content or refused by one line.

Nothing else may happen: no other exception, no answer that takes long, no file anywhere.
"""

import copy
import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bmis.bundle import Graph, read_bundle, write_bundle
from bmis.errors import BundleError
from helpers.bundles import CARD, IR, manifest, ncnn_members, onnx_bytes, rezip, unzip

pytestmark = pytest.mark.slow
GRAPHS = (
    Graph("model.onnx", "onnx", "float32"),
    Graph("model.int8.onnx", "onnx", "int8"),
    Graph("openvino/model.xml", "openvino", "float32"),
    ncnn_members()[0][-1],
)
MEMBERS = {
    **ncnn_members()[1],
    "model.int8.onnx": onnx_bytes(int8=True),
    "openvino/model.xml": IR.encode(),
    "openvino/model.bin": bytes(range(32)),
}


def thousand(times):
    """So many examples, the same on every run, none of which may take long."""
    return settings(
        max_examples=round(200 * times),
        derandomize=True,
        database=None,
        deadline=timedelta(seconds=10),
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


class Place:
    """A folder with one bundle, in which bundles are read and nothing else may happen."""

    def __init__(self, folder):
        self.path = folder / "inside" / "lesion.bmis"
        self.path.parent.mkdir()
        write_bundle(self.path, manifest(graphs=GRAPHS), MEMBERS, CARD)
        self.data = self.path.read_bytes()
        self.text, self.members = unzip(self.data)
        self.manifest = json.loads(json.dumps(read_bundle(self.path).manifest.to_dict()))
        self.read = self.refused = 0

    def infer(self, data):
        """The content of a damaged bundle, None if it is refused."""
        self.path.write_bytes(data)
        try:
            bundle = read_bundle(self.path)
            members = {name: bundle.read(name) for name in bundle.members}
        except BundleError as error:
            message = str(error)
        else:
            message = None
        if message is not None:
            assert message.startswith(f"{self.path}: ")
            assert message.isprintable()
            assert len(message) < 600
            self.refused += 1
            return None
        self.read += 1
        assert bundle.card.encode() == members.pop("MODEL_CARD.md")
        return json.loads(json.dumps(bundle.manifest.to_dict())), members


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("fuzz")
        made = Place(folder)
        patch.chdir(made.path.parent)
        yield made
        assert sorted(folder.rglob("*")) == [made.path.parent, made.path]


@pytest.fixture(autouse=True)
def _both_happen(place):
    """A mutator whose every bundle is refused at the same door would find nothing."""
    place.read = place.refused = 0
    yield
    assert min(place.read, place.refused) > 5


# what hurts readers: ends, signs, sizes, and the marks of the formats themselves
SPLINTERS = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.sampled_from(
        [
            *(b"\0", b"\xff" * 2, b"\xff" * 4, b"\xff" * 8, b"\x80" * 9 + b"\1", b"\0" * 16),
            *(b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"),
            *(b"../", b"/etc/", b"\\", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"<body>", b'"'),
            *(b"\x08\x01", b"\x6a\x04", b"\x70\x01", b"\x32\x00", b"\x0a", b"\x12", b"com.x"),
        ]
    ),
)
PLACES = st.floats(0, 1, exclude_max=True)
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), PLACES, st.integers(1, 255)),
        st.tuples(st.just("write"), PLACES, SPLINTERS),
        st.tuples(st.just("insert"), PLACES, SPLINTERS),
        st.tuples(st.just("delete"), PLACES, st.integers(1, 64)),
        st.tuples(st.just("move"), PLACES, PLACES, st.integers(1, 200)),
    ),
    min_size=1,
    max_size=4,
)


def edit(data, edits):
    """Bytes after some edits, each at a fraction of the length."""
    out = bytearray(data)
    for how, where, *what in edits:
        at = int(where * len(out))
        if how == "flip" and out:
            out[at] ^= what[0]
        elif how == "write":
            out[at : at + len(what[0])] = what[0]
        elif how == "insert":
            out[at:at] = what[0]
        elif how == "delete":
            del out[at : at + what[0]]
        elif how == "move":
            source = int(what[0] * len(out))
            out[at : at + what[1]] = out[source : source + what[1]]
    return bytes(out)


@thousand(2.5)
@given(flips=st.lists(st.tuples(PLACES, st.integers(1, 255)), min_size=1, max_size=3))
def test_flipped_bytes(place, flips):
    data = edit(place.data, [("flip", *flip) for flip in flips])
    assert place.infer(data) in (None, (place.manifest, MEMBERS))


@thousand(2.5)
@given(edits=EDITS, tail=st.booleans())
def test_spliced_zips(place, edits, tail):
    """Anywhere, or among the last bytes, where the directory lies."""
    start = place.data.index(b"PK\x01\x02") if tail else 0
    data = place.data[:start] + edit(place.data[start:], edits)
    assert place.infer(data) in (None, (place.manifest, MEMBERS))


@thousand(1)
@given(end=PLACES, start=st.one_of(st.just(0), PLACES))
def test_parts_of_a_file(place, start, end):
    size = len(place.data)
    data = place.data[int(start * size * 0.1) : size - int(end**4 * size)]
    assert place.infer(data) in (None, (place.manifest, MEMBERS))


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.sampled_from([2**31, 2**63, -(2**63), 10**17, 10**30, 1e308, -0.0, 1e-300, 0.5]),
    st.text(max_size=5),
    st.sampled_from(["onnx", "int8", "model.onnx", "../x", "openvino", "squash", "\x1b[2J"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def steps(value):
    """Every place in nested values: (container, key)."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, dict | list):
            yield from steps(inner)


def change(values, changes):
    for where, how, value in changes:
        places = list(steps(values))
        if not places:
            return
        container, key = places[int(where * len(places))]
        if how == "replace":
            container[key] = value
        elif how == "remove":
            del container[key]
        elif how == "wrap":
            container[key] = [container[key]]
        elif isinstance(container, list):
            container.append(container[key])
        else:
            container[str(value)] = container[key]


CHANGES = st.lists(
    st.tuples(PLACES, st.sampled_from(["replace", "replace", "remove", "wrap", "copy"]), VALUES),
    min_size=1,
    max_size=3,
)


@thousand(2.5)
@given(changes=CHANGES, promise=st.booleans())
def test_changed_manifests(place, changes, promise):
    content = copy.deepcopy(place.text)
    change(content, changes)
    found = place.infer(rezip(content, place.members, promise=promise))
    assert found is None or found[1] == MEMBERS


@thousand(0.5)
@given(edits=EDITS)
def test_manifests_edited_as_text(place, edits):
    text = edit(json.dumps(place.text).encode(), edits)
    found = place.infer(rezip(text, place.members, promise=False))
    assert found is None or found[1] == MEMBERS


@thousand(3)
@given(edits=EDITS, name=st.sampled_from(["model.onnx", "model.int8.onnx"]))
def test_edited_onnx_graphs(place, edits, name):
    graph_edited(place, name, edits)


@thousand(1.5)
@given(edits=EDITS)
def test_edited_openvino_graphs(place, edits):
    graph_edited(place, "openvino/model.xml", edits)


@thousand(1.5)
@given(edits=EDITS, name=st.sampled_from(["ncnn/model.param", "ncnn/model.bin"]))
def test_edited_ncnn_graphs(place, edits, name):
    graph_edited(place, name, edits)


def graph_edited(place, name, edits):
    """With right hashes, so that the scanners see it."""
    edited = edit(MEMBERS[name], edits)
    found = place.infer(rezip(place.text, {**place.members, name: edited}))
    assert found in (None, (place.manifest, {**MEMBERS, name: edited}))
