"""A comparison with its trials one after another, and side by side with one thread each.

    python benchmarks/side_by_side.py [--parallel 2] [--images 160]

Four light networks for two epochs on drawn images of 224 x 224, once by ``compare`` as it is, with
as many threads as are fastest, and once with ``--parallel``. Writes seconds into
``results/side_by_side_<machine>.json``. The machine should do nothing else.
"""

import argparse
import tempfile
import time
from pathlib import Path

from machine import describe, short_name

from bmis import CompareConfig, Conditions, compare_methods
from bmis.data.phantoms.write import write_phantoms
from bmis.system.files import write_json

RESULTS = Path(__file__).parent / "results"
METHODS = ("bmis", "bmis_edge", "lv_unet", "unext")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--images", type=int, default=160)
    args = parser.parse_args()
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = write_phantoms(
            Path(folder) / "data", modality="endoscopy", count=args.images, size=(224, 224)
        )
        for parallel in (1, args.parallel):
            config = CompareConfig(
                (str(data),), METHODS, conditions=Conditions(epochs=2), parallel=parallel
            )
            begun = time.perf_counter()
            done = compare_methods(config, out=Path(folder) / f"results-{parallel}")
            seconds[str(parallel)] = round(time.perf_counter() - begun, 1)
            assert not done.failed, done.failed
    one, many = seconds.values()
    print(f"one after another {one} s, {args.parallel} side by side {many} s: {one / many:.2f}x")
    out = RESULTS / f"side_by_side_{short_name()}.json"
    found = {"methods": METHODS, "images": args.images, "seconds": seconds}
    write_json(out, {"machine": describe(), **found})


if __name__ == "__main__":
    main()
