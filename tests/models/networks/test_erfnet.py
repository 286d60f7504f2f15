"""What is particular to ERFNet; what all models share is in test_contract.py."""

import pytest
import torch

from bmis.models import build_model
from bmis.models.complexity import count_macs

CLASSIFIER = 2 * (128 + 1)  # of the encoder, two classes: published, and left out here


def test_size_is_as_published():
    model = build_model("erfnet")  # two classes
    assert sum(p.numel() for p in model.parameters()) == 2_063_344 - CLASSIFIER
    assert count_macs(model, (224, 224)) == pytest.approx(2.533e9, rel=0.02)


def test_dilation_doubles_and_begins_again():
    blocks = build_model("erfnet").stage_2
    pairs = [[conv.dilation for conv in block.conv_2[::2]] for block in blocks]
    assert pairs == [[(d, 1), (1, d)] for d in (2, 4, 8, 16, 2, 4, 8, 16)]


def test_there_are_no_skip_connections():
    model = build_model("erfnet").eval()
    torch.nn.init.zeros_(model.up_1[0].weight)
    one, other = model(torch.randn(2, 3, 32, 32))
    assert torch.equal(one, other)
