"""Trials on a Ray cluster: lost workers, addresses, resources."""

import sys
from types import SimpleNamespace

import pytest

from bmis.compare import cluster
from bmis.compare.cluster import resources_per_trial
from bmis.compare.run import compare_methods
from bmis.compare.settings import CompareConfig
from bmis.errors import ConfigError, MissingExtraError
from bmis.records import Conditions
from helpers import tiny

PLUGIN = """
import os, signal
from pathlib import Path
from torch import nn
from bmis import SegmentationModel, register

@register("fragile")
class Fragile(SegmentationModel):
    def __init__(self, in_channels=3, num_classes=2, deaths=1):
        super().__init__(in_channels, num_classes, stride=1)
        self.deaths = deaths
        self.head = nn.Conv2d(in_channels, num_classes, 3, padding=1)

    def training_logits(self, x):
        log = Path(__file__).with_suffix(".log")
        died = log.read_text().count("died") if log.exists() else 0
        if x.device.type != "meta" and type(x).__name__ == "Tensor" and died < self.deaths:
            with log.open("a") as stream:
                stream.write("died ")
            os.kill(os.getpid(), signal.SIGKILL)
        return (self(x),)

    def forward(self, x):
        return self.head(x)
"""
CONDITIONS = Conditions(recipe="fast", epochs=2, size=(32, 32))


@pytest.mark.slow
def test_no_cluster_is_refused_then_two_workers_share_trials_and_a_killed_one_is_replaced(tmp_path):
    data = tiny.write_dataset(tmp_path / "squares")
    plugin = tmp_path / "fragile.py"
    plugin.write_text(PLUGIN)
    config = CompareConfig(
        (str(data),),
        ("fragile", "bmis_tiny"),
        seeds=2,
        conditions=CONDITIONS,
        device="cpu",
        plugins=(str(plugin),),
    )
    # Before a cluster runs on this machine: "auto" would find it, that of another test too.
    with pytest.raises(ConfigError, match=r"no Ray cluster at 'auto' .*`ray start --head`"):
        compare_methods(config, out=tmp_path / "out", ray="auto")
    done = compare_methods(config, out=tmp_path / "out", ray="local")
    assert plugin.with_suffix(".log").read_text() == "died "
    assert [record.status for record in done.records] == ["done"] * 4
    assert all(record.costs["alone"] is False for record in done.records)
    assert len(list((tmp_path / "out").rglob("*.json"))) == 4
    assert not (tmp_path / "out" / ".work").exists()


def test_without_ray_the_install_line_is_given(tmp_path, monkeypatch):
    data = tiny.write_dataset(tmp_path / "squares")
    config = CompareConfig((str(data),), ("bmis_tiny",), conditions=CONDITIONS)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r'pip install "bmis\[cluster\]"'):
        compare_methods(config, out=tmp_path / "out", ray="local")


def test_a_trial_takes_a_gpu_with_its_share_of_cores_or_one_core():
    assert resources_per_trial({"CPU": 16, "GPU": 4}) == {"num_cpus": 4, "num_gpus": 1}
    assert resources_per_trial({"CPU": 2}) == {"num_cpus": 1}


@pytest.mark.parametrize(("address", "cpus"), [("local", 3), ("auto", None)])
def test_a_cluster_of_this_machine_has_the_cores_that_may_be_used(monkeypatch, address, cpus):
    given = {}

    def init(**settings):
        given.update(settings)
        raise ConnectionError("no cluster")

    monkeypatch.setattr(cluster, "require", lambda *_, **__: SimpleNamespace(init=init))
    monkeypatch.setattr(cluster, "usable_cores", lambda: 3)
    with pytest.raises(ConfigError, match="no Ray cluster"):
        list(cluster.run_on_cluster([], address))
    assert given.get("num_cpus") == cpus
