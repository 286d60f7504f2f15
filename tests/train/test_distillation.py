"""Distillation: what the teacher sees, what is learnt from it, and which are refused."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import yaml

from bmis.config import InputSpec
from bmis.data.folder import open_dataset
from bmis.errors import BundleError, ConfigError, TrainingInterrupted
from bmis.models import SegmentationModel
from bmis.models.checkpoint import read_checkpoint
from bmis.train import distillation
from bmis.train.distillation import Teacher, read_teacher
from bmis.train.run import train_model
from helpers.tiny import config, write_dataset
from helpers.training import interrupt_before, same_weights


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A run folder: 32 x 32, colour, two classes."""
    root = tmp_path_factory.mktemp("teacher")
    train_model(config(write_dataset(root / "first", seed=1), seed=7), out=root / "run", page=False)
    return root / "run"


class Echo(SegmentationModel):
    def __init__(self):
        super().__init__(3, 3, stride=1)
        self.factor = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.factor * x


def test_a_teacher_sees_its_own_normalisation_and_learns_nothing():
    spec = InputSpec(size=(8, 8), mean=(0.25, 0.5, 0.75), std=(0.5, 0.25, 0.125))
    pixels = torch.rand(2, 3, 8, 8)
    found, maps = Teacher(Echo(), spec, {})(pixels)
    assert maps == []
    for channel, (mean, std) in enumerate(zip(spec.mean, spec.std, strict=True)):
        torch.testing.assert_close(found[:, channel], (pixels[:, channel] - mean) / std)
    assert not found.requires_grad


def test_there_is_no_teacher_by_default(dataset):
    assert read_teacher(config(dataset), open_dataset(dataset)) is None


def weights(run):
    return torch.cat([t.flatten() for t in read_checkpoint(run)[0].state_dict().values()])


def test_a_teacher_changes_the_weights_and_is_recorded(source, dataset, tmp_path):
    """How it changes them is tested in ``test_trainer``."""
    before = (source / "model.safetensors").read_bytes()
    given = config(dataset, epochs=1, deterministic=True)
    train_model(given, out=tmp_path / "alone", page=False)
    train_model(replace(given, teacher=str(source)), out=tmp_path / "taught", page=False)
    assert not torch.equal(weights(tmp_path / "alone"), weights(tmp_path / "taught"))
    assert (source / "model.safetensors").read_bytes() == before
    recorded = read_checkpoint(tmp_path / "taught")[1].provenance["teacher"]
    assert recorded == {"source": "run", "model": "bmis", "data": "first"}
    assert read_checkpoint(tmp_path / "alone")[1].provenance["teacher"] is None
    settings = yaml.safe_load((tmp_path / "taught" / "config.yaml").read_text())
    assert settings["teacher"] == str(source)


@pytest.mark.parametrize(
    ("data", "settings", "problem"),
    [
        ({"channels": 1}, {}, "has grey images of 32x32 .squash. and 2 classes"),
        ({"classes": 3}, {}, "and 3 classes"),
        ({}, {"resize": "letterbox"}, "has colour images of 32x32 .letterbox."),
        ({}, {"resize": "native"}, "has colour images of 32x32 .native."),
    ],
)
def test_a_teacher_of_other_images_is_refused(source, tmp_path, data, settings, problem):
    given = config(write_dataset(tmp_path / "data", **data), teacher=source, **settings)
    with pytest.raises(ConfigError, match=problem):
        train_model(given, out=tmp_path / "run", page=False)
    assert not (tmp_path / "run").exists()


