"""How well `bmis fit` predicts the time of networks that were never measured.

    python benchmarks/latency_model.py [--learn 12] [--check 24] [--seconds 0.5] [--minutes 9]

Of all candidates for colour images of 2 classes some are drawn evenly over their work, exported
untrained and measured on one core by every installed engine. The model learns from some of them and
predicts the others, none of whose networks (at any size) it has seen. Those that it learns from are
measured first, the others in a random order until the minutes are over. Writes the relative errors
into ``results/latency_model_<machine>.json``. The machine should do nothing else.
"""

import argparse
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from machine import describe, short_name

from bmis.errors import BmisError
from bmis.fit.candidates import Counted, count_candidates, evenly, list_networks
from bmis.fit.costs import Prices, Ways
from bmis.fit.facts import SIDES, DataFacts
from bmis.fit.latency import relative_errors
from bmis.fit.untrained import measure_untrained
from bmis.system.files import output_folder, write_json

RESULTS = Path(__file__).parent / "results"
FACTS = DataFacts(
    "colour images", {"train": 1, "val": 1, "test": 0}, 3, ("background", "foreground"),
    (512, 512), 0.2, "foreground", 0.1, "squash", SIDES,
)  # fmt: skip
GOOD = 0.15  # median error that is wanted
Measured = list[tuple[Counted, Ways]]


def draw(count: int, seed: int) -> list[Counted]:
    """Candidates of different networks, evenly over their work."""
    found = list(count_candidates(list_networks(), FACTS).candidates)
    np.random.default_rng(seed).shuffle(found)
    by_network = {one.candidate.network: one for one in found}
    return list(evenly(sorted(by_network.values(), key=lambda one: one.work), count))


def measure(some: list[Counted], seconds: float, end: float) -> Measured:
    """Those that can be exported, each with what it costs; none is begun after the end."""
    rows: Measured = []
    for one in some:
        if time.monotonic() > end:
            print(f"the minutes are over after {len(rows)} of {len(some)}", flush=True)
            break
        try:
            ways = measure_untrained(one.candidate, channels=3, classes=2, seconds=seconds)
        except BmisError as error:
            print(f"{one.candidate.name}: left out ({error})", flush=True)
            continue
        rows.append((one, ways))
        print(one.candidate.name, [f"{way.name} {way.ms:.3g}" for way in ways], flush=True)
    return rows


def check(learnt: Measured, others: Measured) -> dict[str, Any]:
    """The errors of each engine in each precision."""
    prices = Prices(learnt)
    errors: dict[str, dict[str, float]] = {}
    for one, ways in others:
        guesses = {way.name: way.ms for way in prices.predict(one)}
        for way in ways:
            if way.name in guesses:
                (error,) = relative_errors([guesses[way.name]], [way.ms])
                errors.setdefault(way.name, {})[one.candidate.name] = round(error, 4)
    return {
        name: {"median": median(found.values()), "errors": found} for name, found in errors.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--learn", type=int, default=12)
    parser.add_argument("--check", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result")
    args = parser.parse_args()
    begun = time.monotonic()
    some = draw(args.learn + args.check, seed=0)
    every = len(some) / args.learn
    chosen = [some[int(number * every)] for number in range(args.learn)]
    others = [one for one in some if one not in chosen]
    np.random.default_rng(0).shuffle(others)
    end = begun + 60 * args.minutes
    learnt = measure(chosen, args.seconds, end)
    checked = measure(others, args.seconds, end)
    found = check(learnt, checked)
    minutes = (time.monotonic() - begun) / 60
    values = {
        "machine": describe(),
        "minutes": round(minutes, 1),
        "learnt": [one.candidate.name for one, _ in learnt],
        "ways": found,
    }
    out = output_folder(args.out) / f"latency_model_{short_name()}.json"
    write_json(out, values)
    print(
        f"{len(learnt)} learnt, {len(checked)} checked in {minutes:.1f} minutes: {out}", flush=True
    )
    for name, one in found.items():
        good = "good" if one["median"] <= GOOD else "not good enough"
        print(f"{name}: median error {100 * one['median']:.1f} % ({good})", flush=True)


if __name__ == "__main__":
    main()
