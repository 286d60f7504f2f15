"""What the page of a fit says of the search, the device and what more would bring."""

from dataclasses import replace

import pytest

from bmis import open_dataset
from bmis.fit.candidates import Candidate, Counted
from bmis.fit.costs import Costed
from bmis.fit.device import WayCost
from bmis.fit.facts import DataFacts
from bmis.fit.finish import Finish, TestScores
from bmis.fit.page import write_page
from bmis.fit.plan import Plan
from bmis.fit.result import Fitted, Row, outlook
from bmis.fit.settings import FitConfig
from bmis.fit.trials import TrialResult, Trials
from helpers.tiny import write_dataset


@pytest.fixture
def fitted(tmp_path):
    facts = DataFacts(
        "polyps", {"train": 90, "val": 30, "test": 0}, 3, ("none", "polyp"),
        (64, 64), 0.3, "polyp", 0.1, "squash", (96,),
    )  # fmt: skip
    trial = TrialResult(0, "unet at 96", "default", 1.0, {"20": 0.8})
    way = WayCost("openvino", "int8", 4.0, 0.5)
    done = Finish(trial, Candidate("unet", {}, (96, 96)), 60, way, True, "run-0")
    row = Row("unet at 96", 4.0, 0.5, "openvino int8", True, 0.8, 20, "winner")
    config = FitConfig("polyps", max_ms=10)
    out = str(tmp_path)
    return Fitted(
        out, config, facts, "1 trial", done, TestScores(0), (row,), (8, 3), None, ("Nothing.",)
    )


@pytest.fixture
def dataset(tmp_path):
    return open_dataset(write_dataset(tmp_path / "data"))


def page_of(fitted, dataset):
    return write_page(fitted, dataset).read_text(encoding="utf-8")


def test_a_short_search_is_said_to_be_short(fitted, dataset):
    assert "The search was short" not in page_of(fitted, dataset)
    trial = replace(fitted.finish.trial, scores={"1": 0.4, "3": 0.5})
    short = replace(fitted, finish=replace(fitted.finish, trial=trial, epochs=9))
    page = page_of(short, dataset)
    assert "chosen after 3 epochs of training at most" in page
    assert "the winner was trained for 9 epochs. A larger --hours chooses better." in page
    asked = replace(short, config=replace(short.config, epochs=9))
    assert "A larger --epochs chooses better." in page_of(asked, dataset)


def test_a_device_is_named_by_its_file_and_not_by_where_that_lies(fitted, dataset):
    config = replace(fitted.config, device="/home/somebody/pi5.json")
    finish = replace(fitted.finish, timed_anew=False)
    page = page_of(replace(fitted, config=config, finish=finish), dataset)
    assert "(predicted for pi5.json)" in page
    assert "somebody" not in page


def test_what_more_megabytes_would_let_in_is_told_with_its_megabytes():
    counted = Counted(Candidate("unet"), {}, 1000, 1)
    large = Costed(counted, (WayCost("openvino", "int8", ms=2.0, mb=1.5),), True)
    config = FitConfig("polyps", max_ms=10, max_mb=1)
    _, said = outlook(config, [large], Plan((), (), 9, 1, 1.0), Trials(()))
    assert said.startswith(
        "With 1 MB more unet at 224 could take part (2.00 ms, 1.50 MB, measured)"
    )
