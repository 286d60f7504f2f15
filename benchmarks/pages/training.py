"""The page on training: its rate against the authors', what makes it faster, what was tried."""

import json
from collections.abc import Iterable
from typing import Any

from training_ablations import EDGE, VARIANTS

from bmis import paired_difference
from pages import beside, few, imitation
from pages.augmentations import augmentations
from pages.layout import Section, difference, machine, p_value, page
from pages.records import (
    AMD,
    AMD_AVX2,
    DATASETS,
    INTEL,
    INTEL_NO_AMX,
    TRAINING_ABLATIONS,
    medians,
    read,
)

RATES = (  # data set and machine; the fullest first
    *((data, INTEL) for data in ("kvasir", "isic2018", "phantoms")),
    ("kvasir", INTEL_NO_AMX),
    *((data, AMD) for data in ("kvasir", "isic2018", "phantoms")),
    ("kvasir", AMD_AVX2),
)
PLACES = {
    INTEL: "Intel Xeon, AMX",
    INTEL_NO_AMX: "Intel Xeon, without AMX",
    AMD: "AMD EPYC, AVX-512",
    AMD_AVX2: "AMD EPYC, AVX2",
}
LAYERS = (  # of the depthwise record: those that stand for all
    "64 channels, 112 x 112, (3, 3), stride 2",
    "64 channels, 56 x 56, (3, 3), stride 1",
    "32 channels, 112 x 112, (5, 5), stride 1",
    "72 channels, 56 x 56, (5, 5), stride 2",
    "64 channels, 56 x 56, (7, 7), stride 1",
    "64 channels, 56 x 56, (1, 7), stride 1",
    "64 channels, 56 x 56, (7, 1), stride 1",
)
DESCRIPTIONS = {
    "from dermoscopy": "start from the dermoscopy network",
    "taught by bmis": "distillation from a BMIS trained before",
    "a tenth of the masks": "`bmis_edge` on a tenth of the masks, 60 epochs",
    "and the others without": "the same, and the other images without masks",
    "maps of smp_unet": "the same, its maps at 1/8 and 1/16 too",
    "taught by smp_unet": "distillation from `smp_unet` (24 M parameters)",
}


def render() -> str:
    """``docs/results/training.md``."""
    return page(
        "Training",
        "How fast `bmis train` is, why, and which changes to the training were tried. Rates are "
        "images per second. Ways that are compared take turns within one run, so that whatever "
        "slows the machine slows both.",
        [
            rates(),
            beside.under_load(),
            beside.side_by_side(),
            denormals(),
            matmul_gradients(),
            depthwise(),
            ablations(),
            edge_ablations(),
            few.few_images(),
            imitation.imitation(),
            augmentations(),
        ],
    )


def rates() -> Section:
    rows, machines, fastest = [], [], 0.0
    for data, place in RATES:
        found = read(f"training_rate_{data}_{place}")
        rate, gain = found["images_per_second"], found["times_the_authors"]
        flushed = found.get("times_the_authors_without_denormals", {})
        fastest = max(fastest, *(gain[f"ours, {recipe}"] for recipe in ("paper", "default")))
        machines.append(machine(found["machine"]))
        ours = [
            f"{rate[f'ours, {recipe}']:.1f} ({gain[f'ours, {recipe}']:.2f}x)"
            for recipe in ("paper", "default")
        ]
        recipes = ("ours, paper", "ours, default")
        without = [f"{flushed[name]:.2f}x" for name in recipes if name in flushed]
        theirs = (rate.get(f"authors, {kind}") for kind in ("0 workers", "2 workers"))
        rows.append(
            [
                PLACES[place],
                DATASETS[data],
                *("" if value is None else f"{value:.1f}" for value in theirs),
                *ours,
                " and ".join(without),
            ]
        )
    return Section(
        f"Training is up to {fastest:.1f}x faster than the authors' code",
        "How much depends on the processor: more than 2x where it multiplies matrices in bf16 "
        "(AMX), about 1.3x where it has no bf16.",
        [
            "machine",
            "images",
            ">authors, 0 workers",
            ">authors, 2 workers",
            ">ours, paper recipe",
            ">ours, default recipe",
            ">without denormals",
        ],
        rows,
        "python benchmarks/training_rate.py [DATA] --images 96",
        "; ".join(dict.fromkeys(machines)),
        "training_rate_*.json",
        [
            "In brackets: times the authors' faster side, medians of five turns. Reading the "
            "images into memory, once per training, is not counted on our side.",
            "The last column compares with the authors' code helped over its denormal numbers "
            "by `torch.set_flush_denormal`.",
            "The first two rows of the AMD EPYC with AVX-512 are older than three changes that "
            "made our side faster. Its row of phantoms and the one with AVX2 have 48 images.",
        ],
    )


