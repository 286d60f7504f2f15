"""The fastest engine is taken, and not looked for twice; no file can make it fail."""

import json
import time

import numpy as np
import pytest

from bmis.errors import BundleError, MissingExtraError, NoMemoryError
from bmis.runtime.autotune import fastest

IMAGE = np.zeros((1, 3, 8, 8), np.float32)


class Engine:
    def __init__(self, seconds, error=None):
        self.seconds, self.error, self.calls = seconds, error, 0

    def __call__(self, batch):
        self.calls += 1
        time.sleep(self.seconds)
        if self.error:
            raise self.error
        return batch


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "bmis"


def ask(question="q", **engines):
    chosen = fastest(question, {n: (lambda e=e: e) for n, e in engines.items()}, IMAGE)
    return next(name for name, engine in engines.items() if engine is chosen)


def test_the_fastest_is_taken_and_remembered(folder):
    engines = {"slow": Engine(0.02), "fast": Engine(0.0)}
    assert ask(**engines) == "fast"
    assert json.loads((folder / "engines.json").read_text()) == {"q": "fast"}
    called = [engine.calls for engine in engines.values()]
    assert ask(**engines) == "fast"
    assert [engine.calls for engine in engines.values()] == called  # not measured again


def test_what_is_remembered_holds_for_its_own_question(folder):
    assert ask("one", a=Engine(0.02), b=Engine(0.0)) == "b"
    assert ask("other", a=Engine(0.0), b=Engine(0.02)) == "a"
    assert json.loads((folder / "engines.json").read_text()) == {"one": "b", "other": "a"}


def test_the_first_is_kept_where_none_is_clearly_faster():
    assert ask(a=Engine(0.0202), b=Engine(0.02)) == "a"


def test_measuring_takes_well_below_a_second():
    slow = Engine(0.15)
    ask(a=slow, b=Engine(0.0))
    assert slow.calls <= 4


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"q": 3}', '{"q": "gone"}', "\x00", "[" * 10**5])
def test_a_damaged_file_is_measured_again_and_written_anew(folder, text):
    folder.mkdir()
    (folder / "engines.json").write_text(text)
    assert ask(a=Engine(0.02), b=Engine(0.0)) == "b"
    assert json.loads((folder / "engines.json").read_text())["q"] == "b"


def test_a_file_that_cannot_be_written_is_no_error(folder):
    folder.write_text("a file where the folder should be")
    assert ask(a=Engine(0.02), b=Engine(0.0)) == "b"


@pytest.mark.parametrize("error", [NoMemoryError("full"), MissingExtraError("not installed")])
def test_an_engine_that_fails_is_passed_over_and_asked_again_next_time(folder, error):
    assert ask(a=Engine(0, error), b=Engine(0.0)) == "b"
    assert not folder.exists()


def test_where_all_fail_the_first_one_says_why():
    with pytest.raises(NoMemoryError, match="full"):
        ask(a=Engine(0, NoMemoryError("full")), b=Engine(0, NoMemoryError("full too")))


def test_what_one_engine_refuses_no_other_gets_to_see():
    other = Engine(0.0)
    with pytest.raises(BundleError, match="odd graph"):
        ask(a=Engine(0, BundleError("odd graph")), b=other)
    assert not other.calls
