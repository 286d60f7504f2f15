"""Trainings in tests: small trainers, processes of their own, and what a run folder holds."""

import csv
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import torch
from lightning.fabric import Fabric

from bmis.config import InputSpec
from bmis.data.folder import open_dataset
from bmis.models import SegmentationModel, build_model
from bmis.models.checkpoint import read_checkpoint
from bmis.train.cached_dataset import CachedDataset
from bmis.train.recipes import find_recipe
from bmis.train.trainer import Trainer
from helpers.tiny import NETWORK

FAST = find_recipe("fast", batch_size=2)
COMMAND = [
    *("--size", "32", "--batch-size", "2", "--precision", "32", "--device", "cpu"),
    *("-o", "widths=[4,8,12]", "-o", "depths=[1,1]", "-o", "dilations=[2]"),
]


class Threshold(SegmentationModel):
    """Class 1 where the first channel is bright; one weight that can be learnt."""

    def __init__(self):
        super().__init__(3, 2, stride=1)
        self.level = torch.nn.Parameter(torch.tensor(0.0))
        self.batches = []

    def forward(self, x):
        self.batches.append(x.detach().clone())
        score = 20 * (x[:, :1] - self.level)
        return torch.cat([-score, score], 1)


def cache_split(root, split="train", **spec):
    """The images of one split at 32 x 32."""
    dataset = open_dataset(root)
    spec = InputSpec(**{"size": (32, 32), "channels": dataset.channels, **spec})
    return CachedDataset(
        dataset.split(split), dataset, spec, torch.device("cpu"), scratch=root.parent
    )


def make_trainer(model=None, recipe=FAST, **values):
    """A trainer of the smallest network, in float32, for four epochs."""
    model = build_model("bmis", **NETWORK) if model is None else model
    fabric = Fabric(accelerator="cpu", devices=1)
    return Trainer(fabric, model, recipe, **{"epochs": 4, "seed": 0, **values})


@contextmanager
def interrupt_before(epoch):
    """Press Ctrl-C when an epoch, counted from 0, begins."""
    train_epoch = Trainer.train_epoch

    def interrupted(self, *args):
        if self.progress.epoch == epoch:
            raise KeyboardInterrupt
        return train_epoch(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "train_epoch", interrupted)
        yield


def read_log(run):
    """The rows of ``log.csv`` as numbers."""
    with (run / "log.csv").open(encoding="utf-8") as stream:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(stream)]


def best_weights(run):
    """The weights of the best epoch by name."""
    return read_checkpoint(run)[0].state_dict()


def same_weights(one, other):
    """Whether two sets of weights are equal bit for bit."""
    return all(torch.equal(one[name], other[name]) for name in one)


def start(data, run, *more, **values):
    """``bmis train`` in a process of its own."""
    command = [sys.executable, "-m", "bmis", "train", data, "--out", run, *COMMAND, *more]
    pipe = subprocess.PIPE
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [str(part) for part in command], stdout=pipe, stderr=pipe, text=True, env=environment,
        # a process started in the background of a shell ignores Ctrl-C, and so do its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        **values,
    )  # fmt: skip


def wait_for_epochs(process, run, epochs):
    """Wait until the log has that many rows; fail with the process's stderr if it ends before."""
    log = run / "log.csv"
    for _ in range(6000):
        if log.exists() and len(log.read_text(encoding="utf-8").splitlines()) > epochs:
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    raise AssertionError("no epoch within two minutes")
