"""The page on the trained networks that come with the package."""

from typing import Any

from shipped import NETWORKS, RESULTS, SOURCES, Network

from pages.layout import interval, table
from pages.records import read_if_there
from pages.robustness import robustness_of, worst

FAILURES = {  # of the first six networks the twelve worst test images were looked at
    "dermoscopy": "Of the twelve worst, two have a wrong reference mask, of the skin around the "
    "lesion, and one a very wide one. In two, ink around a place is marked with it. In three, only "
    "the middle of a faint lesion is found. In four, skin or a second place is marked too. Masks "
    "on darker skin are worse, see the groups above.",
    "breast-ultrasound": "In the twelve worst nothing of the tumour is found. In eleven it is as "
    "bright as the tissue around it, and a darker layer beside it is marked, or nearly nothing. "
    "Seven of them are three tumours that the data set holds more than once. In one a dark cavity "
    "is marked instead of the bright tumour. The expected Dice is 0.4 or less in all but that one, "
    "where it is 0.77.",
    "colonoscopy": "Of the twelve worst, in five a fold, a reflection or mucosa beside the polyp "
    "is marked too, as large as the polyp or larger. In six, two of one polyp, only a part of a "
    "large polyp is found. In one the edge of an instrument is marked.",
    "fundus-vessels": "In all of the twelve worst the thinnest vessels, a pixel wide, are missed. "
    "In the worst, a dark image, wide vessels have gaps too.",
    "nuclei": "Three of the twelve worst are whole embryos, with hundreds of small nuclei: "
    "many are missed, and tissue inside is marked. In four of bright nuclei on black, masks are "
    "narrower than the reference, and dim ones are missed. In three of stained tissue nuclei that "
    "touch are one object, and pale ones are marked in part. In two smears folds are taken for "
    "nuclei. Letters burnt into the picture are, too.",
    "chest-xray": "In ten of the twelve worst the reference takes in the part of the left lung "
    "behind the heart or below the diaphragm, in places with a straight line, and the network "
    "marks what is seen. It errs in two: in a turned, pale image half of the left lung is lost, "
    "and between two lungs full of spots the middle of the chest is marked.",
    "breast-ultrasound-bmis": "Of 16 of the 129 test tumours next to nothing is found: Dice below "
    "0.1, and something else may be marked. Large tumours are among the missed.",
    "colonoscopy-bmis": "In one image a fold many times as large as the polyp is marked. Some "
    "large polyps are found in part.",
    "nuclei-bmis": "In sections through whole embryos the dense tissue between the nuclei is "
    "marked. Nuclei that touch are marked as one object.",
    "chest-xray-bmis": "Dense or hidden lower parts of a lung are left out. Some reference masks "
    "take in a part of the heart.",
    "dermoscopy-bmis": "Of two reddish places the wrong one is marked, ink on the skin is marked "
    "with the lesion, and of a faint lesion that takes up most of the picture only the middle is "
    "found. The reference masks of the second and third are wrong: they mark the skin around the "
    "lesion.",
    "fundus-vessels-bmis": "The thinnest vessels, a pixel wide, are missed.",
}
_HEAD = """# Trained networks that come with the package

Written by `python benchmarks/results_pages.py` from the figures of `python benchmarks/ship.py
DATA`. **Not medical devices.**

```sh
bmis models --pretrained
bmis predict dermoscopy photo.jpg --out masks --overlay
bmis evaluate dermoscopy mydata --robustness
pip install ./weights                      # weights to start trainings from, in a checkout
bmis train mydata --init dermoscopy
```

Under each name is a `bmis_edge`, whose trunk started from ImageNet and which learnt from images
with borders, turns and dark corners (recipe `robust`). `NAME-bmis` is BMIS as the paper has it,
from random weights. Scores are means over the test images at their own size [95 % interval], by
the trained network in torch. The epoch was chosen on validation images. The last column is the
largest loss of the bundle's mean Dice when the test images are changed in 46 ways, see
[robustness](results/robustness.md).
"""
_LEGEND = (
    "The pictures show the five test cases of the lowest Dice, without the image. Grey was found, "
    "red is extra, blue was missed."
)


def render() -> str:
    """The text of docs/pretrained.md."""
    known = {
        name: shipped for name in NETWORKS if (shipped := read_if_there(RESULTS / f"{name}.json"))
    }
    columns = ["name", "marks", ">test images", ">IoU", ">Dice", ">Dice of the bundle", ">MB"]
    rows = [_row(NETWORKS[name], shipped) for name, shipped in known.items()]
    parts = [_HEAD.rstrip(), table([*columns, ">worst change of Dice"], rows), _LEGEND]
    for name, shipped in known.items():
        parts += _about(NETWORKS[name], shipped)
    return "\n\n".join(parts) + "\n"


def _row(network: Network, shipped: dict[str, Any]) -> list[str]:
    record, export = network.record(), shipped["export"]
    graph, cases = export["graphs"][0], record.summary["cases"]
    found = robustness_of(network.name)
    lost = worst(found["perturbations"]) if found else None
    return [
        f"`{network.name}`",
        network.modality.foreground,
        str(record.data["test"]),
        interval(cases["iou"]),
        interval(cases["dice"]),
        f"{graph['check']['dice']:.3f} ({graph['precision']})",
        f"{export['bytes'] / 1e6:.2f}",
        f"{lost['change']:+.3f}, {lost['name']}" if lost else "",
    ]


def _about(network: Network, shipped: dict[str, Any]) -> list[str]:
    rates, name, kind = shipped["out_of_distribution"], network.name, network.kind
    others = ", ".join(f"{one} {100 * rate:.0f} %" for one, rate in rates.items() if one != kind)
    rules = shipped["export"].get("postprocessing")
    after = ", ".join(f"{key} {value}" for key, value in rules.items()) if rules else "none"
    return [
        f"## {name}",
        f"{SOURCES[kind]}. Licence of the images: {network.modality.licence}. Trained by "
        f"`{network.command}`. Post-processing in the bundle: {after}.",
        f"Out of distribution are {100 * rates[kind]:.1f} % of its own test images (false "
        f"alarms); of the test images of other modalities: {others}.",
        *_parts(shipped),
        f"![the worst test cases](images/pretrained/{name}.png)",
        *([FAILURES[name]] if name in FAILURES else []),
    ]


def _parts(shipped: dict[str, Any]) -> list[str]:
    """Dice of parts of the test images, in words."""
    parts = ", ".join(
        f"{one['group']} {one['dice']:.3f} (n {one['images']})" for one in shipped.get("groups", ())
    )
    return [f"Dice of the bundle: {parts}."] if parts else []
