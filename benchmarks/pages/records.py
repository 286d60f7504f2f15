"""Where the records lie, and how the pages read them."""

import json
import statistics
from pathlib import Path
from typing import Any

from bmis import Record, read_records

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"

# Folders of records; where a script writes to another folder, change its name here alone.
COMPARISON = RESULTS / "comparison"  # thirteen networks under a small equal budget
DESIGN = RESULTS / "ablation"  # BMIS with one design choice undone at a time
MODALITIES = RESULTS / "five_modalities"  # the networks that come with the package, and rivals
TRAINING_ABLATIONS = RESULTS / "training_ablations"  # one change of the training at a time
ROBUSTNESS = RESULTS / "robustness"  # the networks that come with the package, perturbed
EDGE = RESULTS / "edge"  # bmis_edge, by epochs and modality
EDGE_ROBUST = RESULTS / "edge_robust"  # the same by the recipe robust
AUTHORS_FOLD = RESULTS / "authors_fold"
PAPER_TABLE = RESULTS / "paper_table"  # all methods under one budget, by size and passes

AMD, AMD_AVX2 = "amd-epyc-avx512f-2-cores", "amd-epyc-avx2-2-cores"
INTEL = "intel-r-xeon-r-processor-avx512f-2-cores"
INTEL_NO_AMX = "intel-r-xeon-r-processor-avx512-core-bf16-2-cores"

NAMES = (  # of the networks that come with the package, in the order of the tables
    "dermoscopy",
    "fundus-vessels",
    "chest-xray",
    "colonoscopy",
    "breast-ultrasound",
    "nuclei",
)

SIDES = {  # of a timing in records, and for readers
    "authors": "the authors' way",
    "torch fp32": "ours in torch, channels-last",
    "onnxruntime fp32": "ONNX Runtime fp32",
    "onnxruntime int8": "ONNX Runtime int8",
    "openvino fp32": "OpenVINO fp32",
    "openvino bf16": "OpenVINO bf16",
    "openvino int8": "OpenVINO int8",
}

DATASETS = {  # names in records, and for readers
    "kvasir": "Kvasir-SEG",
    "busi": "BUSI",
    "isic2018": "ISIC 2018",
    "drive": "DRIVE",
    "lung_xray": "Shenzhen chest X-rays",
    "dsb2018": "DSB 2018",
    "phantoms": "phantoms",
}


def read(name: str) -> dict[str, Any]:
    """One JSON file of ``benchmarks/results``, without its suffix."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def read_if_there(file: Path) -> dict[str, Any] | None:
    """One JSON file, None where it has not been written yet."""
    if not file.is_file():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def done(folder: Path) -> dict[tuple[str, str], Record]:
    """The finished records below a folder, seed 0, by data set and method."""
    return {
        (record.trial.dataset, record.trial.method): record
        for record in read_records(folder)
        if record.status == "done" and record.trial.seed == 0
    }


def known(record: Record, metric: str) -> dict[str, float]:
    """The values of a metric by image, undefined ones left out."""
    return {case: value for case, value in record.values(metric).items() if value is not None}


def medians(entry: dict[str, Any]) -> tuple[float, float]:
    """Median seconds of two ways that were timed in turns: the slower design, then ours."""
    first, second = (statistics.median(values) for values in entry["seconds"].values())
    return first, second
