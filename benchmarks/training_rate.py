"""Training rate in images per second: the authors' code against ours, in turns within one run.

    python benchmarks/training_rate.py [DATA] [--images 96] [--rounds 5] [--load 4]

A turn is one pass over the same training images. The sides alternate, so that whatever slows the
machine slows them all, and each has a process of its own. The first turn of each is not counted.
The authors' loader runs with and without worker processes, and ours is compared with the faster.
The authors' side runs once more with denormal numbers set to 0: its attention produces them, and
some processors multiply them slowly. Ours runs BMIS by the paper's recipe and by the default one,
and ``bmis_edge``, with as many threads as ``bmis train`` finds to be fastest. Without DATA,
phantoms are drawn. Reading the images into memory, once per training on our side, is not counted. A
large matrix product, the fastest thing that the machine computes, shows how far either is from its
limit. With ``--load`` as many other processes compute all the time. Writes
``results/training_rate_<data>_<machine>.json``, or ``training_load_...`` under load.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from authors import BATCH, SIZE, Network, Training
from machine import describe, short_name

from bmis.config import InputSpec, TrainConfig
from bmis.data.cases import Case, Dataset
from bmis.data.folder import open_dataset
from bmis.data.phantoms.write import write_phantoms
from bmis.models import build_model, load_published
from bmis.models.complexity import count_macs
from bmis.profile.steps import synchroniser
from bmis.system.files import output_folder, write_json
from bmis.system.stopwatch import time_calls
from bmis.train.cached_dataset import CachedDataset
from bmis.train.fabric import launch_fabric
from bmis.train.recipes import find_recipe
from bmis.train.threads import ThreadSearch, chooses_threads
from bmis.train.trainer import Trainer

RESULTS = Path(__file__).parent / "results"
FLUSHED = ", no denormals"  # what the authors' code would be without them
OURS = {  # network and recipe
    "ours, paper": ("bmis", "paper"),
    "ours, default": ("bmis", "default"),
    "ours, bmis_edge": ("bmis_edge", "default"),
}
_SIDE = 2048  # rows and columns of the matrices
Turn = Callable[[], int]  # trains on every image once and returns their number


def ours(name: str, dataset: Dataset, cases: tuple[Case, ...], run: Path) -> tuple[Turn, int]:
    """One epoch of ``bmis train`` without its validation, and its batch size."""
    network, recipe = OURS[name]
    config = TrainConfig(data=str(dataset.root), model=network, recipe=recipe, size=SIZE)
    fabric, settings = launch_fabric(config, run), find_recipe(recipe)
    spec = InputSpec(size=SIZE, channels=dataset.channels)
    cached = CachedDataset(cases, dataset, spec, fabric.device, scratch=run)
    model = build_model(network, in_channels=dataset.channels, num_classes=dataset.num_classes)
    trainer = Trainer(fabric, model, settings, epochs=1000, seed=0)
    search = ThreadSearch(torch.get_num_threads()) if chooses_threads(config) else None

    def turn() -> int:
        done: list[int] = []

        def step_done(images: int) -> None:
            done.append(images)
            if search:
                search.step_done(images)

        if search:
            search.begin()
        trainer.train_epoch(cached, step_done)
        trainer.progress.epoch += 1
        return sum(done)

    return turn, settings.batch_size


def side(name: str, data: Path, count: int, run: Path, line: Connection) -> None:
    """Run one side in a process of its own, so that its settings of torch stay its own.

    It sends its batch size; then, for each True that it receives, takes a turn and sends the rate.
    """
    dataset = open_dataset(data)
    cases = dataset.split("train")[:count]
    whose, _, what = name.partition(", ")
    if what.endswith(FLUSHED):
        torch.set_flush_denormal(True)
    if whose == "ours":
        turn, batch = ours(name, dataset, cases, run)
    else:
        load_published("bmis", Network(dataset.channels).state_dict())  # one network, or it raises
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        turn, batch = Training(cases, dataset.channels, device, int(what.split()[0])), BATCH
    wait = synchroniser(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    line.send(batch)
    while line.recv():
        wait()
        start = time.perf_counter()
        images = turn()
        wait()
        line.send(images / (time.perf_counter() - start))


def alternate(lines: dict[str, Connection], rounds: int) -> dict[str, list[float]]:
    """Images per second of each counted turn of each side; one side works at a time."""
    rates: dict[str, list[float]] = {name: [] for name in lines}
    for number in range(rounds + 1):
        for name, line in lines.items():
            line.send(True)
            rate = line.recv()
            if number:
                rates[name].append(rate)
            print(f"turn {number}  {name}: {rate:.1f} images/s{'' if number else ' (warm-up)'}")
    return rates


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many other processes that multiply matrices on one thread each."""
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_multiply, daemon=True) for _ in range(count)]
    for other in others:
        other.start()
    try:
        yield
    finally:
        for other in others:
            other.kill()


