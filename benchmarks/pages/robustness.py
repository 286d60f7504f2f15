"""What the trained networks lose on images from elsewhere."""

from typing import Any

from borders import FILE
from shipped import NETWORKS
from unlike import CHANGED
from unlike import FILE as UNLIKE

from pages.layout import Section, difference, machine, page
from pages.records import ROBUSTNESS, read, read_if_there

KINDS = tuple(dict.fromkeys(network.kind for network in NETWORKS.values()))
Changed = dict[str, Any]  # one perturbation, as in ``robustness.json``


def robustness_of(name: str) -> dict[str, Any] | None:
    """The record of a network, if there is one."""
    return read_if_there(ROBUSTNESS / f"{name}.json")


def worst(perturbations: list[Changed]) -> Changed:
    """The perturbation that costs most."""
    return min(perturbations, key=lambda one: float(one["change"]))


def by_kind(found: dict[str, Any]) -> dict[str, Changed]:
    """The worst perturbation of each kind."""
    kinds = dict.fromkeys(one["kind"] for one in found["perturbations"])
    return {
        kind: worst([one for one in found["perturbations"] if one["kind"] == kind])
        for kind in kinds
    }


def section(kind: str) -> Section | None:
    """One modality: the edge network beside BMIS as the paper has it."""
    ours, paper = robustness_of(kind), robustness_of(f"{kind}-bmis")
    if ours is None or paper is None:
        return None
    mine, theirs = by_kind(ours), by_kind(paper)
    least, most = worst(ours["perturbations"]), worst(paper["perturbations"])
    rows = [["as they are", f"{ours['clean_dice']:.3f}", "", f"{paper['clean_dice']:.3f}", ""]]
    rows += [[name, *_columns(mine[name]), *_columns(theirs[name])] for name in mine]
    return Section(
        f"{kind.replace('-', ' ').capitalize()}: at most {-least['change']:.3f} of Dice is lost, "
        f"by BMIS {-most['change']:.3f}",
        f"`{kind}` loses most by: {least['name']}; `{kind}-bmis` by: {most['name']}.",
        ["what was done", f">`{kind}`", ">lost", f">`{kind}-bmis`", ">lost"],
        rows,
        f"python benchmarks/robustness.py DATA --only {kind} {kind}-bmis",
        "; ".join(dict.fromkeys(machine(one["machine"]) for one in (ours, paper))),
        f"{ROBUSTNESS.name}/{kind}*.json",
        [
            f"{ours['images']} test images. First row: Dice. Others: the worst change of the mean "
            "Dice of that kind [95 % over the images]; lost: images that lose more than 0.1."
        ],
    )


def borders() -> Section:
    """The masks of the installed command, with and without a black border."""
    found = read(FILE.stem)
    rows = []
    for kind in KINDS:
        ours, paper = found[kind], found[f"{kind}-bmis"]
        row = [kind.replace("-", " "), str(len(ours["dice"]))]
        for one in (ours, paper):
            row += [f"{one['mean']:.3f}", f"{min(one['dice'].values()):.3f}"]
        rows.append(row)
    return Section(
        "The masks of the installed command, with and without a black border",
        f"A fresh environment with `pip install .` alone; {found['border_percent']} % of the side "
        "is added on all sides. Dice is between the mask of the image and that of the image with "
        "its border, whatever the truth.",
        ["data", ">images", ">`NAME`, Dice", ">worst", ">`NAME-bmis`, Dice", ">worst"],
        rows,
        "python benchmarks/borders.py DATA",
        machine(found["machine"]),
        FILE.name,
    )


def warnings() -> Section:
    """Which changed images are called unlike the training images."""
    found = read(UNLIKE.stem)
    rows = []
    for kind in found[KINDS[0]]["shown"]:
        shares = [[found[name][key][kind] for name in KINDS] for key in ("as they are", "shown")]
        rows.append(
            [kind, *(f"{100 * a:.0f} / {100 * b:.0f} %" for a, b in zip(*shares, strict=True))]
        )
    return Section(
        "What `predict` warns of",
        "The share of changed test images that are called unlike the training images. First: if "
        "only the training images as they are were known. Second: as it is, where what the "
        "training showed is known too (borders, quarter turns, sizes).",
        ["what was done", *(f">{name.replace('-', ' ')}" for name in KINDS)],
        rows,
        "python benchmarks/unlike.py DATA",
        machine(found[KINDS[0]]["machine"]),
        UNLIKE.name,
        [
            f"At most {CHANGED} test images of each data set. Grey and dark corners were shown too "
            "but are warned of all the same: with them in the reference, images of another "
            "modality would pass. How many of those are warned of is in the "
            "[list of the networks](../pretrained.md)."
        ],
    )


def _columns(one: Changed) -> list[str]:
    name, kind = one["name"], one["kind"]
    how = name[len(kind) :].strip(", ") if name.startswith((f"{kind},", f"{kind} ")) else name
    how = "" if name == kind else how
    text = difference(one["change"], one["ci95"])
    return [f"{text}{f' ({how})' if how else ''}", f"{100 * one['lost']:.0f} %"]


def render() -> str:
    """The text of docs/results/robustness.md."""
    return page(
        "Robustness",
        "What the trained networks that come with the package lose on images from elsewhere: 46 "
        "changes of each test image, each compared with the same image as it is. "
        "[How each is made](../reference/metrics.md). "
        "`bmis evaluate NAME DATA --robustness` measures the same on your images.",
        [*(found for kind in KINDS if (found := section(kind))), borders(), warnings()],
    )
