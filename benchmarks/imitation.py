"""Does BMIS learn better when it first imitates a network from ImageNet, and then has a teacher?

    OMP_NUM_THREADS=1 python benchmarks/imitation.py DATA lite2.safetensors
        [--only colonoscopy] [--seeds 2]

BMIS learns to give the maps of EfficientNet-Lite0 at 1/8 and 1/16, of which each channel is brought
to mean 0 and deviation 1, on the training images of all six data sets without their masks: 18,000
passes. From there it is trained as usual, by itself, with the ``bmis_edge`` of its modality in the
package as a teacher or with a larger network, and beside it from random weights. The larger one is
``bmis_edge`` on all of EfficientNet-Lite2 with 64 channels and a step at 1/2, from ImageNet
(``imagenet_weights.py`` makes the file). Every training has 9,000 passes at 128 x 128, at the
learning rate that ``paper_table.py`` found for BMIS and ``bmis_edge``. The validation images are
scored; the test images are not used. Writes ``results/imitation/<data>.json`` after each training
and goes on from there when it is stopped.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import torch.nn.functional as F
from five_modalities import MODALITIES, described
from machine import describe
from torch import Tensor, nn

from bmis import (
    TrainConfig,
    build_model,
    evaluate_model,
    open_dataset,
    paired_difference,
    train_model,
)
from bmis.config import InputSpec, ModelConfig, ModelInfo
from bmis.models.checkpoint import save_model
from bmis.models.imagenet import load_trunk
from bmis.models.layers.efficientnet_lite import EfficientNetLite
from bmis.system.files import output_folder, write_json
from bmis.train.batches import augmented_batch, draw_batches, normalise_batch
from bmis.train.cached_dataset import CachedDataset
from bmis.train.feature_maps import tapped
from bmis.train.recipes import find_recipe

RESULTS = Path(__file__).parent / "results" / "imitation"
SETS = ("colonoscopy", "breast-ultrasound")
SIZE, PASSES, RATE = (128, 128), 9000, 6e-3
IMITATED, BATCH, TOP_RATE = 18_000, 16, 4e-3
PLAIN, IMITATION, TAUGHT = "as it is", "imitation", "imitation and teacher"
TAUGHT_BY_LARGE, LARGE = "imitation and large teacher", "large teacher"
ARMS = (PLAIN, IMITATION, TAUGHT, TAUGHT_BY_LARGE)
LITE2 = {"trunk": "lite2", "stages": 7, "width": 64, "finest": 2}
STUDIED = 20  # batches from which the teacher's means and deviations come
CPU = torch.device("cpu")


class Imitator(nn.Module):
    """BMIS as far as 1/8, and a projection to the channels of the maps that it imitates."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.bmis = build_model("bmis")
        self.projections = nn.ModuleList(nn.Conv2d(96, count, 1) for count in channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps (N, C, H/8, W/8) and (N, C, H/16, W/16) of images (N, 3, H, W)."""
        with tapped(self.bmis, ["stage_2", "attention"]) as maps:
            self.bmis(x)
        eighth = maps["stage_2"] + maps["attention"]
        fine, coarse = self.projections
        return [fine(eighth), coarse(F.avg_pool2d(eighth, 2))]


class Imitated:
    """The network that is imitated, with its maps at 1/8 and 1/16 made comparable."""

    def __init__(self) -> None:
        self.trunk = EfficientNetLite(3, "lite0", 5)
        load_trunk(self.trunk, "lite0", "imagenet")
        self.trunk.eval().requires_grad_(False)
        self.scale: list[tuple[Tensor, Tensor]] = []

    @torch.no_grad()
    def study(self, batches: list[Tensor]) -> None:
        """Take mean and deviation of each channel from some images."""
        found = [self.trunk(batch)[2:] for batch in batches]
        for maps in zip(*found, strict=True):
            values = torch.cat(maps).transpose(0, 1).flatten(1)
            self.scale.append(
                (values.mean(1).view(1, -1, 1, 1), values.std(1).clamp_min(1e-3).view(1, -1, 1, 1))
            )

    @torch.no_grad()
    def __call__(self, x: Tensor) -> list[Tensor]:
        maps = self.trunk(x)[2:]
        return [(y - mean) / std for y, (mean, std) in zip(maps, self.scale, strict=True)]


def read_images(root: Path, runs: Path) -> list[CachedDataset]:
    """The training images of all data sets, with the channels that each has."""
    datasets = [open_dataset(described(name, root, runs)) for name in MODALITIES]
    return [
        CachedDataset(one.split("train"), one, InputSpec(SIZE, one.channels), CPU, scratch=runs)
        for one in datasets
    ]


def imitate(root: Path, runs: Path) -> Path:
    """Train BMIS to give the other network's maps; the file of its weights."""
    file = runs / "imitation.safetensors"
    if file.exists():
        return file
    torch.manual_seed(0)
    spec = InputSpec(SIZE)
    sets, generator = read_images(root, runs), torch.Generator().manual_seed(0)
    settings = find_recipe("default").augmentation
    ends = torch.tensor([len(one) for one in sets]).cumsum(0)

    def batch(index: Tensor) -> Tensor:
        """Images of any of the sets, changed and normalised."""
        place = torch.bucketize(index, ends, right=True)
        images = []
        for number in sorted(set(place.tolist())):
            chosen = index[place == number] - (ends[number] - len(sets[number]))
            drawn, _ = augmented_batch(sets[number], chosen, settings, generator)
            images.append(drawn.expand(-1, 3, -1, -1))
        return normalise_batch(torch.cat(images), spec)

    epochs = round(IMITATED / int(ends[-1]))
    order = [i for seed in range(epochs) for i in draw_batches(int(ends[-1]), BATCH, seed=seed)]
    imitated = Imitated()
    imitated.study([batch(index) for index in order[:STUDIED]])
    student = Imitator(imitated.trunk.channels[2:]).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(student.parameters(), TOP_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, TOP_RATE, len(order))
    for number, index in enumerate(order):
        x = batch(index)
        with torch.autocast("cpu", torch.bfloat16):
            ours = student(x)
        losses = [F.mse_loss(y.float(), z) for y, z in zip(ours, imitated(x), strict=True)]
        optimizer.zero_grad()
        sum(losses).backward()  # type: ignore[union-attr]
        optimizer.step()
        schedule.step()
        if number % 50 == 0:
            say(f"batch {number} of {len(order)}: {[round(float(one), 3) for one in losses]}")
    info = ModelInfo(ModelConfig("bmis"), spec, ("background", "object"))
    save_model(file, student.bmis, info)
    return file


@dataclass(frozen=True)
class Place:
    """Where a modality's images are, where its runs go, and the weights of the larger trunk."""

    name: str
    root: Path
    runs: Path
    lite2: Path

    def config(self, **given: Any) -> TrainConfig:
        """What all trainings share, and what is ``given``."""
        data = described(self.name, self.root, self.runs)
        return TrainConfig(
            str(data),
            epochs=max(1, round(PASSES / len(open_dataset(data).split("train")))),
            size=SIZE,
            split_seed=0,
            learning_rate=RATE,
            precision="bf16",
            threads=1,
            **given,
        )


def train(place: Place, arm: str, seed: int) -> dict[str, float]:
    """One training; IoU of each validation image."""
    teachers = {TAUGHT: lambda: place.name, TAUGHT_BY_LARGE: lambda: str(large_teacher(place))}
    config = place.config(
        seed=seed,
        init=None if arm == PLAIN else str(imitate(place.root, place.runs)),
        teacher=teachers[arm]() if arm in teachers else None,
    )
    out = place.runs / f"{place.name}-{arm.replace(' ', '-')}-{seed}"
    return score(train_model(config, out=out, page=False).run)


def large_teacher(place: Place) -> Path:
    """The run of the larger network, trained if it is not there yet."""
    out = place.runs / f"{place.name}-large"
    options = {**LITE2, "weights": str(place.lite2)}
    config = place.config(model="bmis_edge", options=options, seed=0)
    return train_model(config, out=out, page=False).run


def score(run: Path) -> dict[str, float]:
    """IoU of each validation image."""
    found = evaluate_model(run, split="val").values("iou")
    return {case: value for case, value in found.items() if value is not None}


def compare(values: dict[str, dict[str, dict[str, float]]]) -> dict[str, dict[str, object]]:
    """Each arm minus the plain training, over all images of the seeds that both have."""
    found = {}
    for arm in ARMS[1:]:
        both = sorted(set(values.get(PLAIN, {})) & set(values.get(arm, {})))
        if not both:
            continue
        plain, other = (
            {f"{seed}/{case}": iou for seed in both for case, iou in values[one][seed].items()}
            for one in (PLAIN, arm)
        )
        found[arm] = asdict(paired_difference(other, plain))
    return found


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("lite2", type=Path)
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs/imitation"))
    args = parser.parse_args()
    runs = output_folder(args.runs)
    for seed, name, arm in product(range(args.seeds), args.only, ARMS):
        file = output_folder(RESULTS) / f"{MODALITIES[name].data}.json"
        done = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"values": {}}
        seeds = done["values"].setdefault(arm, {})
        if str(seed) in seeds:
            continue
        place = Place(name, args.data, runs, args.lite2.resolve())
        seeds[str(seed)] = train(place, arm, seed)
        if arm == TAUGHT_BY_LARGE:
            done[LARGE] = score(large_teacher(place))
        done["differences"] = compare(done["values"])
        done["machine"] = describe()
        write_json(file, done)
        say(f"{name} {arm} {seed}: {fmean(seeds[str(seed)].values()):.4f}")


if __name__ == "__main__":
    main()
