"""``bmis_edge`` on the six data sets of the networks that come with the package.

    python benchmarks/edge_accuracy.py DATA [--only colonoscopy ...] [--seeds 0 1 2] [--epochs 40]
        [--method bmis_edge:context=dilated] [--recipe robust]

DATA holds the folders of the data sets, see ``five_modalities.py``. The trunk starts from ImageNet,
so fewer epochs are enough than for BMIS. The validation split chooses the best epoch; the test
split is scored when a training has ended. Writes ``results/edge/<epochs>/<modality>/``, or
``results/edge_<recipe>/...`` with another recipe than the default, and keeps the trained networks
in ``--runs``. It goes on from there when it is stopped.
``results_pages.py`` compares them image by image with the records of ``five_modalities.py``.
"""

from itertools import product
from pathlib import Path

from five_modalities import MODALITIES, command_line, described
from pages.records import EDGE

from bmis import Conditions
from bmis.compare.methods import find_methods
from bmis.compare.run import describe
from bmis.compare.spec import TrialSpec
from bmis.compare.trial import run_trial
from bmis.records import Trial, record_path, write_record

FINE = "bmis_edge:finest=2"  # a step at 1/2, for objects a few pixels wide
BUDGETS = {
    "dermoscopy": ("bmis_edge", 20),
    "breast-ultrasound": ("bmis_edge", 40),
    "colonoscopy": ("bmis_edge", 20),
    "fundus-vessels": (FINE, 100),
    "chest-xray": ("bmis_edge", 20),
    "nuclei": (FINE, 15),
}


def train(
    name: str, root: Path, runs: Path, method: str, epochs: int, seed: int, recipe: str
) -> None:
    """Train and score the network on one data set with one seed, unless there is a record."""
    modality = MODALITIES[name]
    kind = EDGE.name if recipe == "default" else f"{EDGE.name}_{recipe}"
    place, records = f"{kind}/{epochs}/{name}", EDGE.parent / f"{kind}/{epochs}/{name}"
    (variant,) = find_methods([method])
    spec = TrialSpec(
        Trial(modality.data, variant.text, seed=seed),
        Conditions(recipe, epochs, (224, 224), modality.resize),
        str(described(name, root, runs)),
        variant.name,
        variant.options,
        work=runs / place / f"seed{seed}",
        keep=True,
    )
    if not record_path(records, spec.trial).exists():
        record = run_trial(spec)
        write_record(records, record)
        print(f"{name}: {record.trial}: {describe(record)}", flush=True)


def main() -> None:
    parser = command_line(__doc__)
    parser.set_defaults(runs=Path("runs"))
    parser.add_argument("--method", help="another method than the data set's own")
    parser.add_argument("--epochs", type=int, help="another number than the data set's own")
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    args = parser.parse_args()
    for name, seed in product(args.only, args.seeds):
        method, epochs = BUDGETS[name]
        chosen, length = args.method or method, args.epochs or epochs
        train(name, args.data, args.runs, chosen, length, seed, args.recipe)


if __name__ == "__main__":
    main()
