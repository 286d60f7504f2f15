"""The edge network on the six data sets, beside BMIS and the light networks."""

from collections.abc import Iterator

from bmis import Record, paired_difference, read_records
from pages.layout import Section, difference, p_value, scores, trial_machines
from pages.records import DATASETS, EDGE, EDGE_ROBUST, MODALITIES, NAMES, known

RIVALS = ("bmis", "lv_unet", "fast_scnn", "mk_unet")  # trained for longer, see the notes


def trained(name: str) -> list[Record]:
    """The finished trainings of a modality by recipe, the shortest first."""
    folders = [
        folder
        for kind in (EDGE, EDGE_ROBUST)
        for folder in sorted(kind.glob(f"*/{name}"), key=lambda folder: int(folder.parent.name))
    ]
    found = [record for folder in folders for record in read_records(folder)]
    return [record for record in found if record.status == "done"]


def rivals(name: str) -> list[Record]:
    """The records of the longer trainings that there are on this modality."""
    found = {
        record.trial.method: record
        for record in read_records(MODALITIES / name)
        if record.status == "done"
    }
    return [found[method] for method in RIVALS if method in found]


def gain(ours: Record, other: Record) -> str:
    """IoU of ours minus the other's on the same images, with p."""
    found = paired_difference(known(ours, "iou"), known(other, "iou"))
    return f"{difference(found.mean, found.ci95)}, p {p_value(found.p, agrees=found.agrees)}"


def rows() -> Iterator[list[str]]:
    """One row a training of ours, then one a rival of that data set."""
    for name in NAMES:
        mine = trained(name)
        for record in mine:
            yield [*facts(record), ""]
        for other in rivals(name) if mine else ():
            yield [*facts(other), gain(mine[0], other)]


def facts(record: Record) -> list[str]:
    """What a row says of one training."""
    trial = record.trial
    start = "ImageNet" if record.model.get("weights") == "imagenet" else "none"
    return [
        DATASETS[trial.dataset],
        f"`{trial.method}`",
        start,
        record.conditions.recipe,
        str(record.conditions.epochs),
        str(trial.seed),
        *scores(record),
    ]


def _most_behind() -> float:
    """The largest mean IoU by which BMIS is ahead of the first training of a data set."""
    behind = [
        -paired_difference(known(mine[0], "iou"), known(other, "iou")).mean
        for name in NAMES
        if (mine := trained(name))
        for other in rivals(name)
        if other.trial.method == "bmis"
    ]
    return max(behind)


def section() -> Section:
    everyone = [record for name in NAMES for record in trained(name)]
    return Section(
        f"`bmis_edge` is better than BMIS or at most {_most_behind():.3f} of IoU behind, in less "
        "than a third of its time",
        "On Kvasir-SEG it is better, with fewer epochs. On BUSI, DRIVE, ISIC 2018 and the chest "
        "X-rays no difference can be shown. On nuclei, after fewer epochs, it is a little worse in "
        "most images. The time is that in float32, on the [speed page](speed.md).",
        [
            "data",
            "network",
            "pretrained",
            "recipe",
            ">epochs",
            ">seed",
            ">IoU [95 %]",
            ">Dice [95 %]",
            ">`bmis_edge` (first row) minus it, IoU",
        ],
        list(rows()),
        "python benchmarks/edge_accuracy.py DATA",
        trial_machines(everyone),
        f"{EDGE.name}/`, `{EDGE_ROBUST.name}/",
        [
            "224 x 224. BMIS and the light networks start from nothing and were "
            "trained longer, because they need it; the test images, the splits and the scoring are "
            "the same. Only `bmis_edge` starts from ImageNet.",
        ],
    )
