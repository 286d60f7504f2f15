"""The page on accuracy: scores on public test sets."""

import json

from shipped import NETWORKS

from bmis import Record, paired_difference, read_records
from pages import comparison, confidence, deployed, design, edge
from pages.layout import (
    Section,
    difference,
    interval,
    machine,
    p_value,
    page,
    scores,
    trial_machines,
)
from pages.records import AUTHORS_FOLD, DATASETS, MODALITIES, NAMES, known, read

LOST = 0.1  # Dice below which next to nothing was found; see benchmarks/fit.py


def render() -> str:
    """``docs/results/accuracy.md``."""
    return page(
        "Accuracy",
        "Scores are means over the test images at their own size, with 95 % intervals over the "
        "images. The best epoch is chosen on validation images; test images choose nothing. "
        "p is Wilcoxon's signed-rank test, image by image. One seed unless a table says "
        "otherwise, so what another seed would change is not in the intervals.",
        [
            recipes(),
            shipped(),
            fit(),
            rivals(),
            edge.section(),
            comparison.section(),
            design.ablation(),
            deployed.export(),
            deployed.int8_without_vnni(),
            deployed.tiles(),
            confidence.thresholds(),
            confidence.confidence(),
            authors_fold(),
        ],
    )


def recipes() -> Section:
    rows, gains, machines = [], [], []
    for data in ("kvasir", "busi"):
        found = read(f"recipes_{data}_30")
        machines.append(machine(found["machine"]))
        for recipe, result in found["recipes"].items():
            cases = result["summary"]["cases"]
            iou, dice = (interval(cases[metric]) for metric in ("iou", "dice"))
            rows.append([DATASETS[data], recipe, iou, dice, f"{cases['hd95']['mean']:.1f}"])
        gain = found["default_minus_paper"]
        values = [difference(gain[metric]["mean"], gain[metric]["ci95"]) for metric in gain]
        gains.append(gain["iou"]["mean"])
        p = p_value(gain["iou"]["p"], agrees=gain["iou"].get("agrees", True))
        rows.append([DATASETS[data], "difference", f"{values[0]}, p {p}", values[1], ""])
    return Section(
        "The default recipe beats the paper's at 30 epochs",
        f"IoU is higher by {gains[0]:.3f} on Kvasir-SEG and by {gains[1]:.3f} on BUSI.",
        ["data", "recipe", ">IoU [95 %]", ">Dice [95 %]", ">HD95, px"],
        rows,
        "python benchmarks/recipes.py kvasir busi --epochs 30",
        "; ".join(dict.fromkeys(machines)),
        "recipes_*_30.json",
        [
            "BMIS, 224 x 224 squashed, bf16, seed 0, one run each. 30 epochs are few for `paper`, "
            "which its authors run for 250: this compares recipes at equal image passes, not at "
            "their best.",
            "In BUSI's split one pair of near-duplicate frames crosses train and test "
            "(`bmis inspect` names it).",
        ],
    )


def modality(name: str) -> dict[str, Record]:
    """The finished records of a modality by method, best IoU first."""
    found = [record for record in read_records(MODALITIES / name) if record.status == "done"]
    found.sort(key=lambda record: -record.summary["cases"]["iou"]["mean"])
    return {record.trial.method: record for record in found}


def shipped() -> Section:
    networks = [NETWORKS[name] for kind in NAMES for name in (kind, f"{kind}-bmis")]
    records = [network.record() for network in networks]
    rows = []
    for network, record in zip(networks, records, strict=True):
        split = " / ".join(str(record.data[part]) for part in ("train", "val", "test"))
        crops = record.conditions.resize == "native"
        how = "crops at native scale" if crops else "squashed images"
        epochs = f"{record.conditions.epochs}, {record.conditions.recipe}"
        data = DATASETS[record.trial.dataset]
        rows.append([f"`{network.name}`", data, split, epochs, how, *scores(record)])
    return Section(
        "Twelve trained networks come with the package",
        "Under each name a `bmis_edge` whose trunk started from ImageNet, and as `NAME-bmis` BMIS "
        "from random weights; 224 x 224.",
        [
            "name",
            "data",
            ">train / val / test",
            ">epochs, recipe",
            "trained on",
            ">IoU [95 %]",
            ">Dice [95 %]",
        ],
        rows,
        "python benchmarks/five_modalities.py DATA; python benchmarks/edge_accuracy.py DATA "
        "--recipe robust",
        trial_machines(records),
        f"{MODALITIES.name}/*/*/bmis-seed0.json, edge_robust",
        [
            "[What each was trained on, and its failures](../pretrained.md). DRIVE is scored "
            "inside the field of view.",
            "Of BMIS all test images but those of the chest X-rays were scored more than once, "
            "after a shorter training and after this one; of `bmis_edge` those of BUSI were, after "
            "40 epochs and after these 80. Of two trainings the one that is better on validation "
            "images ships.",
        ],
    )


