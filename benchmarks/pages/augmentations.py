"""The section on further augmentations: each by itself, on images as they are and changed."""

import json
from statistics import fmean

from augmentations import ALL, HALVED, NONE, PERTURBED, PROBABILITY, RESULTS

from bmis import paired_difference
from pages.layout import Section, difference, machine
from pages.records import DATASETS

CONDITIONS = ("as they are", *PERTURBED, HALVED)


def augmentations(data: str = "kvasir") -> Section:
    """A row for each augmentation; the first row is IoU, the others differ from it by so much."""
    found = json.loads((RESULTS / f"{data}.json").read_text(encoding="utf-8"))
    values = {name: seeds["0"] for name, seeds in found["values"].items()}
    none = values.pop(NONE)
    gains = {
        (variant, name): paired_difference(values[variant][name], none[name]).mean
        for variant, name in (
            ("zoom_out", HALVED),
            (ALL, HALVED),
            ("grey", "grey"),
            ("grey", HALVED),
        )
    }
    rows = [[NONE, *(f"{fmean(none[name].values()):.3f}" for name in CONDITIONS)]]
    for variant, scores in values.items():
        pairs = [paired_difference(scores[name], none[name]) for name in CONDITIONS]
        shown = variant if variant == ALL else f"`{variant}`"
        rows.append([shown, *(difference(pair.mean, pair.ci95) for pair in pairs)])
    machines = [machine(one) for seeds in found["machines"].values() for one in seeds.values()]
    return Section(
        "Zooming out and grey help on images that come so",
        f"At half size on black `zoom_out` brings {gains['zoom_out', HALVED]:+.2f} of IoU and all "
        f"together {gains[ALL, HALVED]:+.2f}; without colours `grey` brings "
        f"{gains['grey', 'grey']:+.2f}, and at half size it loses "
        f"{-gains['grey', HALVED]:.2f}. On images as they are, and behind a border, no difference "
        "is beyond chance.",
        ["augmentation", *(f">{name}" for name in CONDITIONS)],
        rows,
        "python benchmarks/augmentations.py DATA/kvasir",
        "; ".join(dict.fromkeys(machines)),
        f"{RESULTS.name}/{data}.json",
        [
            f"{DATASETS[data]}, `bmis_edge` at 96 x 96, 6 epochs, recipe `default`, one seed, "
            f"validation images; each with a probability of {PROBABILITY}. First row: IoU. Others: "
            "the difference to it [95 %] over the images, which does not tell of other seeds."
        ],
    )
