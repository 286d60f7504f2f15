"""What denormal numbers, those below 1e-38, cost a processor, and BMIS on it.

    python benchmarks/denormals.py DATA [--rounds 5]

Attention's softmax gives every pixel and channel a weight, most of them next to nothing. With the
plain softmax the faintest come out as denormal numbers, which ``layers.attention`` keeps out. Both
ways take turns: a product of matrices with such numbers and without; the networks that come with
the package, in torch and float32, on eight test images of their kind, one at a time; training, by
the paper's recipe, on 48 images of Kvasir-SEG. DATA is as for five_modalities.py. Writes
``results/denormals_<machine>.json``.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from five_modalities import MODALITIES
from machine import describe, short_name
from torch import Tensor
from training_rate import ours
from turns import alternate

from bmis import load, open_dataset, read_image
from bmis.models.layers.attention import plain_attention
from bmis.pretrained.lookup import find_weights
from bmis.system.files import output_folder, write_json

RESULTS = Path(__file__).parent / "results"
IMAGES = 8  # of each kind
TRAINED = 48  # images


def both(work: Callable[[], object]) -> dict[str, Callable[[], object]]:
    """The same work with denormal numbers and without."""

    def plain() -> None:
        with plain_attention():
            work()

    return {"plain": plain, "kept out": work}


def product() -> dict[str, Callable[[], object]]:
    """Products of 6 x 784 x 96 and 6 x 96 x 96 matrices, the second all denormal or all normal."""
    a, b = torch.randn(6, 784, 96), torch.randn(6, 96, 96)
    tiny = b.sign() * 1e-39

    def times(what: Tensor) -> Callable[[], object]:
        return lambda: [torch.bmm(a, what) for _ in range(20)]

    return {"denormal": times(tiny), "normal": times(b)}


def prediction(name: str, root: Path) -> Callable[[], object]:
    cases = open_dataset(root / MODALITIES[name].data).split("test")[:IMAGES]
    images = [read_image(case.image) for case in cases]
    predictor = load(find_weights(f"{name}-bmis"))
    return lambda: [predictor(image) for image in images]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    dataset = open_dataset(args.data / "kvasir")
    train, _ = ours("paper", dataset, dataset.split("train")[:TRAINED], Path(tempfile.mkdtemp()))
    work = {"product": product()}
    work |= {name: both(prediction(name, args.data)) for name in MODALITIES}
    work["training"] = both(train)
    found = {}
    for name, ways in work.items():
        found[name] = alternate(name, ways, args.rounds)
    out = output_folder(RESULTS) / f"denormals_{short_name()}.json"
    write_json(out, {"found": found, "machine": describe()})
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