def denormals() -> Section:
    found = read(f"denormals_{INTEL}")
    names = {
        "product": "20 matrix products with denormal numbers in all of one factor, or in none",
        "training": "training on 48 images of Kvasir-SEG, bf16",
    }
    rows = [timed(names.get(k, f"`{k}`, 8 test images"), v) for k, v in found["found"].items()]
    gain = rows[-1][-1]
    return Section(
        "Keeping denormal numbers out of the attention helps on Intel processors",
        f"Training is {gain} faster. Attention's softmax leaves weights below 1e-38, which some "
        "processors multiply slowly. BMIS counts weights below e^-40 of the largest as that.",
        ["work", ">plain softmax, s", ">without denormals, s", ">faster"],
        rows,
        "python benchmarks/denormals.py DATA",
        machine(found["machine"]),
        f"denormals_{INTEL}.json",
        ["Medians of five turns."],
    )


def matmul_gradients() -> Section:
    found = read(f"products_{AMD_AVX2}")
    names = ("bmis", "smp_unet", "cmunext", "unet")
    rows = [timed(f"`{name}`", found["found"][name]) for name in names]
    return Section(
        "Weight gradients by matrix products help where there is only AVX2",
        f"A training step of `bmis` is {rows[0][-1]} faster, one of `unet` {rows[-1][-1]}. "
        "There oneDNN's gradients of the kernels' weights are much slower than its other "
        "convolutions.",
        ["one training step of", ">torch's gradients, s", ">by products, s", ">faster"],
        rows,
        "python benchmarks/products.py",
        machine(found["machine"]),
        f"products_{AMD_AVX2}.json",
        [
            "Batches of 4 in float32 at 224 x 224. With AVX-512 `bmis train` leaves the gradients "
            "to torch: there products mostly take longer "
            f"(`benchmarks/results/products_{INTEL}.json`)."
        ],
    )


def depthwise() -> Section:
    found = read(f"depthwise_{INTEL}")
    steps = [name for name in found["found"] if "channels" not in name]
    steps.sort(key=lambda name: -speedup(found["found"][name]))
    rows = [timed(f"layer: {name}", found["found"][name], 1e3, 1) for name in LAYERS]
    rows += [timed(f"step of `{name}`", found["found"][name], 1e3, 0) for name in steps]
    return Section(
        "Some depthwise convolutions train faster in float32 than in bf16",
        "oneDNN's bf16 gradients are slow where a depthwise kernel strides or is wider than 3 "
        f"pixels. Keeping those layers in float32 makes a step of `{steps[0]}` "
        f"{speedup(found['found'][steps[0]]):.2f}x faster.",
        ["forward and backward of", ">bf16, ms", ">float32, ms", ">faster"],
        rows,
        "python benchmarks/depthwise.py",
        machine(found["machine"]),
        f"depthwise_{INTEL}.json",
        [
            "Batches of 8, medians of turns. Layers that are faster in bf16 stay in bf16. Several "
            "networks have layers that are kept in float32; BMIS has none."
        ],
    )


