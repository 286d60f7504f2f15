"""How much of its Dice each network in the package loses on perturbed test images.

    python benchmarks/robustness.py DATA [--only colonoscopy nuclei-bmis ...]

DATA holds the folders of the data sets, see ``five_modalities.py``. Does what
``bmis evaluate NAME DATA --robustness`` does, and writes ``results/robustness/<name>.json``
after each network; those that have a record are left out.
"""

import argparse
import tempfile
from pathlib import Path

from machine import describe
from pages.records import ROBUSTNESS
from shipped import NETWORKS, Network

from bmis import measure_robustness
from bmis.evaluate.robustness import Robustness
from bmis.system.files import output_folder, write_json


def record_of(name: str) -> Path:
    """Where the figures of a network lie."""
    return ROBUSTNESS / f"{name}.json"


def measure(network: Network, root: Path) -> Robustness:
    """Measure one network and write its record."""
    with tempfile.TemporaryDirectory() as out:
        found = measure_robustness(network.name, data=root / network.modality.data, out=out)
    told = found.to_dict()
    kept = ("model", "split", "images", "clean_dice", "perturbations")
    output_folder(ROBUSTNESS)
    write_json(record_of(network.name), {key: told[key] for key in kept} | {"machine": describe()})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    args = parser.parse_args()
    for name in args.only:
        if not record_of(name).exists():
            measure(NETWORKS[name], args.data)


if __name__ == "__main__":
    main()
