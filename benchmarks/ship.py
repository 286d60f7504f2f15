"""Puts trained networks into the package, and says in their cards what they can and cannot do.

    python benchmarks/ship.py DATA [--only dermoscopy nuclei-bmis ...] [--runs RUNS]

For each network it writes a bundle (int8 where it passes the gate, else float32) whose
post-processing and expected Dice come from validation images; the weights in half precision to
start trainings from; a picture of the worst test cases; the loss of Dice on perturbed test images,
``results/robustness/<name>.json``; and ``results/shipped/<name>.json``. The pictures show masks
alone, no image. ``results_pages.py`` writes docs/pretrained.md from these.
"""

import argparse
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from cards import HEADING, tell
from five_modalities import described
from machine import describe as describe_machine
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from robustness import measure
from shipped import NETWORKS, RESULTS, SOURCES, Network
from subgroups import Group, scores_by_group
from unlike import WEIGHTS, share, test_statistics, warned, write_again

from bmis import (
    ExportOptions,
    Record,
    export_run,
    load,
    load_model,
    open_dataset,
    save_model,
)
from bmis.bundle import read_bundle
from bmis.data.cases import load_case
from bmis.errors import BundleError
from bmis.export.run import Exported
from bmis.export.tune import LEAST
from bmis.pretrained.lookup import FOLDER
from bmis.system.files import output_folder, write_json

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "images" / "pretrained"
WORST = 5  # cases drawn
SIDE = 200  # pixels of each
COLOURS = {"both": (205, 205, 205), "extra": (214, 96, 77), "missed": (67, 147, 195)}


def draw_worst(
    bundle: Path, data: Path, values: Mapping[str, float], target: Path
) -> list[tuple[str, float]]:
    """Draw what was found and missed in the worst test cases; their ids and Dice."""
    dataset, predictor = open_dataset(data), load(bundle)
    cases = {case.id: case for case in dataset.split("test")}
    worst = sorted(values, key=lambda case: (values[case], case))[:WORST]
    sheet = Image.new("RGB", (WORST * (SIDE + 8) - 8, SIDE + 16), "white")
    pen = ImageDraw.Draw(sheet)
    for place, case in enumerate(worst):
        image, truth = load_case(cases[case], dataset)
        left = place * (SIDE + 8)
        panel = Image.fromarray(_compared(predictor(image).labels, truth))
        panel.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
        sheet.paste(panel, (left, 0))
        pen.text((left, SIDE + 2), f"Dice {values[case]:.2f}", fill="black")
    output_folder(target.parent)
    sheet.quantize(32).save(target, optimize=True)
    return [(case, values[case]) for case in worst]


def _compared(found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.uint8]:
    picture = np.zeros((*truth.shape, 3), np.uint8)
    picture[(found > 0) & (truth > 0)] = COLOURS["both"]
    picture[(found > 0) & (truth == 0)] = COLOURS["extra"]
    picture[(found == 0) & (truth > 0)] = COLOURS["missed"]
    return picture


def facts(
    network: Network,
    rates: dict[str, float],
    groups: Sequence[Group],
) -> str:
    """The part of the model card that only this script can write."""
    modality, record, kind = network.modality, network.record(), network.kind
    rows = [_score(record, metric) for metric in ("iou", "dice", "hd95")]
    outcomes = ", ".join(
        f"{count} {what.replace('_', ' ')}"
        for what, count in record.summary["outcomes"].items()
        if count
    )
    conditions = record.conditions
    return "\n".join(
        [
            "## Training and test",
            "",
            f"Images: {SOURCES[kind]}. Licence: {modality.licence}.",
            f"Training: `{network.command}` at commit {_commit()}: {record.data['train']} images, "
            f"{conditions.epochs} epochs, recipe {conditions.recipe}, 224 x 224 "
            f"{conditions.resize}, seed 0, from {network.start}; best of {record.data['val']} "
            f"validation images in epoch {record.training['best_epoch']}.",
            f"Test: {record.data['test']} images; by the trained network in torch without "
            "post-processing, mean over images and its 95 % interval:",
            "",
            "| | mean | interval |",
            "|---|--:|---|",
            *rows,
            "",
            f"By image: {outcomes}.",
            "",
            "Parts of the test images, by the bundle:",
            "",
            "| | images | Dice [95 %] |",
            "|---|--:|--:|",
            *map(_part, groups),
            "",
            HEADING,
            "",
            warned(kind, rates),
            "",
            "## Known failures",
            "",
            "The images come from a few cameras and hospitals; others were not tried. The worst "
            f"test cases are drawn in docs/images/pretrained/{network.name}.png of the repository.",
        ]
    )


def _score(record: Record, metric: str) -> str:
    row, unit, digits = record.summary["cases"][metric], "", 3
    if metric == "hd95":
        unit, digits = " px", 1
    low, high = row["ci95"]
    return f"| {metric} | {row['mean']:.{digits}f}{unit} | {low:.{digits}f} to {high:.{digits}f} |"


def _part(group: Group) -> str:
    low, high = group["ci95"] or (float("nan"),) * 2
    return f"| {group['group']} | {group['images']} | {group['dice']:.3f} [{low:.3f}, {high:.3f}] |"


def _commit() -> str:
    answer = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return answer.stdout.strip()


def ship(network: Network, root: Path, runs: Path) -> None:
    """Write bundle, weights, picture and results of one network."""
    run, name = runs / network.place, network.name
    data = described(network.kind, root, runs)
    target = output_folder(FOLDER) / f"{name}.bmis"
    done = _export(run, data, target)
    model, info = load_model(run)
    reference = done.manifest.info.ood
    assert reference is not None
    rates = {kind: share(reference, one) for kind, one in test_statistics(root).items()}
    save_model(WEIGHTS / f"{name}.safetensors", model.half(), info)
    found = measure(network, root)
    skin = network.kind == "dermoscopy"
    groups = scores_by_group(open_dataset(data), found.clean, skin=skin)
    exported = read_bundle(target)
    card = f"{exported.card.rstrip()}\n\n{facts(network, rates, groups)}\n"
    write_again(target, exported.manifest, card)
    tell(name)
    worst = draw_worst(target, data, found.clean, PICTURES / f"{name}.png")
    write_json(
        output_folder(RESULTS) / f"{name}.json",
        {
            "out_of_distribution": rates,
            "groups": groups,
            "worst": [{"id": case, "dice": dice} for case, dice in worst],
            "export": {**done.to_dict(), "path": target.name, "bytes": target.stat().st_size},
            "machine": describe_machine(),
        },
    )


def _export(run: Path, data: Path, target: Path) -> Exported:
    """Export in int8, or in float32 where int8 does not pass the gate."""
    tune = len(open_dataset(data).split("val")) >= LEAST
    try:
        return export_run(run, target, ExportOptions(int8=True, tune=tune), data=data)
    except BundleError as error:
        print(f"{target.stem}: {error}")
        return export_run(run, target, ExportOptions(tune=tune), data=data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    args = parser.parse_args()
    for name in args.only:
        ship(NETWORKS[name], args.data, args.runs)


if __name__ == "__main__":
    main()
