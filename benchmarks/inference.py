"""One image through every runtime, in turns within one run: the authors' way against ours.

    bmis export RUN --int8 --keep-float --formats onnx,openvino --out lesion.bmis
    python benchmarks/inference.py RUN lesion.bmis [--cores 2 1] [--images 40] [--rounds 3]
    python benchmarks/inference.py RUN lesion.bmis --folder PHOTOS

The same weights and the same test images on all sides, one image at a time; each number of cores
in a process of its own that is pinned to them. The authors' way is their network in torch, eager,
float32, contiguous. Masks are compared with those of our torch network on all these images. A
round takes every side once over all images; medians over rounds and images. With ``--folder``
``bmis predict`` is timed over a folder of images as well: the share of the wall time that passes
inside the network. Writes ``results/inference_<data>_<machine>.json``.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESULTS = Path(__file__).parent / "results"
SIDES = (  # engine, precision
    ("onnxruntime", "fp32"), ("onnxruntime", "int8"),
    ("openvino", "fp32"), ("openvino", "bf16"), ("openvino", "int8"),
)  # fmt: skip
Batch = NDArray[np.float32]
Run = Callable[[Batch], Batch]


def sides(run: Path, bundle: Path, threads: int) -> dict[str, Run]:
    """Every way to run the network, as float32 arrays in, logits or probabilities out."""
    import torch
    from authors import Network

    from bmis.config import RuntimeOptions
    from bmis.models.checkpoint import read_checkpoint
    from bmis.runtime.load import load_runtime
    from bmis.runtime.torch_network import TorchRuntime

    torch.set_num_threads(threads)
    model, info = read_checkpoint(run)
    network = Network(info.input.channels, info.model.num_classes).eval()
    network.load_state_dict(theirs(network.state_dict(), model.state_dict()))

    def authors(batch: Batch) -> Batch:
        with torch.no_grad():
            logits: Batch = network(torch.from_numpy(batch)).numpy()
        return logits

    ways: dict[str, Run] = {"authors": authors, "torch fp32": TorchRuntime(model)}
    for engine, precision in SIDES:
        options = RuntimeOptions(engine=engine, precision=precision, threads=threads)
        ways[f"{engine} {precision}"] = load_runtime(bundle, options)[0]
    return ways


def theirs(names: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Our weights under the authors' names, which converting marked weights finds out."""
    import torch

    from bmis.models import load_published

    marks = {n: torch.rand_like(t) if t.is_floating_point() else t for n, t in names.items()}
    by_mark = {
        float(tensor.flatten()[0]): name
        for name, tensor in load_published("bmis", marks).state_dict().items()
        if tensor.is_floating_point()
    }
    return {
        name: ours[by_mark[float(mark.flatten()[0])]].reshape(mark.shape)
        if mark.is_floating_point()
        else mark
        for name, mark in marks.items()
    }


def measure(run: Path, bundle: Path, count: int, rounds: int) -> dict[str, Any]:
    """All sides on as many cores as this process is pinned to."""
    from bmis.bundle import read_bundle
    from bmis.data.cases import load_case
    from bmis.data.preprocess import fit, normalise
    from bmis.evaluate.training_data import find_training_data, open_training_data

    info = read_bundle(bundle).manifest.info
    dataset = open_training_data(find_training_data(run, info), info)
    images = [
        normalise(fit(load_case(case, dataset)[0].pixels, info.input)[0], info.input)[None]
        for case in dataset.split("test")[:count]
    ]
    ways = sides(run, bundle, len(os.sched_getaffinity(0)))
    masks = {name: [way(image).argmax(1) for image in images] for name, way in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            way(images[0])  # caches that another side has emptied
            for image in images:
                start = time.perf_counter()
                way(image)
                times[name].append(1000 * (time.perf_counter() - start))
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        name: {
            "median_ms": medians[name],
            "p95_ms": float(np.percentile(times[name], 95)),
            "times_the_authors": medians["authors"] / medians[name],
            "mean_dice_with_torch": statistics.fmean(
                dice(*pair) for pair in zip(masks[name], masks["torch fp32"], strict=True)
            ),
        }
        for name in ways
    }


