"""The paper's table: BMIS, our networks and more than thirty rivals on six data sets, one budget.

    python benchmarks/paper_table.py DATA [--only colonoscopy ...] [--methods lv_unet unext]
        [--size 128 --passes 9000] [--parallel 2]

DATA holds the folders of the data sets, see ``five_modalities.py``. Every method gets the same
images, crops, passes and seed. Its learning rate is the best of three on the validation images of
two sets, each tried in a quarter of the passes; its precision is what its gradients bear
(``gradients.py``). The validation images choose the best epoch, the test images are scored once,
when a training has ended. Writes ``results/paper_table/<size>x<passes>/``: ``rates/<method>.json``
and a record for each training below ``<modality>/``. Methods run side by side, with one thread
each. It goes on from there when it is stopped; ``paper_costs.py`` measures what each costs.
"""

import json
import multiprocessing
import os
import re
import shutil
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from five_modalities import MODALITIES, command_line, described
from gradients import precision_of
from pages.records import PAPER_TABLE

from bmis import Conditions, TrainConfig, open_dataset
from bmis.compare.methods import Variant, find_methods
from bmis.compare.run import describe
from bmis.compare.spec import TrialSpec
from bmis.compare.trial import run_trial
from bmis.data.images import image_size
from bmis.errors import BmisError
from bmis.fit.search import train_and_score
from bmis.records import Trial, record_path, write_record
from bmis.system.files import output_folder, write_json

METHODS = (  # ours, then the rivals, about in the order of what they cost
    *("bmis", "bmis_edge", "bmis_edge:finest=2", "bmis_edge:weights=none", "bmis_edge_s"),
    *("lv_unet", "fast_scnn", "contextnet", "unext", "mk_unet", "cmunext_s", "simple_unet"),
    *("malunet", "ege_unet", "ulite", "enet", "tv_lraspp", "smp_linknet", "monai_segresnet"),
    *("monai_unet", "smp_pspnet", "lednet", "cgnet", "dabnet", "erfnet", "smp_deeplabv3plus"),
    *("smp_segformer", "monai_flexible_unet", "mk_unet_s", "tinyu_net", "tv_deeplabv3", "cmunext"),
    *("smp_fpn", "smp_unet", "dsu_net", "smp_unetplusplus", "monai_attention_unet"),
    *("monai_basic_unetplusplus", "monai_dynunet", "unet", "attention_unet"),
)
ONLY = {  # methods that are not trained on all sets
    "attention_unet": ("breast-ultrasound",),  # hours a set, for a network like `unet`
    "bmis_edge:finest=2": ("fundus-vessels", "nuclei"),  # for objects a few pixels wide
}
RATES = (7e-4, 2e-3, 6e-3)
RATE_SETS = ("breast-ultrasound", "colonoscopy")
RATE_SHARE = 4  # a learning rate is tried in this part of the passes


@dataclass(frozen=True)
class Budget:
    """What every method gets.

    Attributes:
        root: Folder of the data sets.
        runs: Folder of trainings that have not ended, and of the data sets with a description.
        size: Side of images and crops in pixels.
        passes: Images, or crops, that are trained on.
    """

    root: Path
    runs: Path
    size: int
    passes: int

    @property
    def records(self) -> Path:
        """Where rates and records are written."""
        return PAPER_TABLE / f"{self.size}x{self.passes}"

    def epochs(self, name: str, passes: int) -> int:
        """The epochs in which so many images or crops of a data set are seen, at least one."""
        cases = open_dataset(described(name, self.root, self.runs)).split("train")
        crops = 1
        if MODALITIES[name].resize == "native":
            pixels = sum(height * width for height, width in (image_size(c.image) for c in cases))
            crops = max(1, round(pixels / len(cases) / self.size**2))
        return max(1, round(passes / (len(cases) * crops)))


