"""What is particular to Attention U-Net; what all models share is in test_contract.py."""

import pytest
import torch

from bmis.models import build_model
from bmis.models.complexity import count_macs
from bmis.models.networks.attention_unet import AttentionGate


def test_parameters_and_macs_are_as_published():
    model = build_model("attention_unet", num_classes=1)
    assert sum(p.numel() for p in model.parameters()) == 34_878_573
    assert count_macs(model, (224, 224)) == pytest.approx(50.9e9, rel=0.005)


def test_what_the_decoder_knows_opens_and_closes_the_gate():
    gate = AttentionGate(4).eval()
    conv, _ = gate.of_decoded
    last, _ = gate.coefficient[1:]
    torch.nn.init.ones_(conv.weight)
    torch.nn.init.constant_(last.weight, 10)
    torch.nn.init.constant_(last.bias, -100)
    features = torch.randn(1, 4, 2, 2)
    decoded = torch.full((1, 4, 2, 2), -9.0)
    decoded[..., 0, 1] = 9.0  # one pixel of four
    seen = gate(features, decoded)
    torch.testing.assert_close(seen[..., 0, 1], features[..., 0, 1])
    assert seen[..., 1, :].abs().max() < 1e-6


def test_closed_gates_leave_nothing_of_the_skip_connections():
    model = build_model("attention_unet", widths=(4, 8)).eval()
    torch.nn.init.constant_(model.gates[0].coefficient[-1].bias, -1000.0)
    for parameter in model.ups.parameters():
        torch.nn.init.zeros_(parameter)
    one, other = model(torch.randn(2, 3, 8, 8))
    assert torch.equal(one, other)
