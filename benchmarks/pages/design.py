"""The design of BMIS taken apart, and the paper's claims against DSU-Net."""

from typing import Any

from bmis import Record, paired_difference
from bmis.report.statistics import holm
from pages.layout import Section, difference, machine, p_value, trial_machines
from pages.records import AMD, DATASETS, DESIGN, done, known, read

VARIANTS = {  # method in the records -> what was changed
    "bmis": "as published",
    "bmis:skip_connections=true": "skip connections (added)",
    "bmis:asymmetric=false": "square convolutions",
    "bmis:asymmetric=false,depths=[3,3]": "square convolutions, fewer blocks (equal parameters)",
    "bmis:dilations=[1]": "no dilation",
    "bmis:eca=false": "no ECA",
    "bmis:attention=false": "no attention",
    "bmis:decoder_depth=0": "no decoder blocks",
    "bmis:decoder_depth=3": "three decoder blocks for one",
    "bmis:depths=[9,8],widths=[16,48,72]": "deeper, narrower (equal parameters)",
    "bmis:depths=[2,2],widths=[16,80,128]": "shallower, wider (equal parameters)",
}
COSTS = {  # key in the record -> what it is, and how it is written
    "parameters": ("parameters", "{:,.0f}", 1.0),
    "macs": ("MACs (the paper: FLOPs)", "{:.3f} G", 1e9),
    "training_mb": ("memory in training, batch 6", "{:,.0f} MB", 1.0),
    "step_ms": ("time of a training step, batch 6", "{:,.0f} ms", 1.0),
    "latency_p50_ms": ("time of one image", "{:.1f} ms", 1.0),
}
PAPER_IOU = "+0.32 points"


def ablation() -> Section:
    """Each choice undone alone."""
    records = done(DESIGN)
    rows = [row for data in ("kvasir", "busi") for row in variants(data, records)]
    return Section(
        "Of the paper's design choices, channel attention shows the clearest effect",
        "Without it (ECA) IoU falls on BUSI. Skip connections, which the paper leaves out, help on "
        "both data sets. Nothing else can be shown at this budget.",
        [
            "data",
            "variant",
            ">parameters",
            ">GMACs",
            ">IoU",
            ">minus published [95 %]",
            ">p (Holm)",
        ],
        rows,
        "python benchmarks/ablation.py data/kvasir data/busi --epochs 8 --size 96",
        trial_machines(records.values()),
        f"{DESIGN.name}/",
        [
            "96 x 96 pixels, 8 epochs, recipe `default`, seed 0. Each choice is an option of "
            "`bmis`, so each can be undone alone. p is corrected by Holm over the ten variants "
            "of a data set.",
            "At 96 x 96 the map under the attention has 12 x 12 positions instead of 28 x 28. "
            "Eight epochs favour what learns fast, such as skip connections. A longer run at "
            "224 x 224 with several seeds may come out differently.",
        ],
    )


def variants(data: str, records: dict[tuple[str, str], Record]) -> list[list[str]]:
    """The rows of one data set."""
    found = {method: records[data, method] for method in VARIANTS}
    ours = known(found["bmis"], "iou")
    gains = {m: paired_difference(known(r, "iou"), ours) for m, r in found.items() if m != "bmis"}
    adjusted = dict(zip(gains, holm([gain.p for gain in gains.values()]), strict=True))
    rows = []
    for method, record in found.items():
        values = known(record, "iou")
        gain = gains.get(method)
        rows.append(
            [
                DATASETS[data],
                VARIANTS[method],
                f"{record.costs['parameters']:,}",
                f"{record.costs['macs'] / 1e9:.3f}",
                f"{sum(values.values()) / len(values):.3f}",
                difference(gain.mean, gain.ci95) if gain else "",
                p_value(adjusted[method], agrees=gain.agrees) if gain else "",
            ]
        )
    return rows


def against_dsu_net() -> Section:
    """The paper's claims, measured again."""
    found = read(f"claims_{AMD}")
    rows = [cost(found, key) for key in COSTS]
    for gain in found["iou"]:
        low, high = (100 * side for side in gain["ci95"])
        measured = f"{100 * gain['mean']:+.2f} [{low:+.2f}, {high:+.2f}] points"
        what = f"IoU, {DATASETS[gain['dataset']]}, {gain['n']} images"
        p = p_value(gain["p"], agrees=gain.get("agrees", True))
        rows.append([what, PAPER_IOU, f"{measured}, p {p}", "", ""])
    return Section(
        "BMIS is far cheaper than DSU-Net, as the paper says",
        "Parameters fall as claimed, multiplications, memory and time by more. IoU is higher too.",
        ["", ">paper", ">here", ">BMIS", ">DSU-Net"],
        rows,
        "python benchmarks/claims.py",
        machine(found["machine"]),
        f"claims_{AMD}.json",
        [
            "Float32, 224 x 224, two classes. Our MACs include the attention's matrix products, "
            "which common counters leave out; the paper does not say how it counted. The paper's "
            "memory and training time are a GPU's, ours the peak of live tensors and the time on "
            "a CPU.",
            "IoU is that of the [comparison at 96 x 96 after 6 epochs](accuracy.md), where DSU-Net "
            "was still gaining fast. It says that BMIS learns faster, not how far both get: the "
            "paper trains for 250 epochs.",
        ],
    )


def cost(found: dict[str, Any], key: str) -> list[str]:
    name, form, unit = COSTS[key]
    ours, theirs = (found["costs"][network][key] for network in ("bmis", "dsu_net"))
    change = 100 * (ours / theirs - 1)
    values = (form.format(value / unit) for value in (ours, theirs))
    return [name, f"{found['paper'][key]:.2f} %", f"{change:.2f} %", *values]