def dice(one: NDArray[np.integer], other: NDArray[np.integer]) -> float:
    """Dice over all that is not background."""
    total = np.count_nonzero(one) + np.count_nonzero(other)
    return 2 * np.count_nonzero((one == other) & (one > 0)) / total if total else 1.0


def end_to_end(bundle: Path, folder: Path, engine: str, precision: str) -> dict[str, Any]:
    """``bmis predict`` over a folder, with a clock around the network."""
    from bmis.config import RuntimeOptions
    from bmis.data.image_files import find_images
    from bmis.predict.folder import write_masks
    from bmis.predict.predictor import Predictor
    from bmis.runtime.load import load_runtime

    runtime, info = load_runtime(bundle, RuntimeOptions(engine=engine, precision=precision))
    inside = 0.0

    class Timed:
        stride, size, batch = runtime.stride, runtime.size, runtime.batch

        def __call__(self, batch: Batch) -> Batch:
            nonlocal inside
            start = time.perf_counter()
            logits = runtime(batch)
            inside += time.perf_counter() - start
            return logits

    images = find_images(folder)
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        done = write_masks(Predictor(Timed(), info), images, Path(out))
        wall = time.perf_counter() - start
    return {
        "images": len(done.written),
        "seconds": wall,
        "images_per_second": len(done.written) / wall,
        "share_inside_the_network": inside / wall,
    }


def alone(cores: int, *arguments: str) -> Any:
    """This script's answer from a process of its own, pinned to this many cores."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(cores)}
    pinned = ["taskset", "-c", f"0-{cores - 1}", sys.executable, __file__, *arguments, "--child"]
    answer = subprocess.run(pinned, check=True, stdout=subprocess.PIPE, env=environment)
    return json.loads(answer.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--cores", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--side", nargs=2)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        found = (
            end_to_end(args.bundle, args.folder, *args.side)
            if args.side
            else measure(args.run, args.bundle, args.images, args.rounds)
        )
        print(json.dumps(found))
        return
    report(args)


def report(args: argparse.Namespace) -> None:
    from machine import describe, short_name

    from bmis.bundle import read_bundle
    from bmis.system.files import output_folder, write_json

    paths = [str(args.run), str(args.bundle)]
    amounts = ["--images", str(args.images), "--rounds", str(args.rounds)]
    data = read_bundle(args.bundle).manifest.quality["data"]
    out = output_folder(RESULTS) / f"inference_{data}_{short_name()}.json"
    result = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
    result |= {"machine": describe(), "images": args.images, "rounds": args.rounds}
    for cores in args.cores:
        found = alone(cores, *paths, *amounts)
        result[f"{cores} cores"] = found
        print(f"\n| {cores} cores | ms, median | p95 | times the authors' | Dice with torch |")
        print("|---|--:|--:|--:|--:|")
        for name, row in found.items():
            print(
                f"| {name} | {row['median_ms']:.1f} | {row['p95_ms']:.1f} | "
                f"{row['times_the_authors']:.2f} | {row['mean_dice_with_torch']:.4f} |"
            )
    if args.folder:
        result["predict"] = {}
        print("\n| bmis predict | images/s | share inside the network |\n|---|--:|--:|")
        for side in SIDES:
            extra = ["--folder", str(args.folder), "--side", *side]
            row = alone(max(args.cores), *paths, *extra)
            result["predict"][" ".join(side)] = row
            print(
                f"| {' '.join(side)} | {row['images_per_second']:.1f} | "
                f"{row['share_inside_the_network']:.2f} |"
            )
    write_json(out, result)
    print(f"\n{out}")


if __name__ == "__main__":
    main()
