"""A machine without the training side: every command of a bundle, in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bmis
from bmis.data.images import read_mask
from bmis.data.phantoms.write import write_phantoms
from helpers.bundles import write_tiny

ABSENT = ("torch", "lightning", "scipy", "onnx", "jinja2", "matplotlib", "pandas")


@pytest.fixture
def device(tmp_path):
    """A command line on which the packages of the training side cannot be imported."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        f"import sys\nsys.modules.update(dict.fromkeys({ABSENT!r}))\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(
            [str(tmp_path / "site"), str(Path(bmis.__file__).parents[1])]
        ),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("package", ABSENT)
def test_the_training_side_is_absent(device, package):
    assert "ModuleNotFoundError" in device("-c", f"import {package}").stderr


def test_public_names_without_torch(device):
    """``help(bmis)`` shows what is there; what is not there names the install line."""
    help_page = device("-c", "import bmis; help(bmis)")
    assert (help_page.returncode, help_page.stderr) == (0, "")
    assert "read_image" in help_page.stdout
    assert "    build_model(" not in help_page.stdout
    code = """
import bmis
for name in bmis.__all__:
    try:
        assert getattr(bmis, name) and name in dir(bmis), name
    except bmis.BmisError as error:
        assert 'torch is needed for this; install it with: pip install "bmis[train]"' in str(error)
        assert name not in dir(bmis), name
"""
    run = device("-c", code)
    assert (run.returncode, run.stderr) == (0, "")


def test_no_library_marks_the_machine_or_keeps_anything_to_report(tmp_path):
    """As ONNX Runtime does by itself: an identifier and events under the user's cache."""
    write_tiny(tmp_path / "lesion.bmis")
    environment = {
        "PYTHONPATH": str(Path(bmis.__file__).parents[1]),
        "HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "home" / "cache"),
    }
    code = "import sys, bmis; bmis.load(sys.argv[1], engine='onnxruntime')"
    command = [sys.executable, "-c", code, str(tmp_path / "lesion.bmis")]
    subprocess.run(command, check=True, env=environment)
    assert list(tmp_path.glob("home/**/*")) == []


@pytest.mark.slow
def test_a_bundle_predicts_is_scored_and_profiled_without_the_training_side(device, tmp_path):
    write_phantoms(tmp_path / "data", modality="endoscopy", count=10, size=(40, 48), seed=1)
    write_tiny(tmp_path / "lesion.bmis", int8=True)
    images = sorted((tmp_path / "data" / "images").iterdir())

    run = device("-m", "bmis", "predict", "lesion.bmis", "data/images", "--out", "masks")
    assert (run.returncode, run.stderr) == (0, "")
    assert read_mask(tmp_path / "masks" / f"{images[0].stem}.png").shape == (40, 48)

    run = device("-m", "bmis", "evaluate", "lesion.bmis", "data", "--split", "all", "--json")
    assert (run.returncode, run.stderr) == (0, "")
    scores = json.loads(run.stdout)
    assert scores["images"] == 10
    assert scores["summary"]["cases"]["hd95"]["ci95"] is not None
    assert json.loads((tmp_path / "lesion" / "metrics.json").read_text()) == scores

    run = device("-m", "bmis", "profile", "lesion.bmis", "--batch", "1", "--json")
    assert (run.returncode, run.stderr) == (0, "")
    assert {cost["error"] for cost in json.loads(run.stdout)["engines"]} == {None}
