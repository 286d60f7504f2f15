"""Folders of records in which one is changed, given to ``report``."""

import json
import os
import shutil
from pathlib import Path
from random import Random

from fuzzing.edits import edit_bytes, edit_values
from fuzzing.material import RESULTS
from fuzzing.mutant import Mutant


def records(random: Random, material: Path, folder: Path) -> Mutant:
    """A results folder with one changed record."""
    results = folder / "results"
    shutil.copytree(material / RESULTS, results)
    file = random.choice(sorted(results.rglob("*.json")))
    how = random.randrange(4)
    if how == 0:
        file.write_bytes(edit_bytes(random, file.read_bytes()))
    elif how == 1 and random.random() < 0.1:
        file.unlink()
        os.mkfifo(file)
    else:
        values = json.loads(file.read_bytes())
        edit_values(random, values, most=1)
        file.write_text(json.dumps(values), encoding="utf-8")
    return Mutant([["report", str(results), "--out", str(folder / "out")]], (), f"record {how}")
