"""Peak memory of inference by image size, each in a fresh process (Linux).

    python benchmarks/inference_memory.py [--sizes 224 1024 4096]

The growth of the process from the moment the network is ready to the peak of one forward pass, as
the system sees it: image, features, logits and whatever the kernels take for themselves, float32,
batch 1. Beside it stand the bytes of live tensors, as ``bmis profile`` gives them, without the
weights. At 4096 attention takes minutes on a CPU. Writes
``results/inference_memory_<machine>.json``.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from machine import describe, short_name

from bmis.models import build_model
from bmis.models.complexity import peak_bytes
from bmis.profile.steps import inference
from bmis.system.files import output_folder, write_json

RESULTS = Path(__file__).parent / "results"


def measure(size: int) -> dict[str, Any]:
    """One forward pass in this process, which should have done nothing else before."""
    model = build_model("bmis").to(memory_format=torch.channels_last)
    weights = sum(t.nbytes for t in (*model.parameters(), *model.buffers()))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak so far
    before = _status("VmRSS")
    step = inference(model, 1, (size, size))
    start = time.perf_counter()
    step()
    seconds = time.perf_counter() - start
    grown = _status("VmHWM") - before
    live = peak_bytes(model, lambda empty: inference(empty, 1, (size, size))) - weights
    return {
        "size": size,
        "process_grows_mb": grown / 1e6,
        "live_tensors_mb": live / 1e6,
        "bytes_per_pixel": grown / size**2,
        "seconds": seconds,
    }


def _status(name: str) -> int:
    """A memory figure of this process in bytes, from Linux."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[224, 1024, 4096])
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)  # of the fresh process
    args = parser.parse_args()
    if args.alone:
        print(json.dumps(measure(args.alone)))
        return
    rows = []
    for size in args.sizes:
        command = [sys.executable, __file__, "--alone", str(size)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows.append(json.loads(answer.splitlines()[-1]))
        print(rows[-1])
    out = output_folder(RESULTS) / f"inference_memory_{short_name()}.json"
    write_json(out, {"model": "bmis", "batch": 1, "sizes": rows, "machine": describe()})
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