def fit() -> Section:
    found = read("fit")
    rows = []
    for name in NAMES:
        parts = [found[name][split] for split in ("train", "val", "test")]
        ious = [f"{part['iou']:.3f}" for part in parts]
        lost = [f"{100 * parts[i]['lost']:.1f} %" for i in (0, 2)]
        rows.append([f"`{name}-bmis`", *ious, *lost])
    return Section(
        "Only on breast ultrasound are training images marked clearly better than new ones",
        "There more images would help most. Elsewhere the number of images is not the limit.",
        [
            "name",
            ">IoU, training",
            ">validation",
            ">test",
            f">Dice below {LOST}, training",
            ">test",
        ],
        rows,
        "python benchmarks/fit.py DATA",
        "; ".join(dict.fromkeys(machine(found[name]["machine"]) for name in NAMES)),
        "fit.json",
        [
            "The bundles that ship, on training and validation images; test scores are those of "
            "the table above."
        ],
    )


def rivals() -> Section:
    rows, everyone = [], []
    for name in NAMES:
        records = modality(name)
        everyone += list(records.values())
        ours = records["bmis"]
        for method, record in records.items():
            gain, p = "", ""
            if record is not ours:
                found = paired_difference(known(ours, "iou"), known(record, "iou"))
                gain, p = difference(found.mean, found.ci95), p_value(found.p, agrees=found.agrees)
            rows.append(
                [
                    name,
                    f"`{method}`",
                    *scores(record),
                    gain,
                    p,
                    f"{record.costs['parameters']:,}",
                    "bf16" if "bf16" in record.training["precision"] else "float32",
                ]
            )
    return Section(
        "BMIS draws vessels and lungs about as well as a U-Net of 28 times its parameters",
        "It is better than the cheaper networks on polyps, vessels, lungs and nuclei. `lv_unet` "
        "with a tenth of the multiplications does as well on BUSI and ISIC 2018, and `cmunext` "
        "with 3.6 times the parameters draws vessels better.",
        [
            "data",
            "network",
            ">IoU",
            ">Dice",
            ">BMIS minus it, IoU",
            ">p",
            ">parameters",
            "trained in",
        ],
        rows,
        "python benchmarks/five_modalities.py DATA --methods ...",
        trial_machines(everyone),
        f"{MODALITIES.name}/",
        [
            "Same images, recipe, epochs and seed within a data set. Not trained here on any of "
            "these: `dsu_net`, `monai_dynunet` and `unet`, which would take hours each on two "
            "cores.",
            "Time and MACs of each network are on the [speed page](speed.md).",
        ],
    )


def authors_fold() -> Section:
    file = AUTHORS_FOLD / "default-fold1-15.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    names = {"honest": "validation images", "published": "test images"}
    rows = [
        [who, str(found[key]["best_epoch"]), *(interval(found[key][m]) for m in ("iou", "dice"))]
        for key, who in names.items()
    ]
    return Section(
        "On the authors' fold it makes no difference who chooses the epoch",
        "Both protocols choose the last of 15 epochs.",
        ["epoch chosen by", ">best epoch", ">IoU, test [95 %]", ">Dice, test [95 %]"],
        rows,
        "python benchmarks/authors_fold.py DATA/isic2018 --epochs 15",
        machine(found["machine"]),
        f"{AUTHORS_FOLD.name}/{file.name}",
        [
            "Fold 1 of the authors' cross-validation on ISIC 2018 (1816 / 260 / 518), recipe "
            "`default`, seed 0. In the authors' code the test images choose the epoch. Their own "
            "recipe, 250 epochs, has not been run on it."
        ],
    )
