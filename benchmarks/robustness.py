"""How much of its Dice each network in the package loses on perturbed test images.

    python benchmarks/robustness.py DATA [--only colonoscopy nuclei ...]

DATA holds the folders of the data sets, see ``five_modalities.py``. Does what
``bmis evaluate NAME DATA --robustness`` does, and writes ``results/robustness/<modality>.json``
after each network; those that have a record are left out.
"""

import tempfile
from pathlib import Path

from five_modalities import MODALITIES, command_line
from machine import describe
from pages.records import ROBUSTNESS

from bmis import measure_robustness
from bmis.system.files import output_folder, write_json


def measure(name: str, root: Path) -> None:
    """Measure one network, unless it has a record."""
    target = output_folder(ROBUSTNESS) / f"{name}.json"
    if target.exists():
        return
    with tempfile.TemporaryDirectory() as out:
        found = measure_robustness(name, data=root / MODALITIES[name].data, out=out)
    told = found.to_dict()
    kept = ("model", "split", "images", "clean_dice", "perturbations")
    write_json(target, {key: told[key] for key in kept} | {"machine": describe()})


def main() -> None:
    args = command_line(__doc__).parse_args()
    for name in args.only:
        measure(name, args.data)


if __name__ == "__main__":
    main()
