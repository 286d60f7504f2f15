"""The examples in docstrings run as tests, each in a folder of its own.

There each finds what a user would have: ``polyps``, a data set of phantoms; ``photo.png``, one of
its images; ``run``, a network trained on them for one epoch; ``fitted.json``, what a fit came to;
and clinical images: ``skin.dcm``, ``jpeg.dcm``, ``clip.dcm`` (ultrasound), ``ct`` (a series),
``ct.dcm`` (enhanced) and ``volume.nii.gz``.
"""

import json
import shutil
from importlib.util import find_spec

import pytest

import bmis.models  # noqa: F401  (so that no example of one network registers it twice)

SIZE = (64, 64)
SLOW = (  # examples that take seconds
    "bmis.export.onnx.to_onnx",
    "bmis.export.run.Exported",
    "bmis.export.run.export_run",
    "bmis.export.share.share_run",
    "bmis.cli.share.run",
)
NEEDED = {"bmis.export.executorch": "executorch", "bmis.export.litert": "litert_torch"}


def pytest_collection_modifyitems(items):
    """Mark the examples that are slow, and those that need a library that is not installed."""
    for item in items:
        if not isinstance(item, pytest.DoctestItem):
            continue
        if item.name in SLOW:
            item.add_marker(pytest.mark.slow)
        package = NEEDED.get(item.name.rpartition(".")[0])
        if package and find_spec(package) is None:
            item.add_marker(pytest.mark.skip(reason=f"{package} is not installed"))


@pytest.fixture(scope="session")
def example_files(tmp_path_factory):
    """A folder with all that examples may name."""
    from bmis import TrainConfig, train_model, write_phantoms
    from helpers import dicoms

    root = tmp_path_factory.mktemp("examples")
    write_phantoms(root / "polyps", modality="endoscopy", count=12, size=SIZE)
    shutil.copy(next((root / "polyps" / "images").iterdir()), root / "photo.png")
    dicoms.write_photo(root / "skin.dcm")
    dicoms.write_jpeg(root / "jpeg.dcm")
    dicoms.write_clip(root / "clip.dcm")
    dicoms.write_ct(root / "ct")
    dicoms.write_enhanced(root / "ct.dcm")
    dicoms.write_nifti(root / "volume.nii.gz")
    settings = {"widths": [4, 8, 12], "depths": [1, 1], "dilations": [2]}
    config = TrainConfig(str(root / "polyps"), options=settings, epochs=1, size=SIZE, device="cpu")
    train_model(config, out=root / "run")
    _write_fitted(root)
    return root


def _write_fitted(root):
    """The result of a fit that was never run."""
    from bmis import FitConfig, open_dataset
    from bmis.fit.candidates import Candidate
    from bmis.fit.device import WayCost
    from bmis.fit.facts import read_facts
    from bmis.fit.finish import Finish, TestScores
    from bmis.fit.result import Fitted
    from bmis.fit.trials import TrialResult

    trial = TrialResult(0, "unet at 96", "default", 1.0, {"20": 0.8})
    way = WayCost("openvino", "int8", 4.0, 0.5)
    winner = Finish(trial, Candidate("unet", {}, (96, 96)), 60, way, True, "run-0")
    facts = read_facts(open_dataset(root / "polyps"))
    config, scores = FitConfig("polyps", max_ms=10), TestScores(0)
    found = Fitted(".", config, facts, "1 trial", winner, scores, (), (8, 3), None, ())
    kept = {
        name: value for name, value in found.to_dict().items() if name not in ("bundle", "page")
    }
    (root / "fitted.json").write_text(json.dumps(kept))


@pytest.fixture(autouse=True)
def _folder_of_an_example(request, tmp_path, monkeypatch):
    if not isinstance(request.node, pytest.DoctestItem):
        return
    files = request.getfixturevalue("example_files")
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
