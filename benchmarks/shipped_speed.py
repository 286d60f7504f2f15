"""How long each network in the package takes for one image on one core, by engine and precision.

    python benchmarks/shipped_speed.py [--rounds 5]

The bundles as they ship, in turns, at the networks' own size; one image at a time. Writes medians
over the rounds into ``results/shipped_speed_<machine>.json``. The machine should do nothing else.
"""

import argparse
import statistics
from pathlib import Path

from machine import describe, short_name
from shipped import NETWORKS

from bmis import profile_bundle
from bmis.system.files import write_json

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    times: dict[str, dict[str, list[float]]] = {name: {} for name in NETWORKS}
    for _ in range(args.rounds):
        for name, found in times.items():
            profile = profile_bundle(name, batches=(1,), threads=1, seconds=0.5)
            for engine in (one for one in profile.engines if one.batches):
                way = f"{engine.engine} {engine.precision}"
                found.setdefault(way, []).append(engine.batches[0].latency_p50_ms)
    medians = {
        name: {way: round(statistics.median(values), 3) for way, values in found.items()}
        for name, found in times.items()
    }
    for name, ways in medians.items():
        print(name, ways)
    out = RESULTS / f"shipped_speed_{short_name()}.json"
    write_json(out, {"machine": describe(), "rounds": args.rounds, "ms": medians})


if __name__ == "__main__":
    main()
