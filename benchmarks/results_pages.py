"""The result pages of the documentation and the README's table, from the records.

    python benchmarks/results_pages.py

Writes ``docs/results/*.md``, the picture of the whole field and the tables between the two marks
in ``README.md`` and ``docs/how-to/train.md``. A test compares what stands there with what this
writes. The folders of the records are named at the top of ``pages/records.py``.
"""

import argparse
from pathlib import Path

from pages import (
    accuracy,
    comparison,
    field,
    field_picture,
    fitted,
    memory,
    pretrained,
    robustness,
    speed,
    steps,
    training,
)
from pages.records import ROOT

from bmis.system.files import output_folder, write_text

README, TRAIN = ROOT / "README.md", ROOT / "docs" / "how-to" / "train.md"
BEGIN = "<!-- written by benchmarks/results_pages.py -->"
END = "<!-- end of what it writes -->"


def between_marks(path: Path, table: str) -> str:
    """A document with a fresh table between the marks."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table}\n\n{END}{after}"


def pages() -> dict[Path, str]:
    """Every file that this script writes, with its text."""
    folder = ROOT / "docs" / "results"
    modules = {
        "accuracy": accuracy,
        "field": field,
        "speed": speed,
        "memory": memory,
        "training": training,
        "robustness": robustness,
        "fit": fitted,
    }
    written = {folder / f"{name}.md": module.render() for name, module in modules.items()}
    return written | {
        ROOT / "docs" / "pretrained.md": pretrained.render(),
        README: between_marks(README, f"{field.readme()}\n{comparison.readme()}"),
        TRAIN: between_marks(TRAIN, steps.steps()),
    }


def main() -> None:
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    for path, text in pages().items():
        output_folder(path.parent)
        write_text(path, text)
        print(f"wrote {path.relative_to(ROOT)}")
    field_picture.write()


if __name__ == "__main__":
    main()
