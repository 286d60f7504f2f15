"""Thirteen networks under a small equal budget, and a sentence of the README."""

from bmis import Record
from pages.layout import Section, interval, trial_machines
from pages.records import COMPARISON, DATASETS, done

PAIR = ("kvasir", "busi")
METRICS = ("IoU [95 %]", "Dice")


def section() -> Section:
    """All networks, best on Kvasir-SEG first."""
    records = done(COMPARISON)
    rows = [
        [f"`{method}`", *costs(record), *both(records, method)]
        for method, record in ranked(records)
    ]
    return Section(
        "After six epochs at 96 x 96 BMIS is third of thirteen on Kvasir-SEG",
        "The plain U-Net is far ahead on Kvasir-SEG, at 34 times the multiplications of BMIS. "
        "On both data sets BMIS is ahead of every network that is not larger.",
        [
            "network",
            ">parameters",
            ">GMACs",
            ">one image, ms",
            *(f">{DATASETS[data]}, {metric}" for data in PAIR for metric in METRICS),
        ],
        rows,
        "bmis compare kvasir busi --methods ... --size 96 --epochs 6",
        trial_machines(records.values()),
        f"{COMPARISON.name}/",
        [
            "Recipe `default` for all, images squashed to 96 x 96, seed 0, the data sets' own "
            "splits, no pretrained weights. MACs and times are at 96 x 96, measured after the "
            "trainings: `bmis`, `dsu_net`, `smp_unet` and `unet` in one run with nothing beside "
            "it, the others in an earlier one.",
            "Six epochs say who learns fastest, not who ends best: nothing here has converged. "
            "The recipe was tuned on BMIS, and no network got its own. With 30 epochs at "
            "224 x 224 BMIS itself reaches the scores of the first table.",
        ],
    )


def readme() -> str:
    """What a plain U-Net does, in a sentence of the README."""
    records = done(COMPARISON)
    ours, unet = (records["kvasir", method] for method in ("bmis", "unet"))
    times = unet.costs["parameters"] / ours.costs["parameters"]
    better = all(dice(records[data, "unet"]) > dice(records[data, "bmis"]) for data in PAIR)
    assert better, "say something else of the U-Net"
    return (
        f"A plain U-Net marked {DATASETS['kvasir']} and {DATASETS['busi']} better than BMIS after "
        f"{unet.conditions.epochs} epochs, for {times:.0f} times the parameters."
    )


def ranked(records: dict[tuple[str, str], Record]) -> list[tuple[str, Record]]:
    """Method and record on Kvasir-SEG, best IoU first."""
    first = [(method, record) for (data, method), record in records.items() if data == "kvasir"]
    return sorted(first, key=lambda item: -item[1].summary["cases"]["iou"]["mean"])


def dice(record: Record) -> float:
    return float(record.summary["cases"]["dice"]["mean"])


def costs(record: Record) -> list[str]:
    found = record.costs
    return [
        f"{found['parameters']:,}",
        f"{found['macs'] / 1e9:.3f}",
        f"{found['latency_p50_ms']:.1f}",
    ]


def both(records: dict[tuple[str, str], Record], method: str) -> list[str]:
    """IoU with its interval and Dice, on both data sets."""
    columns = []
    for data in PAIR:
        cases = records[data, method].summary["cases"]
        columns += [interval(cases["iou"]), f"{dice(records[data, method]):.3f}"]
    return columns
