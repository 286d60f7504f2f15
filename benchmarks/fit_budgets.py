"""What `bmis fit` finds within nine budgets on real data, and what one would have had otherwise.

    python benchmarks/fit_budgets.py FOLDER --data kvasir=PATH busi=PATH drive=PATH
        [--max-ms 3 10 30] [--max-mb 1] [--hours 2] [--workers 2]

Gives ``bmis fit`` for each data set and budget, one after the other, into
FOLDER/<data>-<budget>ms-<hours>h. Given again, it goes on where it was stopped or killed. The
bundle of each winner is timed anew in a fresh process: it may take a tenth more than the budget.
Beside it stand the networks on record for these images, whole trainings at the sizes and epochs
that are named, exported untrained and timed alike: the best of them within the budget, and those
that one would take without a search. Writes ``results/fit_budgets.json`` after each step. While
times are measured (the first minutes of each fit, and its end), the machine should do nothing else.
"""

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

from machine import describe
from pages.records import COMPARISON, EDGE, MODALITIES, PAPER_TABLE

from bmis import open_dataset
from bmis.errors import BmisError
from bmis.fit.candidates import Candidate
from bmis.fit.facts import DataFacts, read_facts
from bmis.fit.untrained import measure_untrained
from bmis.records import Record, read_record
from bmis.system.files import write_json

RESULT = Path(__file__).parent / "results" / "fit_budgets.json"
RECORDS = (COMPARISON, PAPER_TABLE, MODALITIES, EDGE)
DEFAULTS = ("smp_unet", "monai_dynunet", "lv_unet")  # what one would take without a search
OVER = 1.1  # times the budget that is allowed when timed anew


def run_fit(data: Path, out: Path, max_ms: float, args: argparse.Namespace) -> dict[str, Any]:
    """Give the command, or go on with it; what it found, timed anew."""
    command = [
        *(sys.executable, "-m", "bmis", "fit", str(data), "--out", str(out), "--json"),
        *("--max-ms", f"{max_ms:g}", "--max-mb", f"{args.max_mb:g}", "--hours", f"{args.hours:g}"),
        *("--workers", str(args.workers)),
    ]
    path = out.with_name(f"{out.name}.log")
    with path.open("a") as log:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, text=True, check=False)
    asked = {"hours": args.hours, "workers": args.workers, "machine": describe()}
    if done.returncode:
        *_, said = path.read_text("utf-8").splitlines()
        return {**asked, "failed": said.removeprefix("bmis: ")}
    found = json.loads(done.stdout)
    finish, test = found["finish"], found["test"]
    trials = json.loads((out / "trials.json").read_text("utf-8"))["trials"]
    anew = time_anew(out / "best.bmis", finish["way"], tiles_of(finish["candidate"], out))
    used = json.loads((out / "time.json").read_text("utf-8"))["seconds"]
    return {
        **asked,
        "winner": found["rows"][0]["name"],
        "way": f"{finish['way']['engine']} {finish['way']['precision']}",
        "ms": finish["way"]["ms"],
        "ms_anew": anew,
        "mb": finish["way"]["mb"],
        "within": anew <= OVER * max_ms and finish["way"]["mb"] <= args.max_mb,
        "test_images": test["images"],
        "test": {name: test["means"].get(name) for name in ("iou", "dice")},
        "validation_iou_in_the_search": finish["trial"]["scores"],
        "plan": found["plan"],
        "recipe": finish["trial"]["recipe"],
        "epochs": finish["epochs"],
        "trials": len(trials),
        "networks_trained": len({trial["contender"] for trial in trials if trial["scores"]}),
        "refused": finish["refused"],
        "candidates": found["candidates"],
        "latency_error": found["latency_error"],
        "hours_used": round(used / 3600, 3),
    }


def tiles_of(candidate: dict[str, Any], out: Path) -> int:
    """How often the network is called for one image, as the plan counts it."""
    plan = json.loads((out / "plan.json").read_text("utf-8"))
    counted = (one["costed"]["counted"] for one in plan["contenders"])
    return next(int(one["tiles"]) for one in counted if one["candidate"] == candidate)


def time_anew(bundle: Path, way: dict[str, Any], tiles: int) -> float:
    """Milliseconds of one image, by one more call of ``bmis profile``."""
    command = (sys.executable, "-m", "bmis", "profile", str(bundle))
    options = ("--batch", "1", "--threads", "1", "--json")
    done = subprocess.run([*command, *options], check=True, stdout=subprocess.PIPE, text=True)
    (found,) = (
        one
        for one in json.loads(done.stdout)["engines"]
        if (one["engine"], one["precision"]) == (way["engine"], way["precision"])
    )
    return tiles * float(found["batches"][0]["latency_p50_ms"])


