"""A start from a network in the package on few images of another data set."""

from few_images import PASSES, VALIDATION

from bmis import paired_difference
from pages.layout import Section, difference, machine, p_value
from pages.records import read


def few_images() -> Section:
    """The trainings of which both starts are done."""
    rows, machines = [], []
    for name, by_count in read("few_images").items():
        for count, starts in by_count.items():
            if len(starts) < 2:
                continue
            one, (init, other) = (
                starts["imagenet"],
                next(pair for pair in starts.items() if pair[0] != "imagenet"),
            )
            gain = paired_difference(other["iou"], one["iou"])
            means = [sum(side["iou"].values()) / len(side["iou"]) for side in (one, other)]
            machines += [machine(side["machine"]) for side in (one, other)]
            rows.append(
                [
                    name.replace("-", " "),
                    count,
                    f"{means[0]:.3f}",
                    f"{means[1]:.3f} (`{init}`)",
                    f"{difference(gain.mean, gain.ci95)}, p {p_value(gain.p, agrees=gain.agrees)}",
                ]
            )
    return Section(
        "In a short training a start from a network of the package helps",
        "It has seen medical images, of another kind. Only the trunk of the other start has learnt "
        "anything, from ImageNet. On breast ultrasound that start has hardly begun to find tumours "
        "after so few passes, with however many images; [longer trainings](accuracy.md) do.",
        ["data", ">training images", ">IoU from ImageNet", ">IoU by `--init`", ">gain [95 %]"],
        rows,
        "python benchmarks/few_images.py DATA",
        "; ".join(dict.fromkeys(machines)),
        "few_images.json",
        [
            f"`bmis_edge`, {PASSES:,} images each, 224 x 224, recipe `default`, one seed; "
            f"{VALIDATION} validation images choose the epoch; test images at their own size."
        ],
    )
