"""A training that starts from trained weights: what is copied, and what is refused."""

import logging

import pytest
import torch
import yaml
from torch import nn

import bmis.pretrained.lookup
from bmis.config import TrainConfig
from bmis.errors import BmisError, ConfigError, TrainingInterrupted
from bmis.models import SegmentationModel, build_model
from bmis.models.checkpoint import read_checkpoint, save_model
from bmis.train import plan as module
from bmis.train.run import train_model
from bmis.train.trainer import Trainer
from bmis.train.warm_start import WarmStart, command_line, transfer_weights
from helpers.tiny import NETWORK, config, write_dataset
from helpers.training import interrupt_before, same_weights


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A run folder: colour, two classes."""
    root = tmp_path_factory.mktemp("source")
    train_model(config(write_dataset(root / "first", seed=1), seed=7), out=root / "run", page=False)
    return root / "run"


def network(name="bmis", *, channels=3, classes=2, seed=0, **options):
    """A network as after a training: arbitrary weights and norm statistics, in float64."""
    torch.manual_seed(seed)
    model = build_model(name, in_channels=channels, num_classes=classes, **options).double().eval()
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():  # variances and scales above 0 among them
            nn.init.uniform_(tensor, 0.1, 1.0) if tensor.ndim == 1 else nn.init.normal_(tensor)
    return model


def starting_weights(monkeypatch, settings, out):
    """The weights that are trained, and their average, before the first step."""
    seen = []
    train_epoch = Trainer.train_epoch

    def spy(self, *args):
        for model in (self.model, self.averaged):
            seen.append({name: t.clone() for name, t in model.state_dict().items()})
        return train_epoch(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_epoch", spy)
        train_model(settings, out=out, page=False)
    return seen[:2]


def test_the_first_step_starts_from_the_source(source, dataset, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "bmis")
    settings = config(dataset, init=source)
    weights = read_checkpoint(source)[0].state_dict()
    for found in starting_weights(monkeypatch, settings, tmp_path / "run"):
        assert same_weights(weights, found)
    assert f"starting from {source}; random start: none" in caplog.messages
    assert not same_weights(weights, read_checkpoint(tmp_path / "run")[0].state_dict())


def test_a_file_of_weights_is_taken_like_its_folder(source, dataset, tmp_path, monkeypatch):
    settings = config(dataset, init=source / "model.safetensors", epochs=1)
    found = starting_weights(monkeypatch, settings, tmp_path / "run")[0]
    assert same_weights(read_checkpoint(source)[0].state_dict(), found)


def test_a_network_that_comes_with_the_package_is_recorded_by_name(
    source, dataset, tmp_path, monkeypatch
):
    """Its weights are shipped in half precision; the name is recorded, no path."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "spots.bmis").touch()
    model, info = read_checkpoint(source)
    save_model(folder / "spots.safetensors", model.half(), info)
    monkeypatch.setattr(bmis.pretrained.lookup, "FOLDER", folder)
    monkeypatch.setattr(bmis.pretrained.lookup, "_weights_folder", lambda: folder)
    start, _ = starting_weights(monkeypatch, config(dataset, init="spots"), tmp_path / "run")
    for name, tensor in read_checkpoint(source)[0].state_dict().items():
        torch.testing.assert_close(start[name], tensor, rtol=1e-3, atol=1e-6, check_dtype=True)
    settings = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text(encoding="utf-8"))
    assert settings["init"] == "spots"
    assert read_checkpoint(tmp_path / "run")[1].provenance["init"]["source"] == "spots"


