"""Depthwise convolutions that train in bf16, and the same kept in float32: layers and whole steps.

    python benchmarks/depthwise.py [--methods lv_unet cmunext] [--batch 8] [--rounds 4]

Both ways take turns, on a processor that computes in bf16. Layers: forward, gradients of map and
weights. Steps: forward, cross-entropy, backward, AdamW at 224 x 224, prepared as in a training, but
for ``_is_slow_in_bf16`` in one of the ways. Writes ``results/depthwise_<machine>.json``.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import torch
from machine import describe, short_name
from torch import nn
from turns import alternate

from bmis.models import build_model, size_options
from bmis.models.layers import cpu_gradients
from bmis.models.layers.cpu_layers import Float32Conv2d
from bmis.profile.steps import training
from bmis.system.files import output_folder, write_json
from bmis.system.processor import computes_bf16
from bmis.train.fabric import keep_freed_memory

RESULTS = Path(__file__).parent / "results"
SIZE = (224, 224)
WAYS = {"bf16": False, "float32": True}
LAYERS = (  # channels, side of the map, kernel, stride
    (16, 112, (3, 3), 1),
    (64, 56, (3, 3), 1),
    (48, 56, (3, 3), 2),
    (64, 112, (3, 3), 2),
    (240, 28, (3, 3), 2),
    (32, 112, (5, 5), 1),
    (120, 28, (5, 5), 1),
    (72, 56, (5, 5), 2),
    (64, 56, (7, 7), 1),
    (64, 56, (1, 7), 1),
    (64, 56, (7, 1), 1),
    (64, 56, (5, 3), 1),
    (64, 56, (3, 5), 1),
    (64, 56, (3, 3), (1, 2)),
    (64, 56, (3, 3), (2, 1)),
)
METHODS = ("lv_unet", "mk_unet", "cmunext", "ulite", "malunet", "fast_scnn", "tv_lraspp")


def layer(
    channels: int,
    side: int,
    kernel: tuple[int, int],
    stride: int | tuple[int, int],
    batch: int,
    *,
    float32: bool,
) -> Callable[[], object]:
    """Forward and backward of one convolution, alone."""
    kind = Float32Conv2d if float32 else nn.Conv2d
    conv = kind(
        channels,
        channels,
        kernel,
        stride,
        (kernel[0] // 2, kernel[1] // 2),
        groups=channels,
        bias=False,
    ).to(memory_format=torch.channels_last)
    x = torch.randn(batch, channels, side, side, dtype=torch.bfloat16)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()

    def run() -> object:
        with torch.autocast("cpu", torch.bfloat16):
            y = conv(x)
        return torch.autograd.grad(y, [x, conv.weight], y.detach())

    return run


def step(name: str, batch: int, *, float32: bool) -> Callable[[], object]:
    """One step of training a network in bf16."""
    model = build_model(name, **size_options(name, {}, SIZE)).to(memory_format=torch.channels_last)
    slow = cpu_gradients._is_slow_in_bf16 if float32 else lambda conv: False
    with patch.object(cpu_gradients, "_is_slow_in_bf16", slow):
        cpu_gradients.prepare_for_cpu(model)
    whole = training(model, batch, SIZE)

    def run() -> object:
        with torch.autocast("cpu", torch.bfloat16):
            return whole()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--methods", nargs="*", default=METHODS)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=4)
    args = parser.parse_args()
    if not computes_bf16("torch"):
        raise SystemExit("this processor does not compute in bf16")
    keep_freed_memory()
    found = {}
    for channels, side, kernel, stride in LAYERS:
        name = f"{channels} channels, {side} x {side}, {kernel}, stride {stride}"
        ways = {
            way: layer(channels, side, kernel, stride, args.batch, float32=float32)
            for way, float32 in WAYS.items()
        }
        found[name] = alternate(name, ways, 5 * args.rounds)
    for name in args.methods:
        ways = {way: step(name, args.batch, float32=float32) for way, float32 in WAYS.items()}
        found[name] = alternate(name, ways, args.rounds)
    out = output_folder(RESULTS) / f"depthwise_{short_name()}.json"
    write_json(out, {"batch": args.batch, "found": found, "machine": describe()})
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