def test_a_missing_teacher_is_refused(dataset, tmp_path):
    with pytest.raises(BundleError, match="no such file"):
        train_model(config(dataset, teacher=tmp_path / "none"), out=tmp_path / "run", page=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("names", "message"),
    [(["bg", "disc", "cup"], "in the same order"), (["bg", "cup", "polyp"], "same names in")],
)
def test_a_teacher_of_other_classes_is_refused(source, tmp_path, monkeypatch, names, message):
    model, info = read_checkpoint(source)
    three = SimpleNamespace(
        model=info.model, input=info.input, classes=("bg", "cup", "disc"), provenance={}
    )
    monkeypatch.setattr(distillation, "read_checkpoint", lambda path: (model, three))
    data = write_dataset(tmp_path / "data", classes=3)
    (data / "dataset.yaml").write_text(yaml.safe_dump({"classes": names}))
    with pytest.raises(ConfigError, match=message):
        read_teacher(config(data, teacher=source), open_dataset(data))


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    """A run of another network at 64 x 64."""
    root = tmp_path_factory.mktemp("larger")
    data = write_dataset(root / "first", seed=1)
    given = config(data, size=(64, 64), epochs=1)
    given = replace(given, model="bmis_edge", options={"weights": "none", "width": 8})
    train_model(given, out=root / "run", page=False)
    return root / "run"


def test_a_teacher_of_another_size_sees_images_of_its_own():
    spec = InputSpec(size=(16, 24), mean=(0.0,) * 3, std=(1.0,) * 3)
    seen = []

    class Watched(Echo):
        def forward(self, x):
            seen.append(x.shape[2:])
            return super().forward(x)

    pixels = torch.rand(2, 3, 1, 1).expand(2, 3, 8, 8)
    logits, _ = Teacher(Watched(), spec, {})(pixels)
    assert seen == [(16, 24)]
    torch.testing.assert_close(logits, pixels)
    Teacher(Watched(), replace(spec, resize="native"), {})(pixels)
    assert seen[1] == (8, 8)


def test_letterboxed_teachers_must_have_the_same_aspect(dataset, tmp_path, source, monkeypatch):
    model, info = read_checkpoint(source)
    for size, fits in (((64, 64), True), ((64, 96), False)):
        spec = InputSpec(size, resize="letterbox")
        boxed = (model, replace(info, input=spec))
        monkeypatch.setattr(distillation, "read_checkpoint", lambda path, boxed=boxed: boxed)
        given = config(dataset, teacher=source, resize="letterbox")
        if fits:
            assert read_teacher(given, open_dataset(dataset)).spec == spec
            continue
        with pytest.raises(ConfigError, match=r"colour images of 64x96 .letterbox."):
            read_teacher(given, open_dataset(dataset))


def test_maps_are_learnt_resumed_to_the_same_bits_and_leave_no_weights(larger, dataset, tmp_path):
    settings = {"teacher": str(larger), "epochs": 2, "deterministic": True}
    given = config(dataset, **settings, changes={"distillation.features": 2.0})
    given = replace(given, model="bmis_edge", options={"weights": "none", "width": 8})
    train_model(given, out=tmp_path / "whole", page=False)
    with interrupt_before(1), pytest.raises(TrainingInterrupted):
        train_model(given, out=tmp_path / "parts", page=False)
    assert len(torch.load(tmp_path / "parts" / "last.ckpt")["projections"]) == 4
    train_model(given, out=tmp_path / "parts", page=False)
    last = [torch.load(tmp_path / run / "last.ckpt") for run in ("whole", "parts")]
    assert same_weights(last[0]["model"], last[1]["model"])
    assert same_weights(last[0]["projections"], last[1]["projections"])
    names = set(read_checkpoint(tmp_path / "whole")[0].state_dict())
    assert not any("projection" in name for name in names)
    train_model(replace(given, changes={}), out=tmp_path / "logits", page=False)
    assert not torch.equal(weights(tmp_path / "whole"), weights(tmp_path / "logits"))


@pytest.mark.parametrize(
    ("values", "problem"),
    [({}, "needs a teacher; give --teacher"), ({"compile": True}, "--compile do not go together")],
)
def test_maps_that_cannot_be_learnt_are_refused(source, dataset, tmp_path, values, problem):
    if values:
        values = {**values, "teacher": str(source)}
    given = config(dataset, **values, changes={"distillation.features": 1.0})
    with pytest.raises(ConfigError, match=problem):
        train_model(given, out=tmp_path / "run", page=False)
    assert not (tmp_path / "run").exists()
