"""The examples in docstrings run as tests, each in a folder of its own.

There each finds what a user would have: ``polyps``, a data set of phantoms; ``photo.png``, one of
its images; and ``run``, a network trained on them for one epoch.
"""

import shutil

import pytest

SIZE = (64, 64)


@pytest.fixture(scope="session")
def example_files(tmp_path_factory):
    """A folder with all that examples may name."""
    from bmis import TrainConfig, train_model, write_phantoms

    root = tmp_path_factory.mktemp("examples")
    write_phantoms(root / "polyps", modality="endoscopy", count=12, size=SIZE)
    shutil.copy(next((root / "polyps" / "images").iterdir()), root / "photo.png")
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
