"""How well the gradients of each network survive bf16: what decides a comparison's precision.

    python benchmarks/gradients.py [NAMES...]

The gradient of the recipe's loss by all weights of an untrained network, on drawn endoscopy images
of 128 x 128: its cosine in bf16, and in float32, with that in float64. Writes
``results/gradients.json``.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from machine import describe
from runtimes import phantoms
from torch import Tensor, nn

from bmis.compare.methods import find_methods
from bmis.errors import BmisError
from bmis.models import SegmentationModel, TrainingView, build_untrained, list_models
from bmis.models.layers.cpu_gradients import prepare_for_cpu
from bmis.system.files import write_json
from bmis.train.losses import ce_dice

FILE = Path(__file__).parent / "results" / "gradients.json"
SIDE, IMAGES = 128, 4
BEARS_BF16 = 0.8  # cosine from which a network is trained in bf16


def build(method: str) -> SegmentationModel:
    """The network that a text stands for, untrained, without dropout: equal in all precisions."""
    (variant,) = find_methods([method])
    torch.manual_seed(0)
    model = build_untrained(variant.name, **variant.options).train()
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
    return model


def gradient(method: str, precision: str) -> Tensor:
    """The gradient by all weights, (weights,) float64."""
    model = build(method)
    images = torch.from_numpy(phantoms((SIDE, SIDE))[:IMAGES])
    labels = (images.mean(1) > images.mean()).long()
    if precision == "float64":
        model, images = model.double(), images.double()
    elif precision == "bf16":
        prepare_for_cpu(model)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        logits = TrainingView(model)(images)[0]
    ce_dice(logits, labels).backward()  # type: ignore[no-untyped-call]
    return torch.cat(
        [weight.grad.double().flatten() for weight in model.parameters() if weight.grad is not None]
    )


def measure(method: str) -> dict[str, float]:
    """The cosines of the gradients in bf16 and in float32 with that in float64."""
    exact = gradient(method, "float64")
    return {
        precision: round(float(nn.functional.cosine_similarity(given, exact, dim=0)), 3)
        for precision in ("bf16", "float32")
        for given in [gradient(method, precision)]
    }


def known() -> dict[str, Any]:
    """The cosines that have been measured, by method."""
    return json.loads(FILE.read_text(encoding="utf-8"))["cosines"] if FILE.exists() else {}


def precision_of(method: str) -> str:
    """The precision of ``TrainConfig`` that the gradients of a method bear: "bf16" or "32".

    A network whose gradients cannot be had in bf16 or in float64 is trained in float32.
    """
    return "bf16" if known().get(method, {}).get("bf16", 0.0) >= BEARS_BF16 else "32"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="networks; all of them by default")
    args = parser.parse_args()
    cosines = known()
    for method in args.names or list_models():
        try:
            cosines[method] = measure(method)
        except (BmisError, RuntimeError) as error:
            cosines[method] = {"failed": " ".join(str(error).split())[:200]}
        print(method, cosines[method], flush=True)
        write_json(FILE, {"machine": describe(), "side": SIDE, "cosines": cosines})


if __name__ == "__main__":
    main()
