"""BMIS on five modalities and cell nuclei: trained, scored and compared, one command for each.

    python benchmarks/five_modalities.py DATA [--only dermoscopy nuclei ...] [--methods bmis,unet]

DATA holds the folders of the data sets (isic2018, busi, kvasir, drive, lung_xray, dsb2018), each
with ``images/``, ``masks/`` and ``splits.csv``. The validation split chooses the best epoch; the
test split is scored when a training has ended. Writes a record for each network into
``results/five_modalities/<modality>/`` and keeps the trained networks in ``--runs``. It goes on
from there when it is stopped.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import yaml

from bmis import CompareConfig, Conditions, Record, compare_methods, read_records
from bmis.compare.run import describe
from bmis.system.files import output_folder, write_text

RESULTS = Path(__file__).parent / "results" / "five_modalities"


@dataclass(frozen=True)
class Modality:
    """A data set and how it is trained on.

    Attributes:
        data: Name of its folder.
        kind: Usual name of the modality.
        foreground: Name of the class that is marked.
        licence: Licence of images and masks, as far as known.
        epochs: Passes over its training images.
        resize: "native" where the objects are a few pixels wide.
    """

    data: str
    kind: str
    foreground: str
    licence: str
    epochs: int
    resize: str = "squash"


MODALITIES = {
    "dermoscopy": Modality(
        "isic2018",
        "dermoscopy",
        "lesion",
        "CC BY-NC 4.0 as far as known: not for commercial use",
        epochs=60,
    ),
    "breast-ultrasound": Modality(
        "busi",
        "ultrasound",
        "tumour",
        "not known: the publisher's article is CC BY 4.0, a copy of the images says CC0",
        epochs=100,
    ),
    "colonoscopy": Modality(
        "kvasir",
        "endoscopy",
        "polyp",
        "for research and education only, as far as known",
        epochs=60,
    ),
    "fundus-vessels": Modality(
        "drive",
        "fundus photography",
        "vessel",
        "not known: published for research",
        epochs=100,
        resize="native",
    ),
    "chest-xray": Modality(
        "lung_xray",
        "chest X-ray",
        "lung",
        "images free for research with citation, masks CC BY-NC-SA 4.0 as far as known: not for "
        "commercial use",
        epochs=30,
    ),
    "nuclei": Modality(
        "dsb2018",
        "microscopy",
        "nucleus",
        "CC0 1.0",
        epochs=40,
        resize="native",
    ),
}


def run_folder(name: str, runs: Path) -> Path:
    """Where a comparison keeps the BMIS of a modality."""
    return runs / name / MODALITIES[name].data / "bmis-seed0"


def record_of(name: str) -> Record:
    """The record of the BMIS of a modality."""
    records = read_records(RESULTS / name)
    return next(one for one in records if one.trial.method == "bmis" and one.trial.seed == 0)


def described(name: str, root: Path, runs: Path) -> Path:
    """The data set as a folder of links, with a ``dataset.yaml`` that describes it."""
    modality = MODALITIES[name]
    folder = output_folder(runs / "data" / name)
    for part in (root / modality.data).iterdir():
        link = folder / part.name
        if not link.is_symlink():
            link.symlink_to(part.resolve())
    description = {
        "name": modality.data,
        "modality": modality.kind,
        "licence": modality.licence,
        "classes": ["background", modality.foreground],
    }
    write_text(folder / "dataset.yaml", yaml.safe_dump(description, sort_keys=False))
    return folder


def train(name: str, root: Path, runs: Path, methods: tuple[str, ...]) -> None:
    """Train and score the networks that have no record yet."""
    modality = MODALITIES[name]
    config = CompareConfig(
        data=(str(described(name, root, runs)),),
        methods=methods,
        conditions=Conditions("default", modality.epochs, (224, 224), modality.resize),
    )
    done = compare_methods(config, out=RESULTS / name, keep=runs / name)
    for record in done.records:
        print(f"{name}: {record.trial}: {describe(record)}", flush=True)


def command_line(what: str) -> argparse.ArgumentParser:
    """The arguments that all scripts on these networks share."""
    parser = argparse.ArgumentParser(description=what.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", choices=MODALITIES, default=list(MODALITIES))
    parser.add_argument("--runs", type=Path, default=Path("runs/five_modalities"))
    return parser


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--methods", default="bmis")
    args = parser.parse_args()
    for name in args.only:
        train(name, args.data, args.runs, tuple(args.methods.split(",")))


if __name__ == "__main__":
    main()
