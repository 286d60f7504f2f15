"""Sections on the speed of every network: in torch, and the light ones by engine."""

from typing import Any

from pages.layout import Section, machine
from pages.records import AMD, INTEL, SIDES, read

LIGHT_SIZE, LIGHT_ENGINES = 224, ("onnxruntime fp32", "openvino fp32", "openvino bf16")


def in_torch() -> Section:
    found = read(f"costs_{AMD}")
    costs = [cost for cost in found["costs"] if "failed" not in cost]
    costs.sort(key=lambda cost: float(cost["latency_p50_ms"]))
    names = [cost["name"] for cost in costs]
    return Section(
        f"BMIS is {names.index('bmis') + 1}th of {len(names)} networks in torch",
        "![Time of one image against parameters and MACs](../images/costs.svg)\n\n"
        "Time follows neither parameters nor MACs closely.",
        [
            "network",
            "group",
            ">parameters",
            ">GMACs",
            ">one image, ms (p50)",
            ">p95",
            ">images/s",
            ">memory, MB",
            ">training step, ms",
            ">training memory, MB",
        ],
        [network_row(cost) for cost in costs],
        "python benchmarks/costs.py",
        machine(found["machine"]),
        f"costs_{AMD}.json",
        [
            f"One image of 3 x {found['size']} x {found['size']} pixels, 2 classes, float32, "
            "channels-last, PyTorch eager. Training step: forward, cross-entropy, backward and "
            "AdamW on 4 images. Memory: the peak of live tensors, weights included.",
            "Measured one after the other. Twelve networks (CGNet, CMUNeXt's three, ContextNet, "
            "DABNet, DSU-Net, EGE-UNet, ENet, ERFNet, Fast-SCNN, LEDNet) were measured again half "
            "an hour later, because other work had run beside them.",
        ],
    )


def network_row(cost: dict[str, Any]) -> list[str]:
    return [
        f"`{cost['name']}`",
        cost["group"],
        f"{cost['parameters']:,}",
        f"{cost['macs'] / 1e9:.3f}",
        f"{cost['latency_p50_ms']:.1f}",
        f"{cost['latency_p95_ms']:.1f}",
        f"{cost['images_per_second']:.1f}",
        f"{cost['inference_mb']:.0f}",
        "out of memory" if cost["step_ms"] is None else f"{cost['step_ms']:.0f}",
        "" if cost["training_mb"] is None else f"{cost['training_mb']:.0f}",
    ]


def light() -> Section:
    found = read(f"light_speed_{INTEL}")
    runs = {(r["engine"], r["threads"]): r for r in found["runs"] if r["size"] == LIGHT_SIZE}
    edge = [run["of_bmis"]["bmis_edge"] for (engine, _), run in runs.items() if "fp32" in engine]
    rows = []
    for name in sorted(runs[LIGHT_ENGINES[0], 1]["ms"], key=lambda n: ratio(runs, n)):
        cells = (runs[engine, cores] for engine in LIGHT_ENGINES for cores in (1, 2))
        rows.append(
            [f"`{name}`", *(f"{c['ms'][name]:.1f} ({c['of_bmis'][name]:.2f})" for c in cells)]
        )
    headers = (f">{SIDES[e]}, {n} core{'s' * (n > 1)}" for e in LIGHT_ENGINES for n in (1, 2))
    return Section(
        f"`bmis_edge` takes {min(edge):.2f} to {max(edge):.2f} of the time of `bmis`",
        "The aim was a quarter in float32, so it falls a little short. `bmis_edge_s` takes less "
        "time than `lv_unet` on every engine. Milliseconds, in brackets times that of `bmis`.",
        ["network", *headers],
        rows,
        "python benchmarks/light_speed.py NAMES --rounds 8",
        machine(found["machine"]),
        f"light_speed_{INTEL}.json",
        [
            "One image of 224 x 224. All networks in turns in one process; medians of 24 calls. "
            "The record has 256 x 256 too, with nearly the same ratios."
        ],
    )


def ratio(runs: dict[tuple[str, int], Any], name: str) -> float:
    """What the order of the rows follows: the share of BMIS's time on the first engine."""
    return float(runs[LIGHT_ENGINES[0], 1]["of_bmis"][name])
