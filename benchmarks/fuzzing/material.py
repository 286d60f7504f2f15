"""The sound files that mutants are made of: a data set, a run, a bundle, records."""

from pathlib import Path

from bmis import TrainConfig, train_model, write_phantoms
from bmis.export.run import export_run
from bmis.export.settings import ExportOptions
from bmis.metrics import METRICS, CaseScore, summarise_cases
from bmis.records import Conditions, Record, Trial, write_record

DATA, RUN, BUNDLE, RESULTS = "polyps", "run", "tiny.bmis", "results"
_NETWORK = {"widths": [4, 8, 12], "depths": [1, 1], "dilations": [2]}
_SIZE = (32, 32)


def make_material(folder: Path) -> None:
    """Draw, train, export and compare, once; what is there stays."""
    if (folder / RESULTS).exists():
        return
    data, run = folder / DATA, folder / RUN
    write_phantoms(data, modality="endoscopy", count=12, size=(48, 40))
    config = TrainConfig(str(data), options=_NETWORK, epochs=1, size=_SIZE, device="cpu")
    train_model(config, out=run)
    export_run(run, folder / BUNDLE, ExportOptions(formats=("onnx", "openvino", "ncnn")))
    for method in ("bmis", "unet"):
        write_record(folder / RESULTS, _record(method))


def _record(method: str) -> Record:
    iou = {"bmis": 0.8, "unet": 0.7}[method]
    rows = [dict.fromkeys(METRICS, iou + image / 100) for image in range(8)]
    cases = [CaseScore({1: row}, {1: "present"}, row, "present") for row in rows]
    numbers = ("parameters", "macs", "weights_mb", "training_mb", "inference_mb", "step_ms")
    times = ("latency_p50_ms", "latency_p95_ms", "images_per_second")
    about = {"name": method, "options": {}, "family": method, "group": "light", "source": "x:1"}
    return Record(
        Trial("polyps", method),
        Conditions(recipe="fast", epochs=3, size=_SIZE),
        "done",
        data={
            **{"path": "/nowhere", "fingerprint": "a", "train": 4, "val": 1, "test": 8},
            **{"classes": ["background", "polyp"], "unit": "px"},
        },
        model={**about, "licence": "MIT"},
        training={
            **{"batch_size": 8, "best_epoch": 3, "seconds": 4.0, "seconds_per_epoch": 1.0},
            **{"precision": "32", "log": [{"epoch": 1, "loss": 1.0, "val_iou": 0.5}]},
        },
        costs={
            **dict.fromkeys(numbers, 1000.0 * len(method)),
            **dict.fromkeys(times, 10.0),
            **{"batch": 8, "device": "cpu", "device_name": "a processor", "threads": 1},
            **{"precision": "float32", "alone": True},
        },
        summary=summarise_cases(cases, ["background", "polyp"]),
        cases={
            "id": [f"case{number}" for number in range(8)],
            **{name: [row[name] for row in rows] for name in METRICS},
        },
        environment={"device": "cpu"},
        created="2026-01-01T00:00:00+00:00",
    )
