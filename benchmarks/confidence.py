"""Whether the expected Dice of a mask tells the real one, on images that calibrated nothing.

    python benchmarks/confidence.py DATA [--only colonoscopy breast-ultrasound ...]

The trained networks that come with the package: calibrated on the validation images of their data
sets, as `bmis export` does it, and compared with the truth on the test images. Also what it costs
beside the network, one thread. Writes ``results/confidence.json``.
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

from bmis import ExportOptions, ModelInfo, Predictor, load_runtime, open_dataset
from bmis.config import RuntimeOptions
from bmis.data.cases import Dataset, load_case, load_counted
from bmis.data.images import Image
from bmis.export.after_network import AfterNetwork
from bmis.metrics import score_case
from bmis.metrics.calibration import auroc, error_in_tenths
from bmis.predict.predictor import Frame
from bmis.runtime.load import Runtime
from bmis.system.files import write_json

TARGET = RESULTS.parent / "confidence.json"
ONE_THREAD = RuntimeOptions(engine="onnxruntime", threads=1)
ROUNDS = 40


def tested(predictor: Predictor, dataset: Dataset) -> dict[str, Any]:
    """Expected and real Dice of each test image, and how they agree."""
    expected, real = [], []
    for case in dataset.split("test"):
        image, labels = load_case(case, dataset)
        truth, inside = load_counted(case, labels)
        mask = predictor(image)
        assert mask.expected_dice is not None
        expected.append(mask.expected_dice)
        score = score_case(
            mask.labels, truth, dataset.num_classes, field_of_view=inside, distances=False
        )
        real.append(score.mean["dice"] or 0.0)
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


def measure(name: str, data: Path) -> dict[str, Any]:
    """All that is recorded of one network."""
    dataset, (runtime, info) = open_dataset(data), load_runtime(name, ONE_THREAD)
    after = AfterNetwork(info, dataset, ExportOptions())
    after.settle(runtime)
    assert after.info.confidence is not None, "too few validation images"
    image, _ = load_case(dataset.split("test")[0], dataset)
    return {
        "confidence": after.info.confidence.to_dict(),
        "validation": after.quality["expected_dice"],
        "test": tested(Predictor(runtime, after.info), dataset),
        "cost": cost(runtime, after.info, image),
        "machine": describe(),
    }


def main() -> None:
    args = command_line(__doc__).parse_args()
    done = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.is_file() else {}
    for name in args.only:
        done[name] = measure(name, args.data / MODALITIES[name].data)
        shown = {key: value for key, value in done[name]["test"].items() if key[:4] != "expe"}
        print(name, {**shown, "real": "..."}, done[name]["cost"], flush=True)
        write_json(TARGET, done)


if __name__ == "__main__":
    main()
