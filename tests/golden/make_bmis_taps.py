"""Makes ``bmis_taps.npz``: what BMIS's steps give, by a second, plain implementation in float64.

The functions below follow the published description of the network with the authors' tensor
names, and share nothing with ``bmis.models``. Weights come from a formula, so that none are
stored. Run it as

    python tests/golden/make_bmis_taps.py [bmis_reference.safetensors]

With the authors' own taps as argument, it first proves that the plain implementation gives them.
"""

import math
import sys
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

SIZE = (48, 72)
STEP = 7  # every 7th value of a tap is kept
Tensors = dict[str, torch.Tensor]
Shapes = dict[str, tuple[int, ...]]


def _conv(name: str, *shape: int, bias: int) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": (bias,)}


def _norm(name: str, width: int) -> Shapes:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (width,) for part in parts} | {f"{name}.num_batches_tracked": ()}


def _block(name: str, width: int) -> Shapes:
    found: Shapes = {f"{name}.eca.conv.weight": (1, 1, 5)}
    for k in (1, 2):
        found |= _conv(f"{name}.conv3x1_{k}", width, width, 3, 1, bias=width)
        found |= _conv(f"{name}.conv1x3_{k}", width, width, 1, 3, bias=width)
        found |= _norm(f"{name}.bn{k}", width)
    return found


def shapes(in_channels: int = 3, classes: int = 2) -> Shapes:
    """Names and shapes in the authors' checkpoint."""
    found: Shapes = {}
    for name, i, o in (("initial_block", in_channels, 16), ("down_1", 16, 64), ("down_2", 64, 96)):
        found |= _conv(f"{name}.conv", o - i, i, 3, 3, bias=o - i) | _norm(f"{name}.bn", o)
    for stage, count, width in (("encoder_1", 5, 64), ("encoder_2", 4, 96)):
        for k in range(1, count + 1):
            found |= _block(f"{stage}_{k}", width)
    sab = "affinity_attention.sab"
    for part, kernel in (("query", (1, 3)), ("key", (3, 1))):
        found |= _conv(f"{sab}.{part}.0", 48, 96, *kernel, bias=48) | _norm(f"{sab}.{part}.1", 48)
    found |= _conv(f"{sab}.value", 96, 96, 1, 1, bias=96)
    found |= {f"{sab}.gamma": (1,), "affinity_attention.cab.gamma": (1,)}
    for name, i, o in (("up_1", 96, 64), ("up_2", 64, 16)):
        found |= _conv(f"{name}.conv", i, o, 3, 3, bias=o) | _norm(f"{name}.bn", o)
    found |= _block("decoder_1_1", 64) | _block("decoder_2_1", 16)
    return found | _conv("output_conv", 16, classes, 2, 2, bias=classes)


