"""``bmis_edge`` on the six data sets of the networks that come with the package.

    python benchmarks/edge_accuracy.py DATA [--only colonoscopy ...] [--seeds 3] [--epochs 40]
        [--method bmis_edge:context=dilated]

DATA holds the folders of the data sets, see ``five_modalities.py``. The trunk starts from ImageNet, so
a third of the epochs of BMIS or fewer are enough. The validation split chooses the best epoch; the
test split is scored when a training has ended. Writes ``results/edge/<epochs>/<modality>/`` and
keeps the trained networks in ``--runs``. It goes on from there when it is stopped.
``results_pages.py`` compares them image by image with the records of ``five_modalities.py``.
"""

from pathlib import Path

from five_modalities import MODALITIES, command_line
from pages.records import EDGE

from bmis import CompareConfig, Conditions, compare_methods
from bmis.compare.run import describe

FINE = "bmis_edge:finest=2"  # a step at 1/2, for objects a few pixels wide
BUDGETS = {
    "dermoscopy": ("bmis_edge", 20),
    "breast-ultrasound": ("bmis_edge", 40),
    "colonoscopy": ("bmis_edge", 20),
    "fundus-vessels": (FINE, 100),
    "chest-xray": ("bmis_edge", 20),
    "nuclei": (FINE, 15),
}


def train(name: str, root: Path, runs: Path, method: str, epochs: int, seeds: int) -> None:
    """Train and score the network on one data set, for each seed that has no record yet."""
    modality, place = MODALITIES[name], f"{epochs}/{name}"
    config = CompareConfig(
        data=(str(root / modality.data),),
        methods=(method,),
        seeds=seeds,
        conditions=Conditions("default", epochs, (224, 224), modality.resize),
    )
    done = compare_methods(config, out=EDGE / place, keep=runs / place)
    for record in done.records:
        print(f"{name}: {record.trial}: {describe(record)}", flush=True)


def main() -> None:
    parser = command_line(__doc__)
    parser.set_defaults(runs=Path("runs/edge"))
    parser.add_argument("--method", help="another method than the data set's own")
    parser.add_argument("--epochs", type=int, help="another number than the data set's own")
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    for name in args.only:
        method, epochs = BUDGETS[name]
        chosen, length = args.method or method, args.epochs or epochs
        train(name, args.data, args.runs, chosen, length, args.seeds)


if __name__ == "__main__":
    main()
