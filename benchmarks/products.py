"""Gradients of kernels' weights, torch's own and by matrix products: layers and whole steps.

    python benchmarks/products.py [--methods bmis unet] [--batch 4] [--rounds 4]

Both ways take turns. Layers: the gradient of the weights alone, in float32 and, where the processor
has it, bf16. Steps: forward, cross-entropy, backward, AdamW in float32 at 224 x 224, with and
without ``use_matmul_weight_gradient``, which changes them only on processors with AVX2 and no
wider vectors.
Writes ``results/products_<machine>.json``.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from machine import describe, short_name
from turns import alternate

from bmis.models import build_model
from bmis.models.layers.cpu_gradients import use_matmul_weight_gradient
from bmis.models.layers.cpu_layers import matmul_weight_gradient
from bmis.profile.steps import training
from bmis.system.files import output_folder, write_json
from bmis.system.processor import computes_bf16
from bmis.train.fabric import keep_freed_memory

RESULTS = Path(__file__).parent / "results"
SIZE = (224, 224)
WAYS = ("torch", "products")
LAYERS = (  # channels in and out, side of the map, kernel, dilation
    (16, 112, (3, 1), 1),
    (16, 112, (1, 3), 1),
    (32, 112, (3, 1), 1),
    (32, 112, (1, 3), 1),
    (48, 56, (3, 3), 1),
    (64, 56, (3, 1), 1),
    (64, 56, (1, 3), 1),
    (96, 28, (3, 1), 1),
    (96, 28, (1, 3), 5),
    (64, 56, (3, 3), 1),
    (256, 14, (3, 3), 1),
    (64, 224, (3, 3), 1),
)


def layer(
    channels: int, side: int, kernel: tuple[int, int], dilation: int, dtype: torch.dtype, batch: int
) -> dict[str, Callable[[], object]]:
    """Both ways to the gradient of one kernel's weights."""

    def channels_last(*shape: int) -> torch.Tensor:
        return torch.randn(shape).to(dtype, memory_format=torch.channels_last)

    x, gradient = (channels_last(batch, channels, side, side) for _ in range(2))
    weight = channels_last(channels, channels, *kernel)
    spread = (dilation, dilation)
    padding = [dilation * (k // 2) for k in kernel]
    geometry = ((1, 1), padding, spread, False, (0, 0), 1)

    def by_torch() -> object:
        return torch.ops.aten.convolution_backward(
            gradient, x, weight, None, *geometry, (False, True, False)
        )

    return {
        "torch": by_torch,
        "products": lambda: matmul_weight_gradient(x, gradient, weight, spread),
    }


def step(name: str, batch: int, *, products: bool) -> Callable[[], object]:
    """One step of training a network."""
    model = build_model(name).to(memory_format=torch.channels_last)
    if products:
        use_matmul_weight_gradient(model)
    return training(model, batch, SIZE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--methods", nargs="*", default=["bmis", "smp_unet", "cmunext", "unet"])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=4)
    args = parser.parse_args()
    keep_freed_memory()
    kinds = [torch.float32, torch.bfloat16] if computes_bf16("torch") else [torch.float32]
    found = {}
    for dtype in kinds:
        for channels, side, kernel, dilation in LAYERS:
            name = f"{dtype}, {channels} channels, {side} x {side}, {kernel}, dilation {dilation}"
            ways = layer(channels, side, kernel, dilation, dtype, args.batch)
            found[name] = alternate(name, ways, 5 * args.rounds)
    for name in args.methods:
        ways = {way: step(name, args.batch, products=way == "products") for way in WAYS}
        found[name] = alternate(name, ways, args.rounds)
    out = output_folder(RESULTS) / f"products_{short_name()}.json"
    write_json(out, {"batch": args.batch, "found": found, "machine": describe()})
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
