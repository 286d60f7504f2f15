"""Maps of networks: which are found, taken and compared, and that no trace of it is left."""

import pytest
import torch

from bmis.config import InputSpec
from bmis.errors import ConfigError
from bmis.models import TrainingView, build_model
from bmis.train.distillation import Teacher, link_maps
from bmis.train.feature_maps import FeatureView, Place, find_maps, tapped
from bmis.train.losses import feature_loss

EDGE = {"weights": "none", "width": 8}


def test_the_decoder_of_bmis_edge_gives_maps_at_both_scales():
    model = build_model("bmis_edge", **EDGE).train()
    found = find_maps(model, (64, 96))
    assert list(found) == [8, 16]
    assert {place.channels for place in found.values()} == {8}
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("name", ["bmis", "unext", "mk_unet", "lv_unet", "fast_scnn", "malunet"])
def test_many_networks_have_maps_to_learn_from(name):
    model = build_model(name)
    found = find_maps(model, (64, 64))
    assert found
    names = [place.module for place in found.values()]
    with tapped(model.eval(), names) as maps:
        model(torch.zeros(1, 3, 64, 64))
    for scale, place in found.items():
        assert maps[place.module].shape == (1, place.channels, 64 // scale, 64 // scale)


def test_logits_are_no_maps():
    model = build_model("unet", widths=[4, 8, 16, 32], num_classes=32)
    assert find_maps(model, (64, 64)) == {}


def test_projected_maps_follow_the_logits_and_pass_gradients_on():
    model = build_model("bmis_edge", **EDGE, deep_supervision=True)
    ours, theirs = find_maps(model, (32, 32)), {8: Place("x", 5), 16: Place("y", 6)}
    view = FeatureView(TrainingView(model), model, ours, theirs)
    logits, side, fine, coarse = view(torch.rand(2, 3, 32, 32))
    assert (logits.shape, side.shape) == ((2, 2, 32, 32), (2, 2, 32, 32))
    assert (fine.shape, coarse.shape) == ((2, 5, 4, 4), (2, 6, 2, 2))
    feature_loss(coarse, torch.rand(2, 6, 2, 2)).backward()
    assert model.trunk.stem[0].weight.grad.abs().sum() > 0
    assert len(list(view.parameters())) == len(list(model.parameters())) + 4
    assert not any(module._forward_hooks for module in model.modules())


def test_the_feature_loss_is_one_less_the_cosine_whatever_the_size():
    ours = torch.tensor([[1.0, 0.0], [1.0, 2.0]]).T.reshape(1, 2, 1, 2).contiguous()
    theirs = torch.tensor([[2.0, 0.0], [-1.0, 0.0]]).T.reshape(1, 2, 1, 2).contiguous()
    cosine = (1 + (-1 / 5**0.5)) / 2
    assert float(feature_loss(ours, theirs)) == pytest.approx(1 - cosine)
    larger = theirs.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert float(feature_loss(theirs, larger)) == pytest.approx(0, abs=1e-6)


def test_networks_without_a_common_scale_are_refused():
    teacher = build_model("unet", widths=[4, 8])  # down to 1/2
    teacher = Teacher(teacher, InputSpec((64, 64)), {})
    with pytest.raises(ConfigError, match="no map at 1/8 or 1/16 in common"):
        link_maps(teacher, build_model("bmis_edge", **EDGE), (64, 64))
