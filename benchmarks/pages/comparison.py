"""Thirteen networks under a small equal budget, and the small table of the README."""

from bmis import Record
from pages.layout import Section, interval, processor, table, trial_machines
from pages.records import COMPARISON, DATASETS, MODALITIES, done

PAIR = ("kvasir", "busi")
METRICS = ("IoU [95 %]", "Dice")
SHORT = {"bmis": "**BMIS**", "unet": "U-Net", "dsu_net": "DSU-Net"}  # in the README


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
    """BMIS beside U-Net and DSU-Net."""
    records = done(COMPARISON)
    rows = [
        [
            SHORT[method],
            f"{record.costs['parameters'] / 1e6:.2f} M",
            f"{record.costs['latency_p50_ms']:.1f}",
            *(f"{dice(records[data, method]):.3f}" for data in PAIR),
        ]
        for method, record in ranked(records)
        if method in SHORT
    ]
    rows.sort(key=lambda row: "BMIS" not in row[0])
    one = records["kvasir", "bmis"]
    machine = f"{one.costs['threads']} cores of an {processor(one.costs['device_name'])}"
    heads = [
        "network",
        ">parameters",
        ">one image, ms",
        *(f">Dice, {DATASETS[data]}" for data in PAIR),
    ]
    said, unet = one.conditions, records["kvasir", "unet"]
    times = unet.costs["parameters"] / one.costs["parameters"]
    longer = done(MODALITIES / "colonoscopy")["kvasir", "bmis"]
    return (
        f"{table(heads, rows)}\n\n{machine}, no GPU, torch {one.environment['torch']}; "
        f"{said.size[0]} x {said.size[1]} pixels, {said.epochs} epochs each.\n\n"
        f"U-Net marks both better, for {times:.0f} times the parameters. {said.epochs} epochs show "
        f"who learns fast, not who ends best.\nAfter {longer.conditions.epochs} epochs at "
        f"{longer.conditions.size[0]} x {longer.conditions.size[1]} BMIS has a Dice of "
        f"{dice(longer):.3f} on Kvasir-SEG."
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
