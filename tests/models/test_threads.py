"""Torch computes with no more threads than a container has cores."""

import pytest
import torch

from bmis.config import InputSpec, ModelConfig, ModelInfo, TrainConfig
from bmis.models import build_model, threads
from bmis.models.checkpoint import save_model
from bmis.models.threads import keep_to_container
from bmis.profile.network import profile_model
from bmis.runtime.load import load_runtime
from bmis.train.fabric import launch_fabric


@pytest.fixture
def container(monkeypatch):
    """A container of two cores on a machine of three threads; nobody set their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "container_cores", lambda: 2)
    yield
    torch.set_num_threads(before)


def test_threads_are_cut_to_the_cores_and_never_raised(container, monkeypatch):
    keep_to_container()
    assert torch.get_num_threads() == 2
    for more in (4, None):
        monkeypatch.setattr(threads, "container_cores", lambda more=more: more)
        keep_to_container()
        assert torch.get_num_threads() == 2


def test_what_the_user_set_stays(container, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    keep_to_container()
    assert torch.get_num_threads() == 3


def test_trainings_predictions_and_measurements_keep_to_it(container, tmp_path):
    launch_fabric(TrainConfig("polyps", device="cpu"), tmp_path)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(3)
    info = ModelInfo(ModelConfig("bmis_tiny"), InputSpec(), ("background", "polyp"))
    save_model(tmp_path / "a.safetensors", build_model("bmis_tiny"), info)
    load_runtime(tmp_path / "a.safetensors")
    assert torch.get_num_threads() == 2
    torch.set_num_threads(3)
    assert profile_model("bmis_tiny", size=32, batches=(1,), seconds=0).threads == 2