def noise(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values in [-1, 1) that depend on the name and the shape alone, on every machine alike."""
    x = np.arange(math.prod(shape), dtype=np.uint64) + np.uint64(zlib.crc32(name.encode()) << 24)
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):  # splitmix64's two rounds
        x = (x ^ (x >> np.uint64(30))) * np.uint64(factor)
    return ((x >> np.uint64(40)).astype(np.float64) / 2**23 - 1).reshape(shape)


def weights(in_channels: int = 3, classes: int = 2) -> Tensors:
    """A whole checkpoint in float32, of a size that keeps every step's values near 1."""
    made = {}
    for name, shape in shapes(in_channels, classes).items():
        value = noise(name, shape)
        if name.endswith("num_batches_tracked"):
            made[name] = torch.tensor(7)
            continue
        if name.endswith("running_var"):
            value = 1 + value / 3
        elif name.endswith("gamma"):
            value = 0.6 + value / 5
        elif len(shape) == 1 and name.endswith("weight"):
            value = 1 + value / 5
        elif len(shape) == 1:
            value = value / 8
        else:
            value = value * math.sqrt(2 / math.prod(shape[1:]))
        made[name] = torch.from_numpy(value.astype(np.float32))
    return made


def picture(in_channels: int = 3, size: tuple[int, int] = SIZE) -> torch.Tensor:
    """An image (1, C, H, W) in float32, values in -1..1."""
    return torch.from_numpy(noise("picture", (1, in_channels, *size)).astype(np.float32))


def taps(t: Tensors, x: torch.Tensor) -> Tensors:
    """Every step's output, computed in float64."""
    t = {name: value.double() for name, value in t.items()}

    def conv(x, name, **how):
        return F.conv2d(x, t[f"{name}.weight"], t[f"{name}.bias"], **how)

    def norm(x, name, eps=1e-3):
        mean, var, weight, bias = (
            t[f"{name}.{part}"].view(1, -1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + eps).sqrt() * weight + bias

    def down(x, name):
        both = [conv(x, f"{name}.conv", stride=2, padding=1), F.max_pool2d(x, 2)]
        return norm(torch.cat(both, 1), f"{name}.bn").clamp(min=0)

    def block(x, name, d=1):
        y = conv(x, f"{name}.conv3x1_1", padding=(1, 0)).relu()
        y = norm(conv(y, f"{name}.conv1x3_1", padding=(0, 1)), f"{name}.bn1").relu()
        y = conv(y, f"{name}.conv3x1_2", padding=(d, 0), dilation=(d, 1)).relu()
        y = conv(y, f"{name}.conv1x3_2", padding=(0, d), dilation=(1, d))
        y = norm(y, f"{name}.bn2")
        means = y.mean((2, 3)).unsqueeze(1)  # (N, 1, C)
        scale = F.conv1d(means, t[f"{name}.eca.conv.weight"], padding=2).sigmoid()
        return (y * scale.transpose(1, 2).unsqueeze(3) + x).relu()

    def spatial(x, name):
        q = norm(conv(x, f"{name}.query.0", padding=(0, 1)), f"{name}.query.1", 1e-5).relu()
        k = norm(conv(x, f"{name}.key.0", padding=(1, 0)), f"{name}.key.1", 1e-5).relu()
        v = conv(x, f"{name}.value")
        looks = torch.einsum("ncp,ncr->npr", q.flatten(2), k.flatten(2)).softmax(2)
        seen = torch.einsum("npr,ncr->ncp", looks, v.flatten(2)).view_as(x)
        return t[f"{name}.gamma"] * seen + x

    def channel(x, name):
        flat = x.flatten(2)
        a = torch.einsum("ncp,ndp->ncd", flat, flat)
        mixed = (a.amax(2, keepdim=True) - a).softmax(2) @ flat
        return t[f"{name}.gamma"] * mixed.view_as(x) + x

    def up(x, name):
        y = F.conv_transpose2d(
            x, t[f"{name}.conv.weight"], t[f"{name}.conv.bias"], 2, padding=1, output_padding=1
        )
        return norm(y, f"{name}.bn").relu()

    tap = {}
    tap["after_stem"] = x = down(x.double(), "initial_block")
    tap["after_down_1"] = x = down(x, "down_1")
    for k in range(1, 6):
        x = block(x, f"encoder_1_{k}")
    tap["after_stage_1"] = x
    tap["after_down_2"] = x = down(x, "down_2")
    for k in range(1, 5):
        x = block(x, f"encoder_2_{k}", d=k + 1)
    tap["after_stage_2"] = x
    both = spatial(x, "affinity_attention.sab") + channel(x, "affinity_attention.cab")
    tap["attention_output"] = both
    tap["after_up_1"] = x = up(x + both, "up_1")
    tap["after_decoder_1"] = x = block(x, "decoder_1_1")
    tap["after_up_2"] = x = up(x, "up_2")
    tap["after_decoder_2"] = x = block(x, "decoder_2_1")
    tap["logits"] = F.conv_transpose2d(x, t["output_conv.weight"], t["output_conv.bias"], 2)
    return tap


def check(reference: Path) -> None:
    """Stop unless the plain implementation gives the authors' taps to 1e-4."""
    from safetensors.torch import load_file

    real = load_file(reference)
    state = {k[11:]: v for k, v in real.items() if k.startswith("state_dict.")}
    for name, value in taps(state, real["input"]).items():
        torch.testing.assert_close(value.float(), real[f"tap.{name}"], rtol=0, atol=1e-4)
        error = (value - real[f"tap.{name}"]).abs().max()
        sys.stdout.write(f"{name}: {error:.1e} from the authors'\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        check(Path(sys.argv[1]))
    kept = {}
    for name, value in taps(weights(), picture()).items():
        kept[name] = value.flatten()[::STEP].numpy().astype(np.float32)
        sys.stdout.write(f"{name}: {tuple(value.shape)}, {value.mean():.2f} +- {value.std():.2f}\n")
    np.savez_compressed(Path(__file__).with_name("bmis_taps.npz"), **kept)
