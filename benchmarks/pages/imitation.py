"""BMIS that first imitates a network from ImageNet, and then has a teacher."""

from itertools import product
from statistics import fmean

from imitation import IMITATED, LARGE, PASSES, PLAIN, RATE, RESULTS, SIZE

from pages.layout import Section, difference, machine, p_value
from pages.records import DATASETS, read

ARMS = {
    "imitation": "maps of the ImageNet trunk first",
    "imitation and teacher": "the same, and `bmis_edge` of its modality as a teacher",
    "imitation and large teacher": "the same, and the large teacher",
}


def imitation() -> Section:
    """Both arms against the training as it is, on validation images."""
    files = sorted(RESULTS.glob("*.json"))
    found = {file.stem: read(f"{RESULTS.name}/{file.stem}") for file in files}
    rows = []
    for data, arm in product(found, ARMS):
        one = found[data]["differences"].get(arm)
        if one is None:
            continue
        means = [_mean(found[data]["values"][name]) for name in (PLAIN, arm)]
        p = p_value(one["p"], agrees=one["agrees"])
        seeds = str(len(found[data]["values"][arm]))
        gain = f"{difference(one['mean'], one['ci95'])}, p {p}"
        rows.append([DATASETS[data], ARMS[arm], seeds, *means, gain])
    side = SIZE[0]
    teachers = [
        f"{fmean(one[LARGE].values()):.3f} on {DATASETS[data]}"
        for data, one in found.items()
        if LARGE in one
    ]
    return Section(
        "Imitating a network from ImageNet and a large teacher help BMIS on one set of two",
        "BMIS cannot start from ImageNet, for nobody has trained it there. Here it first learns to "
        "give the maps of EfficientNet-Lite0 at 1/8 and 1/16, without any mask. On breast "
        "ultrasound the large teacher helps, on Kvasir-SEG nothing does, though the teacher itself "
        f"is better than BMIS on both ({', '.join(teachers)}). So it is no default; `bmis train "
        "--init` and `--teacher` do both.",
        ["data", "start", ">seeds", ">IoU as it is", ">IoU", ">gain [95 %]"],
        rows,
        "python benchmarks/imitation.py DATA lite2.safetensors",
        "; ".join(dict.fromkeys(machine(one["machine"]) for one in found.values())),
        f"{RESULTS.name}/",
        [
            f"{IMITATED:,} images of the six training sets to imitate on, then {PASSES:,} of the "
            f"set's own, {side} x {side}, learning rate {RATE:g}. Validation images; the interval "
            "is over images and seeds. The test images were not used. The large teacher is "
            "`bmis_edge` on all of EfficientNet-Lite2 with 64 channels and a step at 1/2, from "
            "ImageNet, of the same passes."
        ],
    )


def _mean(seeds: dict[str, dict[str, float]]) -> str:
    return f"{fmean(iou for one in seeds.values() for iou in one.values()):.3f}"
