"""Training rate, images per second: the authors' way against ours, in turns within one run.

    python benchmarks/training_rate.py [DATA] [--images 96] [--rounds 5]

A turn is one pass over the same training images. The sides alternate, so that whatever slows the
machine meets them all; the first turn of each is not counted. The authors' side has its loader
with and without worker processes, and the faster of both is what ours is compared with; ours runs
the paper's recipe and the default one. Without DATA, phantoms are drawn. Reading the images into
memory, once per training on our side, is reported apart. Writes
``results/training_rate_<machine>.json``.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from authors import BATCH, SIZE, Network, Training
from lightning.fabric import Fabric
from machine import describe, short_name

from bmis.config import InputSpec
from bmis.data.folder import Case, Dataset, open_dataset
from bmis.data.phantoms import write_phantoms
from bmis.data.store import Store
from bmis.files import output_folder, write_json
from bmis.models import build_model, load_published
from bmis.recipes import find_recipe
from bmis.timing import synchroniser
from bmis.trainer import Trainer

RESULTS = Path(__file__).parent / "results"
Turn = Callable[[], int]  # trains on every image once and says on how many


def ours(
    recipe: str, dataset: Dataset, store: Store, fabric: Fabric, *, compiled: bool
) -> tuple[Turn, int]:
    """One epoch of ``bmis train`` without its validation, and its batch size."""
    settings = find_recipe(recipe)
    model = build_model("bmis", in_channels=dataset.channels, num_classes=dataset.num_classes)
    trainer = Trainer(fabric, model, settings, epochs=1000, seed=0, compiled=compiled)

    def turn() -> int:
        done: list[int] = []
        trainer.train_epoch(store, done.append)
        trainer.progress.epoch += 1
        return sum(done)

    return turn, settings.batch_size


def alternate(sides: dict[str, Turn], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Images per second of each counted turn of each side."""
    wait = synchroniser(device)
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, turn in sides.items():
            # Global in torch; ``bmis train`` sets it on a GPU, the authors' code does not.
            torch.backends.cudnn.benchmark = name.startswith("ours")
            wait()
            start = time.perf_counter()
            images = turn()
            wait()
            rate = images / (time.perf_counter() - start)
            if number:
                rates[name].append(rate)
            print(f"turn {number}  {name}: {rate:.1f} images/s{'' if number else ' (warm-up)'}")
    return rates


def compare(dataset: Dataset, cases: tuple[Case, ...], args: argparse.Namespace) -> dict[str, Any]:
    """Build all sides, let them take turns, and sum up."""
    flags = describe()["processor_flags"]
    half = torch.cuda.is_available() or "avx512_bf16" in flags or "amx_bf16" in flags
    fabric = Fabric(devices=1, precision="bf16-mixed" if half else "32-true")
    device = fabric.device
    load_published("bmis", Network(dataset.channels).state_dict())  # one network, or it raises
    spec = InputSpec(size=SIZE, channels=dataset.channels)
    sides: dict[str, Turn] = {
        f"authors, {workers} workers": Training(cases, dataset.channels, device, workers)
        for workers in args.workers
    }
    batches = dict.fromkeys(sides, BATCH)
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        store = Store(cases, dataset, spec, device, scratch=Path(scratch))
        reading = time.perf_counter() - start
        for recipe in ("paper", "default"):
            name = f"ours, {recipe}"
            sides[name], batches[name] = ours(recipe, dataset, store, fabric, compiled=args.compile)
        rates = alternate(sides, args.rounds, device)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    authors = max(rate for name, rate in medians.items() if name.startswith("authors"))
    return {
        "data": dataset.name,
        "images": len(cases),
        "size": list(SIZE),
        "precision_of_ours": "bf16" if half else "float32",
        "compiled": args.compile,
        "batch": batches,
        "images_per_second": medians,
        "turns": rates,
        "times_the_authors": {
            name: rate / authors for name, rate in medians.items() if name.startswith("ours")
        },
        "reading_seconds_once": reading,
        "machine": describe(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="?", type=Path, help="dataset folder (phantoms)")
    parser.add_argument("--images", type=int, default=96, help="of the training split")
    parser.add_argument("--rounds", type=int, default=5, help="counted turns of each side")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2], help="of the authors")
    parser.add_argument("--compile", action="store_true", help="compile our network")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = args.data or write_phantoms(
            Path(folder) / "phantoms", modality="endoscopy", count=2 * args.images, size=(512, 512)
        )
        dataset = open_dataset(data)
        cases = dataset.split("train")[: args.images]
        result = compare(dataset, cases, args)
    out = output_folder(RESULTS) / f"training_rate_{short_name()}.json"
    write_json(out, result)
    for name, times in result["times_the_authors"].items():
        print(f"{name}: {times:.2f} times the authors' rate")
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