def on_record(name: str) -> dict[str, list[Record]]:
    """Trainings of a data set by network, size and epochs; one record for each seed."""
    found = defaultdict[str, list[Record]](list)
    for folder in RECORDS:
        for path in sorted(folder.rglob(f"{name}/*.json")):
            record = read_record(path)
            if record.status == "done" and record.trial.fold is None:
                epochs = f"{record.conditions.epochs} epochs"
                found[f"{candidate_of(record).name}, {epochs}"].append(record)
    return found


def candidate_of(record: Record) -> Candidate:
    conditions = record.conditions
    options = dict(record.model["options"])
    return Candidate(record.trial.method.split(":")[0], options, conditions.size, conditions.resize)


def cost_of(candidate: Candidate, facts: DataFacts, result: dict[str, Any]) -> dict[str, Any]:
    """What a network costs here for one image, untrained, by each engine in each precision.

    Data sets of as many channels and classes share what one call costs.
    """
    channels, classes = facts.channels, len(facts.classes)
    calls = result.setdefault("calls", {})
    key = f"{candidate.name}, {channels} channels, {classes} classes"
    if key not in calls:
        try:
            ways = measure_untrained(candidate, channels=channels, classes=classes)
            calls[key] = {way.name: {"ms": way.ms, "mb": way.mb} for way in ways}
        except BmisError as error:
            calls[key] = {"failed": str(error)}
    if "failed" in calls[key]:
        return dict(calls[key])
    tiles = candidate.tiles(facts.size, 1)
    return {way: {**cost, "ms": tiles * cost["ms"]} for way, cost in calls[key].items()}


def add_rivals(name: str, data: Path, result: dict[str, Any]) -> None:
    """What is on record, and the usual networks, each with its costs; measured once."""
    facts = read_facts(open_dataset(data))
    known: dict[str, Any] = result.setdefault("rivals", {}).setdefault(name, {})
    candidates = {key: (candidate_of(some[0]), some) for key, some in on_record(name).items()}
    for model in DEFAULTS:
        candidates[f"{model} at 224, not trained"] = (Candidate(model), [])
    for key, (candidate, records) in candidates.items():
        if key not in known:
            ious = [record.summary["cases"]["iou"]["mean"] for record in records]
            known[key] = {"test_iou": mean(ious) if ious else None, "seeds": len(ious)}
            known[key]["ways"] = cost_of(candidate, facts, result)
            write_json(RESULT, result)
            print(key, known[key], flush=True)


def best_rival(rivals: dict[str, Any], max_ms: float, max_mb: float) -> dict[str, Any] | None:
    """The best on record of those that meet a budget."""
    inside = [
        {"network": key, "test_iou": one["test_iou"]}
        for key, one in rivals.items()
        if one["test_iou"] is not None
        and any(
            way["ms"] <= max_ms and (way["mb"] or 0) <= max_mb
            for way in one["ways"].values()
            if isinstance(way, dict)
        )
    ]
    return max(inside, key=lambda one: one["test_iou"], default=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", nargs="+", required=True, metavar="NAME=PATH")
    parser.add_argument("--max-ms", type=float, nargs="+", default=[3.0, 10.0, 30.0])
    parser.add_argument("--max-mb", type=float, default=1.0)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-rivals", action="store_true", help="leave out what is on record")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    result = json.loads(RESULT.read_text("utf-8")) if RESULT.is_file() else {}
    for pair in args.data:
        name, _, path = pair.partition("=")
        if not args.no_rivals:
            add_rivals(name, Path(path), result)
        for max_ms in args.max_ms:
            key = f"{name}, {max_ms:g} ms, {args.max_mb:g} MB, {args.hours:g} h"
            out = args.folder / f"{name}-{max_ms:g}ms-{args.hours:g}h"
            found = run_fit(Path(path), out, max_ms, args)
            rivals = result.get("rivals", {}).get(name)
            if rivals is not None:  # without them nobody knows
                found["best_on_record"] = best_rival(rivals, max_ms, args.max_mb)
            result.setdefault("fits", {})[key] = found
            write_json(RESULT, result)
            print(key, json.dumps(found, indent=1), flush=True)


if __name__ == "__main__":
    main()
