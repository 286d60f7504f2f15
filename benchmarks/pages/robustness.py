"""What the trained networks lose on images from elsewhere."""

from typing import Any

from shipped import NETWORKS

from pages.layout import Section, difference, machine, page
from pages.records import ROBUSTNESS, read_if_there

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


def _columns(one: Changed) -> list[str]:
    name, kind = one["name"], one["kind"]
    how = name[len(kind) :].strip(", ") if name.startswith((f"{kind},", f"{kind} ")) else name
    how = "" if name == kind else how
    text = difference(one["change"], one["ci95"])
    return [f"{text}{f' ({how})' if how else ''}", f"{100 * one['lost']:.0f} %"]


def render() -> str:
    """The text of docs/results/robustness.md."""
    kinds = dict.fromkeys(network.kind for network in NETWORKS.values())
    return page(
        "Robustness",
        "What the trained networks that come with the package lose on images from elsewhere: 46 "
        "changes of each test image, each compared with the same image as it is. "
        "[How each is made](../reference/metrics.md). "
        "`bmis evaluate NAME DATA --robustness` measures the same on your images.",
        [found for kind in kinds if (found := section(kind))],
    )
