"""The options of commands that run a network, as the command line takes them."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bmis.cli.main import main
from bmis.config import RuntimeOptions
from bmis.data.images import write_image
from bmis.predict.folder import Prediction
from helpers.bundles import write_tiny


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_image(tmp_path / "one.png", np.full((40, 30, 3), 200, np.uint8))
    return write_tiny(tmp_path / "lesion.bmis")


def test_a_bundle_is_run_as_it_is_asked_for(bundle, tmp_path, monkeypatch):
    given = []

    def predict(*_, **how):
        given.append(how)
        return Prediction([], [], Path("m"))

    monkeypatch.setattr("bmis.predict.folder.predict_masks", predict)
    argv = ["predict", bundle, tmp_path / "one.png", "--out", tmp_path / "o", "--engine"]
    argv += ["openvino", "--precision", "fp32", "--threads", 3]
    assert main([str(part) for part in argv]) == 0
    assert given[0]["options"] == RuntimeOptions("auto", "openvino", "fp32", 3)


def test_a_memory_limit_holds_while_masks_are_written_and_no_longer(bundle, tmp_path, monkeypatch):
    held = []

    def predict(*_, **__):
        held.append(resource.getrlimit(resource.RLIMIT_DATA)[0])
        return Prediction([], [], Path("m"))

    monkeypatch.setattr("bmis.predict.folder.predict_masks", predict)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    argv = ["predict", bundle, tmp_path / "one.png", "--out", tmp_path, "--memory-limit", 100000]
    assert main([str(part) for part in argv]) == 0
    assert held == [100000 * 2**20]
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("can't start new thread"), ImportError("std::bad_alloc")]
)
def test_a_lack_of_memory_is_one_line(error, monkeypatch, capsys):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("bmis.data.phantoms.write.write_phantoms", fail)
    assert main(["phantom", "o", "--modality", "xray"]) == 2
    assert capsys.readouterr().err == (
        "bmis: not enough memory; use smaller images, a larger machine or a larger --memory-limit\n"
    )


def test_too_small_a_limit_is_one_line(bundle, tmp_path):
    """In a process of its own, since what others left in memory counts."""
    argv = ["predict", bundle, tmp_path / "one.png", "--out", tmp_path / "o", "--memory-limit", 20]
    done = subprocess.run(
        [sys.executable, "-m", "bmis", *map(str, argv), "--engine", "onnxruntime"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert re.fullmatch(r"bmis: a memory limit of 20 MB is too low, .*\n", done.stderr)