def ablations() -> Section:
    files = ("breast-ultrasound", "kvasir", "drive")
    rows: list[list[str]] = []
    machines: list[str] = []
    for name in files:
        found = json.loads((TRAINING_ABLATIONS / f"{name}.json").read_text(encoding="utf-8"))
        rows += ablation_rows(DATASETS.get(name, "BUSI"), found["values"], edge=False)
        machines += machines_of(found, edge=False)
    return Section(
        "Of the changes tried, only crops at native scale help",
        "Deep supervision, distillation, no dropout, a start from other weights and images without "
        "masks bring nothing that so few validation images can show. Crops help on thin vessels.",
        ["data", "training", ">seeds", ">validation IoU", ">minus the reference [95 %]", ">p"],
        rows,
        "python benchmarks/training_ablations.py DATA --variants ...",
        "; ".join(dict.fromkeys(machines)),
        f"{TRAINING_ABLATIONS.name}/*.json",
        [
            "BUSI and Kvasir-SEG at 96 x 96, 30 epochs; DRIVE at 224 x 224 with 5,600 passes each "
            "and four images, so that p cannot fall below 0.12. p: Wilcoxon's signed-rank test "
            "over the images, means over the seeds first.",
            "Two seeds of one training differ by more than most of these changes bring.",
        ],
    )


def edge_ablations() -> Section:
    found = json.loads((TRAINING_ABLATIONS / "kvasir.json").read_text(encoding="utf-8"))
    rows = list(ablation_rows(DATASETS["kvasir"], found["values"], edge=True))
    return Section(
        "The start from ImageNet is what makes `bmis_edge`",
        "The same network with a trunk that starts from random weights learns far less in as many "
        "epochs.",
        ["data", "training", ">seeds", ">validation IoU", ">minus the reference [95 %]", ">p"],
        rows,
        "python benchmarks/training_ablations.py DATA/kvasir --seeds 1 --variants ...",
        "; ".join(dict.fromkeys(machines_of(found, edge=True))),
        f"{TRAINING_ABLATIONS.name}/kvasir.json",
        [
            "224 x 224, 20 epochs, recipe default. The first row is the network as it is. One "
            "seed: small differences say nothing."
        ],
    )


def machines_of(found: dict[str, Any], *, edge: bool) -> list[str]:
    """The machines of the trainings of ``bmis_edge``, or of the others."""
    return [
        machine(m)
        for name, seeds in found["machines"].items()
        if (VARIANTS[name].against == EDGE) is edge
        for m in seeds.values()
    ]


def ablation_rows(data: str, values: dict[str, Any], *, edge: bool) -> Iterable[list[str]]:
    """A row for each training: means over the seeds that it shares with its reference."""
    for name, seeds in values.items():
        reference = VARIANTS[name].against
        if (reference == EDGE) is not edge:
            continue
        shared = sorted(set(seeds) & set(values[reference]))
        ours, theirs = (means(group, shared) for group in (seeds, values[reference]))
        gain, p = "", ""
        if name != reference:
            found = paired_difference(ours, theirs)
            gain, p = difference(found.mean, found.ci95), p_value(found.p, agrees=found.agrees)
        iou = sum(ours.values()) / len(ours)
        yield [data, DESCRIPTIONS.get(name, name), str(len(shared)), f"{iou:.3f}", gain, p]


def means(group: dict[str, dict[str, float]], seeds: list[str]) -> dict[str, float]:
    """Of each image, over the seeds; images without a value in one of them are left out."""
    images = set.intersection(*(set(group[seed]) for seed in seeds))
    return {case: sum(group[seed][case] for seed in seeds) / len(seeds) for case in images}


def timed(name: str, entry: dict[str, Any], scale: float = 1.0, digits: int = 3) -> list[str]:
    """Medians of two ways, and how many times faster the second is."""
    first, second = (f"{scale * seconds:.{digits}f}" for seconds in medians(entry))
    return [name, first, second, f"{speedup(entry):.2f}x"]


def speedup(entry: dict[str, Any]) -> float:
    first, second = medians(entry)
    return first / second
