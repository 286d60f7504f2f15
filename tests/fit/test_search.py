"""The search: the same end however often it is killed, and what stops a trial."""

import pytest

from bmis.errors import ConfigError
from bmis.fit.candidates import Candidate, Counted
from bmis.fit.costs import Costed
from bmis.fit.plan import Contender, Plan, make_plan
from bmis.fit.result import trend
from bmis.fit.search import search
from bmis.fit.settings import FitConfig

CONFIG = FitConfig("polyps", max_ms=10, hours=1)
COSTED = [
    Costed(Counted(Candidate("bmis_edge", {"width": width}), {}, 100, 1), (), True)
    for width in (16, 32, 48, 64)
]
PLAN = Plan(tuple(Contender(one, 1.0) for one in COSTED), (), epochs=9, trials=6, seconds=60.0)


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


def score(config, run):
    """Narrow networks are better here, so that those that come later are stopped."""
    return 1 / config.options["width"] + config.epochs / 100 - config.learning_rate


def killed_every_second_time(calls):
    def kill(config, run):
        calls.append(config)
        if len(calls) % 2:
            raise Killed
        return score(config, run)

    return kill


def test_a_search_that_is_killed_in_every_training_ends_as_if_it_never_was(tmp_path):
    whole = search(PLAN, CONFIG, tmp_path / "whole", score)
    kill = killed_every_second_time([])
    for _ in range(20):
        try:
            parts = search(PLAN, CONFIG, tmp_path / "parts", kill)
            break
        except Killed:
            continue

    def told(trials):
        return [(t.contender, t.recipe, t.rate, t.scores, t.ended) for t in trials.trials]

    assert told(parts) == told(whole)
    assert whole.best[0].contender == PLAN.contenders[0].name
    assert [t.contender for t in whole.trials[:4]] == [one.name for one in PLAN.contenders]
    assert "stopped" in {t.ended for t in whole.trials}


def test_a_trial_that_fails_stops_nothing(tmp_path):
    def fails(config, run):
        if config.options["width"] == 16:
            raise ConfigError("not enough memory")
        return score(config, run)

    found = search(PLAN, CONFIG, tmp_path, fails)
    assert len(found.trials) == PLAN.trials
    assert found.trials[0].ended == "not enough memory"
    assert found.best[0].contender != PLAN.contenders[0].name


def test_no_trial_begins_when_the_time_is_over(tmp_path):
    plan = Plan(PLAN.contenders, (), epochs=9, trials=6, seconds=0.0)
    assert len(search(plan, CONFIG, tmp_path, score).trials) == 1


@pytest.mark.parametrize(
    ("hours", "epoch", "epochs", "least"),
    [(1.0, 1.0, 60, 20), (0.2, 5.0, 48, 1)],
)
def test_the_last_training_and_the_search_share_the_time(hours, epoch, epochs, least):
    config = FitConfig("polyps", max_ms=10, hours=hours)
    plan = make_plan(COSTED, config, 0.0, lambda *_: epoch)
    assert plan.epochs == epochs
    assert plan.trials >= least
    first, second = plan.steps
    training = plan.trials * (first + second / 3) * epoch + plan.epochs * epoch
    assert training <= 3600 * hours


def test_what_would_train_too_long_does_not_take_part():
    def seconds(one, threads):
        return threads * (100.0 if one.options["width"] == 64 else 5.0)

    plan = make_plan(COSTED, CONFIG, 0.0, seconds)
    assert plan.threads == 1
    assert plan.too_slow == (COSTED[3].candidate.name,)
    assert len(plan.contenders) == 3


def test_a_trend_counts_only_what_no_cheaper_network_surpasses():
    assert trend([(1, 0.5), (2, 0.6), (3, 0.1), (4, 0.7)]) == pytest.approx(0.1)
    assert trend([(1, 0.7), (2, 0.6), (4, 0.5)]) is None