def choose_rate(variant: Variant, budget: Budget, precision: str) -> float:
    """The best of the learning rates by the mean validation IoU of the two sets."""
    file = output_folder(budget.records / "rates") / f"{_file_name(variant.text)}.json"
    tried: dict[str, dict[str, float]] = {}
    if file.exists():
        tried = json.loads(file.read_text(encoding="utf-8"))["iou"]
    for rate in RATES:
        for name in RATE_SETS:
            if name in tried.setdefault(f"{rate:g}", {}):
                continue
            work = budget.runs / "rates" / f"{_file_name(variant.text)}-{rate:g}-{name}"
            config = _rate_config(variant, budget, name, rate, precision)
            try:
                tried[f"{rate:g}"][name] = round(train_and_score(config, work), 4)
            except BmisError as error:  # a loss that is not a number at a high rate
                tried[f"{rate:g}"][name] = 0.0
                _say(f"{variant.text} at {rate:g} on {name}: {error}")
            shutil.rmtree(work, ignore_errors=True)
            write_json(file, {"method": variant.text, "precision": precision, "iou": tried})
    best = max(RATES, key=lambda rate: sum(tried[f"{rate:g}"].values()))
    means = {rate: round(sum(iou.values()) / len(iou), 3) for rate, iou in tried.items()}
    _say(f"{variant.text}: {precision}, learning rate {best:g} of {means}")
    return best


def _rate_config(
    variant: Variant, budget: Budget, name: str, rate: float, precision: str
) -> TrainConfig:
    return TrainConfig(
        str(described(name, budget.root, budget.runs)),
        variant.name,
        variant.options,
        epochs=budget.epochs(name, budget.passes // RATE_SHARE),
        size=(budget.size, budget.size),
        resize=MODALITIES[name].resize,
        learning_rate=rate,
        precision=precision,
        threads=1,
    )


def run_method(method: str, names: list[str], budget: Budget) -> str:
    """Choose the learning rate, then train and score on the data sets that have no record."""
    (variant,) = find_methods([method])
    precision = precision_of(variant.text)
    todo = [name for name in names if not _record(variant, budget, name).exists()]
    if todo:
        rate = choose_rate(variant, budget, precision)
    for name in todo:
        spec = _spec(variant, budget, name, rate, precision)
        record = run_trial(spec)
        write_record(budget.records / name, record)
        _say(f"{record.trial}: {describe(record)}")
    return variant.text


def _spec(variant: Variant, budget: Budget, name: str, rate: float, precision: str) -> TrialSpec:
    modality = MODALITIES[name]
    return TrialSpec(
        trial=Trial(modality.data, variant.text),
        conditions=Conditions(
            "default",
            budget.epochs(name, budget.passes),
            (budget.size, budget.size),
            modality.resize,
        ),
        data=str(described(name, budget.root, budget.runs)),
        model=variant.name,
        options=variant.options,
        work=budget.runs / "trials" / name / _file_name(variant.text),
        precision=precision,
        learning_rate=rate,
        threads=1,
        alone=False,
        costs={},  # measured later, on a machine that does nothing else
    )


def _record(variant: Variant, budget: Budget, name: str) -> Path:
    return record_path(budget.records / name, Trial(MODALITIES[name].data, variant.text))


def _file_name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-")


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def main() -> None:
    parser = command_line(__doc__)
    parser.set_defaults(runs=Path("runs/paper_table"))
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--passes", type=int, default=9000)
    parser.add_argument("--parallel", type=int, default=2)
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    budget = Budget(args.data, args.runs, args.size, args.passes)
    for name in args.only:
        described(name, args.data, args.runs)  # once, before several processes need it
    chosen = {m: [n for n in args.only if n in ONLY.get(m, args.only)] for m in args.methods}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.parallel, spawn) as pool:
        jobs = [pool.submit(run_method, m, names, budget) for m, names in chosen.items()]
        for number, job in enumerate(as_completed(jobs), start=1):
            _say(f"{job.result()}: complete ({number} of {len(jobs)} methods)")


if __name__ == "__main__":
    main()
