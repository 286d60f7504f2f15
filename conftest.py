"""The examples in docstrings run as tests, each in a folder of its own.

There each finds what a user would have: ``polyps``, a data set of phantoms; ``photo.png``, one of
its images; ``run``, a network trained on them for one epoch; and clinical images: ``skin.dcm``,
``jpeg.dcm``, ``clip.dcm`` (ultrasound), ``ct`` (a series), ``ct.dcm`` (enhanced) and
``volume.nii.gz``.
"""

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
    return root


@pytest.fixture(autouse=True)
def _folder_of_an_example(request, tmp_path, monkeypatch):
    if not isinstance(request.node, pytest.DoctestItem):
        return
    files = request.getfixturevalue("example_files")
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
