"""Some mutants of ``benchmarks/fuzz.py``, in this process; each is fine or refused in one line."""

from pathlib import Path
from random import Random

import pytest

from bmis.cli.main import main
from helpers.bundles import write_tiny

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Sound files; the bundle is a smaller one than that of the long run."""
    from bmis import write_phantoms

    folder = tmp_path_factory.mktemp("material")
    write_phantoms(folder / "polyps", modality="endoscopy", count=6, size=(48, 40))
    write_tiny(folder / "tiny.bmis")
    return folder


@pytest.mark.filterwarnings("default")  # as users have it: what the readers of images warn of
@pytest.mark.parametrize("kind", ["pictures", "data sets"])
@pytest.mark.parametrize("start", [0, 12, 24])
def test_mutants_are_read_or_refused_in_one_line(
    kind, start, material, tmp_path, monkeypatch, capfd
):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from fuzzing.worker import FINE, KINDS, REFUSED, outcome_of

    for number in range(start, start + 12):
        folder = tmp_path / str(number)
        folder.mkdir()
        mutant = KINDS[kind][0](Random(f"test {number}"), material, folder)
        if "train" in mutant.note:
            continue
        codes = {main(command) for command in mutant.commands}
        out, err = (text.encode(errors="replace") for text in capfd.readouterr())
        outcome, message = outcome_of(codes, mutant, out, err)
        assert outcome in (FINE, REFUSED), f"{number} {mutant.note}: {outcome}: {message}"
