"""Memory that runs out: smaller batches, or one clear error."""

import pytest
import torch

from bmis.errors import TrainingError
from bmis.models.checkpoint import read_checkpoint
from bmis.models.networks.bmis import BMIS
from bmis.train.run import train_model
from bmis.train.trainer import Trainer
from helpers.tiny import config
from helpers.training import read_log


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate"
                     " memory: you tried to allocate 9 bytes. Error code 12"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
    ids=["cuda", "linux", "windows", "cublas", "numpy"],
)  # fmt: skip
def test_out_of_memory_halves_the_batch_with_a_warning(dataset, tmp_path, monkeypatch, error):
    forward, sizes = BMIS.forward, []

    def hungry(self, x):
        if self.training:
            sizes.append(len(x))
            if len(x) > 1:
                raise error
        return forward(self, x)

    monkeypatch.setattr(BMIS, "forward", hungry)
    with pytest.warns(UserWarning, match="out of memory with a batch of") as warned:
        done = train_model(config(dataset, batch_size=4), out=tmp_path / "run", page=False)
    assert [str(w.message).split("batch ")[1] for w in warned] == [
        "of 4; going on with 2",
        "of 2; going on with 1",
    ]
    assert sizes == [4, 2] + [1] * 8
    assert done.epochs == 2
    assert read_checkpoint(tmp_path / "run")[1].provenance["recipe"]["batch_size"] == 1


def test_out_of_memory_later_goes_on_from_the_last_epoch(dataset, tmp_path, monkeypatch):
    forward, epochs = BMIS.forward, []
    train_epoch = Trainer.train_epoch

    def hungry(self, x):
        if self.training and len(x) > 1 and epochs[-1] == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, x)

    def spy(self, *args):
        epochs.append(self.progress.epoch)
        return train_epoch(self, *args)

    monkeypatch.setattr(BMIS, "forward", hungry)
    monkeypatch.setattr(Trainer, "train_epoch", spy)
    with pytest.warns(UserWarning, match="going on with 1"):
        train_model(config(dataset), out=tmp_path / "run", page=False)
    assert epochs == [0, 1, 1]
    assert len(read_log(tmp_path / "run")) == 2


def test_the_failed_attempt_is_gone_before_the_next(dataset, tmp_path, monkeypatch):
    import weakref

    forward, models = BMIS.forward, []

    def hungry(self, x):
        if self.training and not any(m() is self for m in models):
            models.append(weakref.ref(self))
            assert [m() for m in models[:-1]] == [None] * (len(models) - 1)
        if self.training and len(x) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, x)

    monkeypatch.setattr(BMIS, "forward", hungry)
    with pytest.warns(UserWarning, match="out of memory"):
        train_model(config(dataset, epochs=1), out=tmp_path / "run", page=False)
    assert len(models) == 2


def test_out_of_memory_with_one_image_is_an_error_with_a_hint(dataset, tmp_path, monkeypatch):
    def hungry(self, x):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(BMIS, "forward", hungry)
    with pytest.raises(TrainingError, match="one image at a time; use a smaller --size or model"):
        train_model(config(dataset, batch_size=1), out=tmp_path / "run", page=False)


def test_other_errors_of_torch_are_raised_as_they_are(dataset, tmp_path, monkeypatch):
    def broken(self, x):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(BMIS, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        train_model(config(dataset), out=tmp_path / "run", page=False)
