"""Whether the expected Dice of a mask tells the real one, on images that calibrated nothing.

    python benchmarks/confidence.py DATA [--only colonoscopy breast-ultrasound ...]

The trained networks that come with the package, whose bundles were calibrated on validation images
as they are and perturbed, on the test images: as they are, and each in three of the ways of
``robustness.py``. Also what it costs beside the network, one thread. Writes
``results/confidence.json``.
"""

import json
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from five_modalities import MODALITIES, RESULTS, command_line
from machine import describe
from numpy.typing import NDArray

from bmis import ModelInfo, Predictor, load_runtime, open_dataset
from bmis.bundle import read_bundle
from bmis.config import RuntimeOptions
from bmis.data.cases import Dataset, load_case, load_counted
from bmis.data.images import Image
from bmis.evaluate.perturbations import PERTURBATIONS, Sample
from bmis.metrics import score_case
from bmis.metrics.calibration import auroc, error_in_tenths
from bmis.predict.predictor import Frame
from bmis.pretrained.lookup import find_model_file
from bmis.runtime.load import Runtime
from bmis.system.files import write_json

TARGET = RESULTS.parent / "confidence.json"
ONE_THREAD = RuntimeOptions(engine="onnxruntime", threads=1)
ROUNDS = 40


def tested(predictor: Predictor, dataset: Dataset, ways: int) -> dict[str, Any]:
    """Expected and real Dice of each test image, perturbed in some ways or (0) as it is."""
    expected, real = [], []
    random = np.random.default_rng(0)
    for case in dataset.split("test"):
        image, labels = load_case(case, dataset)
        plain = Sample(image.pixels, *load_counted(case, labels))
        chosen = random.choice(len(PERTURBATIONS), ways, replace=False)
        samples = [PERTURBATIONS[way](plain, case.id) for way in chosen] if ways else [plain]
        for sample in samples:
            mask = predictor(sample.pixels)
            assert mask.expected_dice is not None
            expected.append(mask.expected_dice)
            real.append(_dice(mask.labels, sample, dataset.num_classes))
    bad = [dice < 0.5 for dice in real]
    errors = error_in_tenths(expected, real)
    return {
        "images": len(real),
        "bad": sum(bad),
        "auroc": auroc(expected, bad),
        "errors": errors,
        "mean_error": float(np.mean(np.abs(errors))),
        "mean_expected": float(np.mean(expected)),
        "mean_real": float(np.mean(real)),
        "expected": [round(value, 4) for value in expected],
        "real": [round(value, 4) for value in real],
    }


def _dice(labels: NDArray[np.uint8], sample: Sample, num_classes: int) -> float:
    inside = sample.counted
    found = score_case(labels, sample.labels, num_classes, field_of_view=inside, distances=False)
    return found.mean["dice"] or 0.0


def cost(runtime: Runtime, info: ModelInfo, image: Image) -> dict[str, float]:
    """Milliseconds of the network, and of a mask with and without expected Dice, in turns.

    Of processor time, so that other work on the machine does not count.
    """
    plain = Predictor(runtime, replace(info, confidence=None))
    told = Predictor(runtime, info)
    seconds: dict[str, list[float]] = {"network": [], "plain": [], "told": []}
    frame: Frame = plain.prepare(image)
    for _ in range(ROUNDS):
        start = time.process_time()
        (found,) = plain.infer([frame])
        seconds["network"].append(time.process_time() - start)
        for name, predictor in (("plain", plain), ("told", told)):
            if not plain.frames_are_alike:  # tiles are merged inside of infer
                start = time.process_time()
                predictor.infer([frame])
            else:
                start = time.process_time()
                predictor.finish(found)
            seconds[name].append(time.process_time() - start)
    return {f"{name}_ms": 1e3 * statistics.median(each) for name, each in seconds.items()}


def measure(name: str, data: Path) -> dict[str, Any] | None:
    """All that is recorded of one network; None if its bundle expects nothing."""
    dataset, (runtime, info) = open_dataset(data), load_runtime(name, ONE_THREAD)
    if info.confidence is None:  # too few validation images
        return None
    image, _ = load_case(dataset.split("test")[0], dataset)
    return {
        "confidence": info.confidence.to_dict(),
        "validation": read_bundle(find_model_file(name)).manifest.quality["expected_dice"],
        "test": tested(Predictor(runtime, info), dataset, ways=0),
        "perturbed": tested(Predictor(runtime, info), dataset, ways=3),
        "cost": cost(runtime, info, image),
        "machine": describe(),
    }


def main() -> None:
    args = command_line(__doc__).parse_args()
    done = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.is_file() else {}
    for name in args.only:
        found = measure(name, args.data / MODALITIES[name].data)
        if found is None:
            print(f"{name}: no expected Dice")
            continue
        done[name] = found
        for what in ("test", "perturbed"):
            shown = {key: found[what][key] for key in ("bad", "auroc", "errors", "mean_error")}
            print(name, what, shown, flush=True)
        write_json(TARGET, done)


if __name__ == "__main__":
    main()
