"""Sections on thresholds and on the expected Dice."""

from typing import Any

from pages.layout import Section, machine, p_value
from pages.records import NAMES, read


def thresholds() -> Section:
    found = read("thresholds")
    rows = []
    for name in NAMES:
        entry: dict[str, Any] = found[name]
        rows.append(
            [
                f"`{name}-bmis`",
                str(entry["images"]),
                f"{entry['iou']['0.5']:.4f}",
                f"{entry['best']}",
                f"{entry['gain']:+.4f} [{entry['ci95'][0]:+.4f}, {entry['ci95'][1]:+.4f}]",
                p_value(entry["p"], agrees=entry.get("agrees", True)),
            ]
        )
    return Section(
        "No other threshold than one half helps",
        "The best of 0.3 to 0.7 gains nothing that validation images can show.",
        ["name", ">images", ">IoU at 0.5", ">best threshold", ">gain [95 %]", ">p"],
        rows,
        "python benchmarks/thresholds.py DATA",
        "; ".join(dict.fromkeys(machine(found[name]["machine"]) for name in NAMES)),
        "thresholds.json",
    )


def confidence() -> Section:
    found = read("confidence")
    rows, curves, largest = [], [], []
    for name in (name for name in NAMES if name in found):
        entry, cells = found[name], []
        for what in ("test", "perturbed"):
            told = entry[what]
            off = max(map(abs, told["errors"]))
            if what == "perturbed":
                largest.append(off)
                curves.append(told["auroc"])
            area = "-" if told["auroc"] is None else f"{told['auroc']:.2f}"
            cells += [f"{told['images']} ({told['bad']})", area, f"{off:.3f}"]
        extra = max(0.0, entry["cost"]["told_ms"] - entry["cost"]["plain_ms"])
        images = str(entry["validation"]["images"])
        rows.append(
            [
                f"`{name}`",
                images,
                *cells,
                f"{extra:.2f} of {entry['cost']['network_ms']:.1f}",
            ]
        )
    least = min(curve for curve in curves if curve is not None)
    return Section(
        "The expected Dice tells bad masks from good ones, also on perturbed images",
        f"On perturbed test images the lowest AUROC for a Dice below 0.5 is {least:.2f}. In the "
        f"worst tenth of them the expected Dice is off by {max(largest):.3f}.",
        [
            "name",
            ">validation images",
            ">test images (Dice below 0.5)",
            ">AUROC",
            ">largest error in tenths",
            ">perturbed (Dice below 0.5)",
            ">AUROC",
            ">largest error in tenths",
            ">ms of the network's",
        ],
        rows,
        "python benchmarks/confidence.py DATA",
        "; ".join(dict.fromkeys(machine(found[name]["machine"]) for name in found)),
        "confidence.json",
        [
            "Validation images, as they are and perturbed, calibrate two numbers. But the score "
            "behind them was chosen out of nine with a look at the test images of earlier "
            "networks, so the figures may flatter it a little. Tenths are of the test images, "
            "sorted by their expected Dice. Where few masks are bad, the AUROC rests on those "
            "few. Perturbed: each test image in three of the 46 ways of the "
            "[robustness page](robustness.md). Times are of the processor, one thread. DRIVE has "
            "too few validation images."
        ],
    )
