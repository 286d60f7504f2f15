"""Values on the command line that no number or path can be: one line, exit code 2."""

import pytest

from bmis.cli.main import main

NINES = "9" * 30


@pytest.mark.parametrize(
    "argv",
    [
        ["inspect", "{data}", "--fold", "²"],
        ["inspect", "{data}", "--fold", NINES],
        ["inspect", "a" * 300],
        ["predict", "{model}", "a" * 300, "--out", "{out}"],
        ["predict", "{model}", "{image}", "--out", "a" * 300],
        ["predict", "{model}", "{image}", "--out", "{out}", "--memory-limit", NINES],
        ["predict", "{model}", "{image}", "--out", "{out}", "--memory-limit", "-1"],
        ["predict", "{model}", "{image}", "--out", "{out}", "--memory-limit", "²"],
        ["predict", "{model}", "{image}", "--out", "{out}", "--threads", NINES],
        ["predict", "{model}", "{image}", "--out", "{out}", "--tile", NINES],
        ["predict", "{model}", "{image}", "--out", "{out}", "--spacing", NINES * 20],
        ["predict", "a" * 300, "{image}", "--out", "{out}"],
        ["report", "a" * 300],
        ["train", "{data}", "--epochs", NINES],
        ["train", "{data}", "-o", "widths=" + "[" * 400],
        ["train", "{data}", "-o", "widths=[&a [8], *a]"],
    ],
)
def test_one_line_and_exit_code_2(argv, tmp_path, example_files, capsys):
    data = example_files / "polyps"
    places = {
        "{data}": data,
        "{model}": "nuclei",
        "{image}": example_files / "photo.png",
        "{out}": tmp_path / "out",
    }
    assert main([str(places.get(word, word)) for word in argv]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "medical" not in line]
    assert len(lines) == 1
    assert lines[0].startswith("bmis: ")
    assert len(lines[0]) < 1000
