"""The trained networks that come with the package: what each was trained by, and on what."""

from dataclasses import dataclass
from pathlib import Path

from edge_accuracy import BUDGETS
from five_modalities import MODALITIES, Modality
from five_modalities import RESULTS as FIVE
from pages.records import EDGE

from bmis import Record, read_records

RESULTS = FIVE.parent / "shipped"
EPOCHS = {
    "colonoscopy": 30,
    "breast-ultrasound": 80,
}  # where they are not those of ``edge_accuracy.py``
RECIPE = "robust"
SOURCES = {
    "dermoscopy": "ISIC 2018 task 1 (Codella et al. 2019, arXiv:1902.03368; Tschandl et al. 2018), "
    "central squares of 2,594 dermoscopic photographs",
    "breast-ultrasound": "BUSI (Al-Dhabyani et al., Data in Brief 28, 2020, 104863), 646 images "
    "with a lesion, none without",
    "colonoscopy": "Kvasir-SEG (Jha et al., MMM 2020), 999 images with a polyp, none without",
    "fundus-vessels": "DRIVE (Staal et al., IEEE TMI 2004), 40 photographs of one camera",
    "chest-xray": "Shenzhen chest X-rays (Jaeger et al. 2014), 566 images; masks of Stirenko et "
    "al. 2018, arXiv:1803.01199",
    "nuclei": "2018 Data Science Bowl, stage 1 (Caicedo et al., Nature Methods 2019), 664 images; "
    "touching nuclei are one object",
}


@dataclass(frozen=True)
class Network:
    """A trained network that comes with the package.

    Attributes:
        name: What users call it.
        kind: Key of its modality in ``MODALITIES`` and ``SOURCES``.
        folder: Folder of its record.
        place: Its run folder below that of all trainings.
        command: What trains it.
        start: What its weights started from, in words.
    """

    name: str
    kind: str
    folder: Path
    place: Path
    command: str
    start: str

    @property
    def modality(self) -> Modality:
        """The data set and how it is trained on."""
        return MODALITIES[self.kind]

    @property
    def is_paper(self) -> bool:
        """Whether it is BMIS as the paper has it."""
        return self.name != self.kind

    def record(self) -> Record:
        """The record of its training and its test scores."""
        method = "bmis" if self.is_paper else "bmis_edge"
        (found,) = (
            one
            for one in read_records(self.folder)
            if (one.model["name"], one.trial.seed, one.status) == (method, 0, "done")
        )
        return found


def _edge(kind: str) -> Network:
    epochs = EPOCHS.get(kind, BUDGETS[kind][1])
    place = Path(f"{EDGE.name}_{RECIPE}") / str(epochs) / kind
    given = f" --epochs {epochs}" if kind in EPOCHS else ""
    return Network(
        kind,
        kind,
        EDGE.parent / place,
        place / "seed0",
        f"python benchmarks/edge_accuracy.py DATA --only {kind} --recipe {RECIPE}{given}",
        "the trunk from ImageNet",
    )


def _paper(kind: str) -> Network:
    return Network(
        f"{kind}-bmis",
        kind,
        FIVE / kind,
        Path("five_modalities") / kind / MODALITIES[kind].data / "bmis-seed0",
        f"python benchmarks/five_modalities.py DATA --only {kind}",
        "random weights",
    )


NETWORKS = {network.name: network for kind in MODALITIES for network in (_edge(kind), _paper(kind))}
