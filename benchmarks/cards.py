"""Tells in the bundles of the package what ``robustness.py`` measured of them.

    python benchmarks/cards.py [--only colonoscopy nuclei-bmis ...]

Puts the worst change of each kind into the model card, and the worst of all into the manifest,
where ``bmis models --pretrained`` finds it. Networks without a record are left alone.
"""

import argparse
import json
import re
from dataclasses import replace
from typing import Any

from pages.robustness import by_kind, worst
from robustness import record_of
from shipped import NETWORKS
from unlike import write_again

from bmis.bundle import read_bundle
from bmis.pretrained.lookup import FOLDER

HEADING = "## Images from elsewhere"
INTRODUCTION = (
    "Change of the mean Dice when the test images are changed, worst of each kind, and the share "
    "of images that lose more than 0.1:"
)
# From the heading, whose older form comes without a table, to the line that ``unlike.py`` writes.
PLACE = re.compile(r"^## Images (?:from elsewhere|out of distribution)\n.*?(?=^`bmis predict`)",
                   re.DOTALL | re.MULTILINE)  # fmt: skip


def changed(one: dict[str, Any]) -> str:
    """A row of the table."""
    low, high = one["ci95"]
    change = f"{one['change']:+.3f} [{low:+.3f}, {high:+.3f}]"
    return f"| {one['name']} | {change} | {100 * one['lost']:.0f} % |"


def tell(name: str) -> None:
    """Write a bundle again with what its record says."""
    record = json.loads(record_of(name).read_text(encoding="utf-8"))
    rows = map(changed, by_kind(record).values())
    table = "\n".join(["| what was done to the images | change [95 %] | lost |",
                       "|---|--:|--:|", *rows])  # fmt: skip
    section = f"{HEADING}\n\n{INTRODUCTION}\n\n{table}\n\n"
    bundle, most = FOLDER / f"{name}.bmis", worst(record["perturbations"])
    found = read_bundle(bundle)
    card, places = PLACE.subn(lambda _: section, found.card)
    assert places == 1, f"{bundle}: {places} places for robustness in its card"
    told = {"worst_change": {"name": most["name"], "change": round(most["change"], 4)}}
    manifest = replace(found.manifest, quality={**found.manifest.quality, **told})
    write_again(bundle, manifest, card)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    args = parser.parse_args()
    for name in args.only:
        if record_of(name).exists():
            tell(name)


if __name__ == "__main__":
    main()
