"""Puts the networks of five_modalities.py into the package, and writes docs/pretrained.md.

    python benchmarks/ship.py DATA [--only dermoscopy nuclei ...] [--runs RUNS]

For each network it writes a bundle with its model card (int8 where it passes the gate, else
float32), the weights in half precision to start trainings from, a picture of the worst test cases,
and ``results/shipped/<modality>.json``, which says how often the images of each data set are out
of distribution. The pictures show masks alone, no image.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from five_modalities import (
    MODALITIES,
    RESULTS,
    command_line,
    described,
    record_of,
    run_folder,
)
from machine import describe as describe_machine
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from bmis import (
    ExportOptions,
    Record,
    export_run,
    load,
    load_model,
    open_dataset,
    read_image,
    save_model,
)
from bmis.config import OodReference
from bmis.data.cases import load_case
from bmis.errors import BundleError
from bmis.export.ood import learn_ood_reference
from bmis.export.run import Exported
from bmis.predict.ood import OodDetector, describe
from bmis.pretrained.lookup import FOLDER
from bmis.system.files import output_folder, write_json, write_text

SHIPPED = RESULTS.parent / "shipped"
DOCS = Path(__file__).parent.parent / "docs"
PICTURES = DOCS / "images" / "pretrained"
WORST = 5  # cases drawn
SIDE = 200  # pixels of each
COLOURS = {"both": (205, 205, 205), "extra": (214, 96, 77), "missed": (67, 147, 195)}
SOURCES = {
    "dermoscopy": "ISIC 2018 task 1 (Codella et al. 2019, arXiv:1902.03368; Tschandl et al. 2018), "
    "central squares of 2,594 dermoscopic photographs",
    "breast-ultrasound": "BUSI (Al-Dhabyani et al., Data in Brief 28, 2020, 104863), 646 images "
    "with a lesion, none without",
    "colonoscopy": "Kvasir-SEG (Jha et al., MMM 2020), 999 images with a polyp, none without",
    "fundus-vessels": "DRIVE (Staal et al., IEEE TMI 2004), 40 photographs of one camera",
    "chest-xray": "Shenzhen chest X-rays (Jaeger et al. 2014), 566 images; masks of Stirenko et "
    "al. 2018, arXiv:1803.01199",
    "nuclei": "2018 Data Science Bowl, stage 1 (Caicedo et al., Nature Methods 2019), 664 images; "
    "touching nuclei are one object",
}
FAILURES = {  # in the pictures of the worst cases
    "breast-ultrasound": "Of 16 of the 129 test tumours next to nothing is found: Dice below 0.1, "
    "and something else may be marked. Large tumours are among the missed.",
    "colonoscopy": "In one image a fold many times as large as the polyp is marked. Some large "
    "polyps are found in part.",
    "nuclei": "In sections through whole embryos the dense tissue between the nuclei is marked. "
    "Nuclei that touch are marked as one object.",
    "chest-xray": "Dense or hidden lower parts of a lung are left out. Some reference masks "
    "take in a part of the heart.",
    "dermoscopy": "Of two reddish places the wrong one is marked, ink on the skin is marked with "
    "the lesion, and of a faint lesion that takes up most of the picture only the middle is found. "
    "The reference masks of the second and third are wrong: they mark the skin around the lesion.",
    "fundus-vessels": "The thinnest vessels, a pixel wide, are missed.",
}


def ood_rates(reference: OodReference, root: Path) -> dict[str, float]:
    """Share of the test images of each data set that are out of distribution."""
    found, detector = {}, OodDetector(reference)
    for name, modality in MODALITIES.items():
        cases = open_dataset(root / modality.data).split("test")
        values = [detector(describe(read_image(case.image).pixels)) for case in cases]
        found[name] = float(np.mean(np.array(values) > 1))
    return found


def draw_worst(bundle: Path, data: Path, record: Record, target: Path) -> list[tuple[str, float]]:
    """Draw what was found and missed in the worst test cases; their ids and Dice."""
    dataset, predictor = open_dataset(data), load(bundle)
    cases = {case.id: case for case in dataset.split("test")}
    values = {case: dice or 0.0 for case, dice in record.values("dice").items()}
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


def facts(name: str, record: Record, found: dict[str, float]) -> str:
    """The part of the model card that only this script can write."""
    modality, rows = MODALITIES[name], []
    for metric, unit in (("iou", ""), ("dice", ""), ("hd95", " px")):
        row = record.summary["cases"][metric]
        digits = 1 if unit else 3
        low, high = row["ci95"]
        rows.append(
            f"| {metric} | {row['mean']:.{digits}f}{unit} | {low:.{digits}f} to {high:.{digits}f} |"
        )
    outcomes = ", ".join(
        f"{count} {kind.replace('_', ' ')}"
        for kind, count in record.summary["outcomes"].items()
        if count
    )
    others = ", ".join(f"{100 * rate:.0f} % of {one}" for one, rate in found.items() if one != name)
    return "\n".join(
        [
            "## Training and test",
            "",
            f"Images: {SOURCES[name]}. Licence: {modality.licence}.",
            f"Training: `python benchmarks/five_modalities.py DATA --only {name}` at commit "
            f"{_commit()}: {record.data['train']} images, {modality.epochs} epochs, recipe "
            f"default, 224 x 224 {modality.resize}, seed 0; best of {record.data['val']} "
            f"validation images in epoch {record.training['best_epoch']}. No other weights.",
            f"Test: {record.data['test']} images, which chose nothing; by the trained network in "
            "torch, mean over images and its 95 % interval:",
            "",
            "| | mean | interval |",
            "|---|--:|---|",
            *rows,
            "",
            f"By image: {outcomes}.",
            "",
            "## Images that are out of distribution",
            "",
            f"`bmis predict` warns of {100 * found[name]:.1f} % of these test images (false "
            f"alarms), and of test images of other kinds: {others}.",
            "",
            "## Known failures",
            "",
            "The images come from a few cameras and hospitals; others were not tried. The worst "
            f"test cases are drawn in docs/images/pretrained/{name}.png of the repository.",
        ]
    )


def _commit() -> str:
    answer = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=True,
        cwd=DOCS,
    )
    return answer.stdout.strip()


def ship(name: str, root: Path, runs: Path) -> None:
    """Write bundle, weights, picture and results of one network."""
    run = run_folder(name, runs)
    data = described(name, root, runs)
    record = record_of(name)
    target = output_folder(FOLDER) / f"{name}.bmis"
    reference, _ = learn_ood_reference(open_dataset(data), ())
    assert reference is not None
    found = ood_rates(reference, root)
    done = _export(run, data, target, facts(name, record, found))
    model, info = load_model(run)
    save_model(FOLDER / f"{name}.safetensors", model.half(), info)
    worst = draw_worst(target, data, record, PICTURES / f"{name}.png")
    write_json(
        output_folder(SHIPPED) / f"{name}.json",
        {
            "out_of_distribution": found,
            "worst": [{"id": case, "dice": dice} for case, dice in worst],
            "export": {**done.to_dict(), "path": target.name},
            "machine": describe_machine(),
        },
    )


def _export(run: Path, data: Path, target: Path, notes: str) -> Exported:
    """Export in int8, or in float32 where int8 does not pass the gate."""
    try:
        return export_run(run, target, ExportOptions(int8=True, notes=notes), data=data)
    except BundleError as error:
        print(f"{target.stem}: {error}")
        return export_run(run, target, ExportOptions(notes=notes), data=data)


def page() -> str:
    """The text of docs/pretrained.md, from the records and results of every modality."""
    rows, parts = [], []
    for name, modality in MODALITIES.items():
        file = SHIPPED / f"{name}.json"
        if not file.is_file():
            continue
        shipped = json.loads(file.read_text(encoding="utf-8"))
        record = record_of(name)
        graph = shipped["export"]["graphs"][0]
        scores = [_interval(record.summary["cases"][metric]) for metric in ("iou", "dice")]
        rows.append(
            f"| `{name}` | {modality.foreground} | {record.data['test']} | {scores[0]} | "
            f"{scores[1]} | {graph['check']['dice']:.3f} ({graph['precision']}) | "
            f"{shipped['export']['bytes'] / 1e6:.2f} |"
        )
        rates = shipped["out_of_distribution"]
        others = ", ".join(f"{one} {100 * v:.0f} %" for one, v in rates.items() if one != name)
        parts += [
            f"## {name}",
            "",
            f"{SOURCES[name]}. Licence of the images: {modality.licence}.",
            "",
            f"Out of distribution are {100 * rates[name]:.1f} % of its own test images (false "
            f"alarms); of the test images of other modalities: {others}.",
            "",
            f"![the worst test cases](images/pretrained/{name}.png)",
            *(("", FAILURES[name]) if name in FAILURES else ()),
            "",
        ]
    return "\n".join([*_HEAD, *rows, "", *_LEGEND, *parts]).rstrip() + "\n"


def _interval(row: dict[str, Any]) -> str:
    return "{:.3f} [{:.3f}, {:.3f}]".format(row["mean"], *row["ci95"])


_HEAD = [
    "# Trained networks that come with the package",
    "",
    "Written by `python benchmarks/ship.py`; trained by `python benchmarks/five_modalities.py`. "
    "**Not medical devices.**",
    "",
    "```sh",
    "bmis models --pretrained",
    "bmis predict dermoscopy photo.jpg --out masks --overlay",
    "bmis evaluate dermoscopy mydata",
    "bmis train mydata --init dermoscopy",
    "```",
    "",
    "Each is one BMIS of 0.87 M parameters, trained from random weights. Scores are means over the "
    "test images at their own size [95 % interval], by the trained network in torch. The last but "
    "one column is the Dice of the graph in the bundle. The epoch was chosen on validation images; "
    "the test images chose nothing.",
    "",
    "| name | marks | test images | IoU | Dice | Dice of the bundle | MB |",
    "|---|---|--:|--:|--:|--:|--:|",
]
_LEGEND = [
    "The pictures show the five test cases of the lowest Dice, without the image. Grey was found, "
    "red is extra, blue was missed.",
    "",
]


def main() -> None:
    args = command_line(__doc__).parse_args()
    for name in args.only:
        ship(name, args.data, args.runs)
    write_text(DOCS / "pretrained.md", page())


if __name__ == "__main__":
    main()
