"""The process that mutants are given to: it makes each one, runs its commands, says what came."""

import os
import re
import sys
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

from bmis.cli.main import main
from bmis.system.memory import peak_resident
from fuzzing.clinical import clinical
from fuzzing.datasets import dataset
from fuzzing.mutant import Make, Mutant
from fuzzing.networks import bundle, checkpoint
from fuzzing.pictures import picture
from fuzzing.records import records

KINDS: dict[str, tuple[Make, int]] = {  # with their shares of all mutants
    "pictures": (picture, 40),
    "data sets": (dataset, 25),
    "bundles": (bundle, 20),
    "checkpoints": (checkpoint, 10),
    "records": (records, 5),
    "clinical": (clinical, 0),  # in a run of their own
}
CLINICAL_FROM = 10**6
"""Mutants with numbers from here on are DICOM and NIfTI."""
FINE, REFUSED = "fine", "refused in one line"
_OURS = re.compile(r"bmis: |epoch \d|resuming |training ")  # how lines on stderr may begin


def kind_of(number: int) -> str:
    """The kind of a mutant: every hundred hold the same shares."""
    if number >= CLINICAL_FROM:
        return "clinical"
    at = number % 100
    for kind, (_, share) in KINDS.items():
        if at < share:
            return kind
        at -= share
    raise AssertionError("the shares make a hundred")


def work(pipe: Connection, seed: int, material: Path, place: Path) -> None:
    """Run the mutants whose numbers come through the pipe, until it is closed."""
    place.mkdir(parents=True, exist_ok=True)
    texts = _redirect(place)
    os.chdir(place)
    while True:
        try:
            number = pipe.recv()
        except EOFError:
            return
        folder = place / str(number)
        folder.mkdir()
        pipe.send(_outcome(number, seed, material, folder, texts))


def _redirect(place: Path) -> tuple[Path, Path]:
    """Send what this process and its libraries print to two files."""
    names = place / "stdout", place / "stderr"
    for stream, name in zip((1, 2), names, strict=True):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND), stream)
    return names


def _outcome(
    number: int, seed: int, material: Path, folder: Path, texts: tuple[Path, Path]
) -> dict[str, Any]:
    """Make one mutant and run it."""
    kind = kind_of(number)
    mutant = KINDS[kind][0](Random(f"{seed} {number}"), material, folder)
    for text in texts:
        os.truncate(text, 0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak so far
    start = time.process_time()
    outcome, message = FINE, ""
    try:
        codes = {main(command) for command in mutant.commands}
    except BaseException:
        outcome, message = "traceback", traceback.format_exc()
    else:
        sys.stdout.flush()
        sys.stderr.flush()
        outcome, message = outcome_of(codes, mutant, *(text.read_bytes() for text in texts))
    return {
        "number": number,
        "kind": kind,
        "note": mutant.note,
        "outcome": outcome,
        "message": message[-3000:],
        "seconds": round(time.process_time() - start, 3),
        "peak_mb": (peak_resident() or 0) // 2**20,
    }


def outcome_of(codes: set[int], mutant: Mutant, out: bytes, err: bytes) -> tuple[str, str]:
    """What the exit codes, the printed lines and the written files say together."""
    text = err.decode(errors="backslashreplace")
    stray = [line for line in text.splitlines() if not _OURS.match(line)]
    if any(
        not char.isprintable() for char in (out + err).decode(errors="replace").replace("\n", "")
    ):
        return "control characters", repr(text + out.decode(errors="replace"))
    if stray:
        return "stray line", text
    if codes - {0, 2} or (2 in codes and not out + err):
        return "wrong exit", f"{codes} {text}"
    if missing := [str(path) for path in mutant.wanted if not path.exists()]:
        return "good file lost", f"{missing} {text}"
    return (REFUSED if 2 in codes else FINE), text
