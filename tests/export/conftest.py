"""Exports in tests: torch writes the graph of a network once."""

from hashlib import sha256

import onnx
import pytest

from bmis.export import run


@pytest.fixture(scope="session", autouse=True)
def _graphs_once():
    """The same network at the same size gives the same graph, and to write it takes seconds."""
    write, written = run.to_onnx, {}

    def to_onnx(model, size, *, any_size=False):
        digest = sha256(f"{model} {size} {any_size}".encode())
        for name, tensor in model.state_dict().items():
            digest.update(name.encode() + tensor.numpy().tobytes())
        key = digest.digest()
        if key not in written:
            written[key] = write(model, size, any_size=any_size).SerializeToString()
        return onnx.load_from_string(written[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "to_onnx", to_onnx)
        yield
