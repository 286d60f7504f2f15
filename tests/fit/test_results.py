"""The page made of the records of `bmis fit` says how short a search was, and what did not run."""

import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
(MACHINE,) = (
    json.loads(path.read_text(encoding="utf-8"))["machine"]
    for path in (BENCHMARKS / "results").glob("latency_model_*.json")
)
FIT = {
    "hours": 0.1, "workers": 2, "machine": MACHINE, "winner": "ulite at 96", "within": True,
    "way": "openvino int8", "ms_anew": 2.3, "mb": 0.8, "test": {"iou": 0.6}, "trials": 7,
    "networks_trained": 5, "validation_iou_in_the_search": {"1": 0.3, "3": 0.4}, "epochs": 9,
    "best_on_record": {"network": "lv_unet at 224, 100 epochs", "test_iou": 0.7},
}  # fmt: skip
REFUSED = {
    "hours": 0.1, "workers": 2, "machine": MACHINE, "best_on_record": None,
    "failed": "--hours 0.1 is too little",
}  # fmt: skip


@pytest.fixture
def fitted(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from pages import fitted

    monkeypatch.setattr(fitted, "BUDGETS", tmp_path / "fit_budgets.json")
    return fitted


def rendered(fitted, fits):
    fitted.BUDGETS.write_text(json.dumps({"fits": fits}), encoding="utf-8")
    return fitted.render()


def test_a_short_search_is_said_to_be_short_and_a_refused_one_counts(fitted):
    text = rendered(fitted, {"busi, 3 ms, 1 MB, 0.1 h": REFUSED, "busi, 10 ms, 1 MB, 0.1 h": FIT})
    assert "## Searches of 6 minutes: 1 of 2 ended within their budget" in text
    assert "**These searches were short**" in text
    assert "the winners had 3 epochs" in text
    assert "| BUSI | 3 | none: --hours 0.1 is too little |" in text


def test_a_search_of_two_hours_is_not_called_short(fitted):
    text = rendered(fitted, {"busi, 10 ms, 1 MB, 2 h": {**FIT, "hours": 2.0}})
    assert "## Searches of 2 hours: 1 of 1" in text
    assert "short" not in text


def test_what_an_engine_could_not_run_is_told(fitted):
    ran, failed = {"largest_difference": 1e-5}, {"failed": "not initialised"}
    found = {"01-a openvino int8": failed, "01-a ncnn fp32": ran, "02-b ncnn fp32": failed}
    said = "ncnn fp32 within 1e-05 (1 of 2 did not run); openvino int8 **did not run**"
    assert fitted.engines_of(found) == said