def test_settings_and_checkpoint_record_the_source(source, dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(source.parent)
    train_model(config(dataset, init="run", epochs=1), out=tmp_path / "run", page=False)
    settings = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert settings["init"] == str(source)
    recorded = read_checkpoint(tmp_path / "run")[1].provenance["init"]
    assert recorded == {"source": "run", "data": "first"}
    assert read_checkpoint(source)[1].provenance["init"] is None


def test_other_channels_and_classes(source, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "bmis")
    data = write_dataset(tmp_path / "data", channels=1, classes=3)
    given = read_checkpoint(source)[0].state_dict()
    fresh = starting_weights(monkeypatch, config(data, epochs=1), tmp_path / "fresh")[0]
    settings = config(data, epochs=1, init=source)
    for found in starting_weights(monkeypatch, settings, tmp_path / "run"):
        assert found["head.weight"].shape[1] == 3
        for name, tensor in found.items():
            if name.startswith("head."):
                assert torch.equal(tensor, fresh[name])
            elif not name.startswith("stem."):
                assert torch.equal(tensor, given[name])
        assert torch.equal(found["stem.norm.running_var"], given["stem.norm.running_var"])
    assert f"starting from {source}; random start: head.weight, head.bias" in caplog.messages


@pytest.mark.parametrize(
    ("name", "options", "old", "new"),
    [
        ("unet", {"widths": (4, 8)}, 3, 1),
        ("unet", {"widths": (4, 8)}, 1, 3),
        ("cmunext_s", {}, 3, 1),
        ("cmunext_s", {}, 1, 3),
        ("bmis", NETWORK, 3, 1),  # its maxima are exact here, where all 2x2 pixels are equal
    ],
)
def test_grey_images_get_the_logits_of_the_source(name, options, old, new):
    source = network(name, channels=old, **options)
    model = network(name, channels=new, seed=1, **options)
    assert transfer_weights(source, model) == []
    blocks = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    grey = blocks.repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(
        model(grey.repeat(1, new, 1, 1)), source(grey.repeat(1, old, 1, 1)), rtol=1e-9, atol=1e-9
    )


def test_two_filters_of_bmis_make_room_for_two_colours():
    """From 1 to 3 channels: 1 filter and 3 colours in place of 3 filters and 1 grey."""
    source, model = (network(channels=c, seed=c, **NETWORK) for c in (1, 3))
    bias, scale = source.stem.norm.bias, source.stem.norm.weight
    assert transfer_weights(source, model) == []
    grey = torch.randn(2, 1, 16, 16, dtype=torch.float64)
    before, after = source.stem(grey), model.stem(grey.repeat(1, 3, 1, 1))
    torch.testing.assert_close(after[:, [0, 3]], before[:, [0, 3]], rtol=1e-9, atol=1e-9)
    normal = torch.randn(200_000, 1, dtype=torch.float64)
    usual = (bias + scale * normal).relu().mean(0)[1:3]  # of what a filter gives, normalised
    torch.testing.assert_close(after[0, 1:3, 0, 0], usual, rtol=0.02, atol=0.01)
    assert after[:, 1:3].std((0, 2, 3)).max() == 0
    for name in ("running_mean", "running_var"):  # of all colours those of grey
        colours, grey = (getattr(net.stem.norm, name) for net in (model, source))
        assert torch.equal(colours[1:], grey[3:].expand(3))
    model.train()  # and the colours can come in
    model.stem(torch.rand(2, 3, 16, 16, dtype=torch.float64)).square().sum().backward()
    assert model.stem.norm.weight.grad[1:3].abs().min() > 0


def test_layers_that_hold_the_image_among_features_start_at_random():
    source, model = (network("dabnet", channels=c, classes=3, seed=c) for c in (3, 1))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fresh = transfer_weights(source, model)
    found, given = model.state_dict(), source.state_dict()
    assert {"norm_1.0.weight", "head.weight"} < set(fresh) < set(found)
    for name, tensor in found.items():
        if name in fresh:
            assert tensor.shape != given[name].shape
            assert torch.equal(tensor, before[name])
        elif tensor.shape == given[name].shape:
            assert torch.equal(tensor, given[name])


def test_an_interrupted_run_goes_on_to_the_same_bits(source, dataset, tmp_path, caplog):
    caplog.set_level(logging.INFO, "bmis")
    settings = config(dataset, epochs=3, init=source, deterministic=True)
    train_model(settings, out=tmp_path / "whole", page=False)
    with interrupt_before(1), pytest.raises(TrainingInterrupted):
        train_model(settings, out=tmp_path / "parts", page=False)
    caplog.clear()
    train_model(settings, out=tmp_path / "parts", page=False)
    assert not [line for line in caplog.messages if line.startswith("starting from")]
    whole, parts = (torch.load(tmp_path / run / "last.ckpt") for run in ("whole", "parts"))
    assert same_weights(whole["model"], parts["model"])
    assert same_weights(whole["average"]["model"], parts["average"]["model"])
    kept = [read_checkpoint(tmp_path / run) for run in ("whole", "parts")]
    assert same_weights(*(model.state_dict() for model, _ in kept))
    assert kept[1][1].provenance["init"] == {"source": "run", "data": "first"}


def test_another_source_is_another_training(source, dataset, tmp_path):
    train_model(config(dataset, init=source, epochs=1), out=tmp_path / "run", page=False)
    with pytest.raises(ConfigError, match=r"other settings \(init '.*run', now None\)"):
        train_model(config(dataset, epochs=1), out=tmp_path / "run", page=False)


@pytest.mark.parametrize(
    ("make", "values", "message"),
    [
        (None, {}, "nothing: no such file or folder; name a run folder of `bmis train`"),
        ("lesion.bmis", {}, r"lesion.bmis: a bundle holds no weights .* name the run folder"),
        ("weights.safetensors", {}, r"weights.safetensors: not a whole safetensors file"),
        ("run", {"model": "bmis_tiny"}, r"holds weights of `--model bmis -o 'depths=\[1,1\]' .*`, "
         r"this training is of `--model bmis_tiny -o .*`; give --model bmis -o"),
        ("run", {"options": {}}, r"widths=\[4,8,12\]'`, this training is of `--model bmis`; give"),
    ],
    ids=["missing", "bundle", "damaged", "another network", "other options"],
)  # fmt: skip
def test_refused_before_any_image_is_read(
    source, dataset, tmp_path, monkeypatch, make, values, message
):
    start = source if make == "run" else tmp_path / (make or "nothing")
    if make and make != "run":
        start.write_bytes(b"PK\x03\x04 and so on")
    monkeypatch.setattr(module, "open_dataset", None)
    settings = TrainConfig(**{**vars(config(dataset, init=start)), **values})
    with pytest.raises(BmisError, match=message) as caught:
        train_model(settings, out=tmp_path / "out", page=False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_size_of_a_network_that_is_built_for_one_is_an_argument_of_its_own():
    options = {"size": [64, 32], "encoder": "resnet18", "deep": False}
    assert command_line("net", options) == (
        "--model net -o deep=false -o encoder=resnet18 --size 64,32"
    )


class OneLayer(SegmentationModel):
    """A network whose only layer sees the classes."""

    def __init__(self, in_channels, num_classes):
        super().__init__(in_channels, num_classes, stride=1)
        self.head = nn.Conv2d(in_channels, num_classes, 1)


def test_a_source_without_a_weight_that_fits_is_refused():
    start = WarmStart("runs/old", OneLayer(3, 2), {})
    with pytest.raises(ConfigError, match=r"runs/old: none of its weights fits .* 1 channel and 4"):
        start.apply(OneLayer(1, 4))
    model = OneLayer(1, 2)
    start.apply(model)
    torch.testing.assert_close(model.head.weight, start.model.head.weight.sum(1, keepdim=True))


def test_weights_of_the_same_classes_in_another_order_are_refused():
    start = WarmStart("runs/old", OneLayer(3, 3), {}, ("bg", "cup", "disc"))
    start.check_classes(("bg", "cup", "disc"))
    start.check_classes(("bg", "polyp", "snare"))  # others start from what was learnt, as ever
    with pytest.raises(ConfigError, match="its classes are bg, cup, disc, those of the data bg, d"):
        start.check_classes(("bg", "disc", "cup"))


def test_a_training_does_not_begin_on_classes_in_another_order(tmp_path):
    data = write_dataset(tmp_path / "data", classes=3)
    (data / "dataset.yaml").write_text("classes: [bg, cup, disc]\n")
    train_model(config(data, epochs=1), out=tmp_path / "first", page=False)
    (data / "dataset.yaml").write_text("classes: [bg, disc, cup]\n")
    with pytest.raises(ConfigError, match=r"--init .*: its classes are bg, cup, disc"):
        train_model(config(data, init=tmp_path / "first"), out=tmp_path / "second", page=False)
    assert not (tmp_path / "second").exists()