def _multiply() -> None:
    torch.set_num_threads(1)
    matrix = torch.randn(512, 512)
    while True:
        matrix @ matrix


def arithmetic(rates: dict[str, float], channels: int) -> dict[str, float]:
    """Billions of multiplications and additions a second, of each side and of a matrix product.

    A training step takes three times those of a forward pass: for the logits, for the gradients of
    the inputs, and for the gradients of the weights.
    """
    macs = {
        network: count_macs(build_model(network, in_channels=channels), SIZE)
        for network in ("bmis", "bmis_edge")
    }
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    a, b = torch.randn(2, _SIDE, _SIDE, device=device).unbind()
    times = time_calls(lambda: a @ b, seconds=1, synchronise=synchroniser(device))
    networks = {name: OURS.get(name, ("bmis",))[0] for name in rates}
    done = {name: 3 * 2 * macs[networks[name]] / 1e9 * rate for name, rate in rates.items()}
    return {**done, "float32 product": 2 * _SIDE**3 / min(times) / 1e9}


def compare(data: Path, args: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Start all sides, let them take turns, and sum up."""
    names = [f"authors, {workers} workers" for workers in args.workers]
    names += [f"authors, 0 workers{FLUSHED}", *OURS]
    lines: dict[str, Connection] = {}
    batches: dict[str, int] = {}
    context = multiprocessing.get_context("spawn")
    for name in names:
        lines[name], theirs = context.Pipe()
        # not a daemon: those may have no loader processes of their own
        context.Process(target=side, args=(name, data, args.images, scratch, theirs)).start()
        batches[name] = lines[name].recv()
    with busy(args.load):
        rates = alternate(lines, args.rounds)
    for line in lines.values():
        line.send(False)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    authors = {name: rate for name, rate in medians.items() if name.startswith("authors")}
    flushed = authors.pop(f"authors, 0 workers{FLUSHED}")
    mine = {name: rate for name, rate in medians.items() if name.startswith("ours")}
    best = max(authors.values())
    return {
        "data": data.name,
        "images": args.images,
        "load": args.load,
        "size": list(SIZE),
        "batch": batches,
        "images_per_second": medians,
        "turns": rates,
        "times_the_authors": {name: rate / best for name, rate in mine.items()},
        "times_the_authors_without_denormals": {
            name: rate / max(best, flushed) for name, rate in mine.items()
        },
        "gflops": arithmetic(medians, open_dataset(data).channels),
        "machine": describe(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="?", type=Path, help="dataset folder (phantoms)")
    parser.add_argument("--images", type=int, default=96, help="of the training split")
    parser.add_argument("--rounds", type=int, default=5, help="counted turns of each side")
    parser.add_argument("--load", type=int, default=0, help="other processes that compute")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2], help="of the authors")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = args.data or write_phantoms(
            Path(folder) / "phantoms", modality="endoscopy", count=2 * args.images, size=(512, 512)
        )
        result = compare(data, args, Path(folder))
    kind = "load" if args.load else "rate"
    out = output_folder(RESULTS) / f"training_{kind}_{result['data']}_{short_name()}.json"
    write_json(out, result)
    for name, times in result["times_the_authors"].items():
        without = result["times_the_authors_without_denormals"][name]
        print(f"{name}: {times:.2f} times the authors' rate, {without:.2f} without denormals")
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
