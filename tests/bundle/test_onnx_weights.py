"""Large weights never reach protobuf, and nothing hides behind that."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from bmis.bundle import onnx_weights
from bmis.bundle.onnx_scan import scan_onnx
from bmis.bundle.onnx_weights import cut_weights
from bmis.errors import BundleError
from helpers.bundles import onnx_model


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(onnx_weights, "_LARGE", 400)


@pytest.fixture
def data():
    model = onnx.ModelProto()
    model.CopyFrom(onnx_model())
    weight = np.arange(300, dtype=np.float32).reshape(3, 100)
    model.graph.initializer.insert(1, numpy_helper.from_array(weight, "large"))
    return model.SerializeToString()


def test_all_but_the_numbers_of_large_weights_is_kept(data):
    cut, lengths = cut_weights(data)
    assert lengths == {1: 1200}
    assert len(cut) < len(data) - 1190
    whole = onnx.ModelProto.FromString(data)
    assert whole.graph.initializer[1].raw_data
    whole.graph.initializer[1].raw_data = b""
    assert cut == whole.SerializeToString()


def test_a_weight_that_was_cut_has_its_shape(data):
    found = scan_onnx(data).constants["large"]
    assert (found.shape, found.bytes) == ((3, 100), 1200)


@pytest.mark.parametrize("length", range(0, 1440, 41))
def test_every_cut_of_the_file_is_refused(data, length):
    with pytest.raises(BundleError, match=r"is cut short|one version of the operators|form"):
        scan_onnx(data[:length])


def at(data):
    """Where the length of the large weight's numbers begins: 1200 in two bytes after its field."""
    return data.index(b"\x4a\xb0\x09") + 1


def test_lengths_are_those_of_protobuf(data):
    place = at(data)
    long = data[:place] + b"\xb0\x89\x00" + data[place + 2 :]
    with pytest.raises(BundleError, match=r"is cut short or damaged|in the one form that protobuf"):
        scan_onnx(long)
    for byte in (b"\xaf", b"\xb1", b"\xff"):
        with pytest.raises(
            BundleError, match=r"is cut short|is damaged|shape does not|bmis does n"
        ):
            scan_onnx(data[:place] + byte + data[place + 1 :])


def test_numbers_given_twice_are_refused(data):
    model = onnx.ModelProto.FromString(data)
    model.graph.initializer[1].int32_data.append(1)
    with pytest.raises(BundleError, match="'large', whose shape does not fit its bytes"):
        scan_onnx(model.SerializeToString())
    model = onnx.ModelProto.FromString(data)
    model.graph.initializer[1].dims[0] = 2
    with pytest.raises(BundleError, match="'large', whose shape does not fit its bytes"):
        scan_onnx(model.SerializeToString())


def field(number, content, *, spare=b""):
    """A field with a length in two bytes, or in three with a spare one that adds nothing."""
    length = bytearray([len(content) & 127 | 128, len(content) >> 7])
    if spare:
        length[-1] |= 128
    return bytes([number << 3 | 2, *length]) + spare + content


@pytest.mark.parametrize("place", ["raw", "tensor", "graph"])
def test_a_length_that_is_longer_than_need_be_is_refused(place):
    """Protobuf reads it, so that two readers could see different weights."""
    spare = {place: b"\x00"}
    raw = field(9, bytes(1200), spare=spare.get("raw", b""))
    tensor = field(5, raw, spare=spare.get("tensor", b""))
    whole = field(7, tensor, spare=spare.get("graph", b""))
    assert len(onnx.ModelProto.FromString(whole).graph.initializer[0].raw_data) == 1200
    with pytest.raises(BundleError, match="in the one form that protobuf writes"):
        cut_weights(whole)
