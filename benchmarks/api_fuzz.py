"""Requests by the thousand, drawn by schemathesis from the description that the service gives.

    pip install schemathesis
    python benchmarks/api_fuzz.py [--calls 10000] [--seed 0]

A real `bmis serve colonoscopy` runs in a process of its own and is asked over its socket; a fifth
of the calls goes to a second one that needs a token. schemathesis draws valid and invalid requests
for all addresses; the bodies are pictures, DICOM, NIfTI and zips, sound ones and damaged ones.
It checks that no answer is a 5xx, that each has a status, a type and a shape that the description
names, that what breaks the description is refused, and that nobody comes in without the token.
Not checked is that all that the description allows gets a mask: it cannot say what an image is.
Counts by address and status, failed checks, what the service logged as its own faults and its
memory go to ``results/api_fuzz.json``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from machine import describe
from service import Server, start

from bmis.system.files import output_folder, write_json

HERE = Path(__file__).parent
TOKEN = "0123456789abcdef"
EXAMPLES = 200  # of each operation in a round
# 4xx that mean no error of the description: a body that is no image, a full queue
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401, 403, 404, 406, 413, 415, 422, 429]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 408, 413, 415, 422, 429]
"""


def fuzz(
    server: Server, work: Path, calls: int, seed: int, *options: str
) -> tuple[list[list[Any]], list[float]]:
    """Rounds of schemathesis with one seed after the other, until there were enough calls.

    Gives the lines of ``fuzzing/api_hooks.py``, and the megabytes of the service before the first
    round and after each.
    """
    config, log = work / "schemathesis.toml", work / "calls.jsonl"
    config.write_text(CONFIG, encoding="utf-8")
    log.write_text("", encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(HERE), os.environ.get("PYTHONPATH", ""))),
        "SCHEMATHESIS_HOOKS": "fuzzing.api_hooks",
        "BMIS_FUZZ_CALLS": str(log),
    }
    found: list[list[Any]] = []
    memory = [server.resident() / 2**20]
    while sum(len(line) == 2 for line in found) < calls:
        argv = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
        argv += [f"http://{server.host}/openapi.json", "--seed", str(seed), "-n", str(EXAMPLES)]
        argv += ["--continue-on-failure", "--no-shrink", "--generation-database", "none"]
        argv += ["--suppress-health-check", "all", *options]
        with (work / f"round-{seed}.txt").open("wb") as out:
            subprocess.run(argv, env=environment, cwd=work, stdout=out, stderr=out, check=False)
        before = len(found)
        found = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        if len(found) == before or not server.is_alive:
            break
        memory.append(server.resident() / 2**20)
        seed += 1
    return found, memory


def summary(lines: list[list[Any]]) -> dict[str, Any]:
    """Counts of calls by operation and status and by class, and of failed checks."""
    calls = [(line[0], line[1]) for line in lines if len(line) == 2]
    failures = Counter(f"{label}: {status}: {title}" for label, status, title in
                       (line for line in lines if len(line) == 3))  # fmt: skip
    operations: dict[str, Counter[int]] = {}
    for label, status in calls:
        operations.setdefault(label, Counter())[status] += 1
    classes = Counter("no answer" if not status else f"{status // 100}xx" for _, status in calls)
    return {
        "calls": len(calls),
        "classes": dict(sorted(classes.items())),
        "failed_checks": dict(failures.most_common()),
        "operations": {
            label: {str(status): count for status, count in sorted(found.items())}
            for label, found in sorted(operations.items())
        },
    }


def faults(log: Path) -> Counter[str]:
    """What the service logged as faults of its own, by their places."""
    lines = log.read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]  # others say the licence
    return Counter(
        f"{line.get('error', line['event'])} {line.get('where', [''])[-1]}"
        for line in events
        if line["level"] == "error"
    )


def run(work: Path, calls: int, seed: int, *, token: bool) -> dict[str, Any]:
    """Start a service and ask it."""
    work.mkdir()
    options, headers = [], []
    if token:
        (work / "tokens").write_text(f"{TOKEN}\n", encoding="utf-8")
        options = ["--token-file", str(work / "tokens")]
        headers = ["-H", f"Authorization: Bearer {TOKEN}"]
    begin = time.perf_counter()
    with start(*options, "--threads", "1", log=work / "service.log") as server:
        lines, memory = fuzz(server, work, calls, seed, *headers)
        alive = server.is_alive
    return {
        **summary(lines),
        "faults_in_the_log": dict(faults(work / "service.log")),
        "alive_afterwards": alive,
        "seconds": round(time.perf_counter() - begin),
        "resident_mb_after_each_round": [round(size, 1) for size in memory],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=10_000, help="at least so many in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dry", action="store_true", help="print the record, write none")
    args = parser.parse_args()
    parts = {"open": args.calls - args.calls // 5, "with_token": args.calls // 5}
    work = Path(tempfile.mkdtemp(prefix="bmis-api-fuzz-"))
    print(f"what schemathesis says lies in {work}")
    found = {
        name: run(work / name, count, args.seed, token=name == "with_token")
        for name, count in parts.items()
    }
    record = {
        "calls": sum(part["calls"] for part in found.values()),
        "seed": args.seed,
        **found,
        "versions": {name: version(name) for name in ("schemathesis", "fastapi", "uvicorn")},
        "machine": describe(),
    }
    if args.dry:
        print(json.dumps(record, indent=1))
    else:
        write_json(output_folder(HERE / "results") / "api_fuzz.json", record)
    bad = [
        part
        for part in found.values()
        if part["failed_checks"] or part["faults_in_the_log"] or not part["alive_afterwards"]
    ]
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
