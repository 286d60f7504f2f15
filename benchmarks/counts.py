"""Count the parameters and multiplications of every network that comes with the package.

    python benchmarks/counts.py [NAMES...]

It counts all networks, or those named, without data. It writes the table that ``bmis models``
reads, ``src/bmis/models/counts.csv``, and the one in ``docs/reference/models.md``. It takes
minutes on any machine, and the numbers are the same everywhere.
"""

import argparse
import csv
import io
from collections.abc import Mapping
from pathlib import Path

from bmis.errors import ConfigError
from bmis.models import find_method, list_models
from bmis.models.catalogue import TABLE, Counts, count, read_counts
from bmis.models.registry import GROUPS
from bmis.system.files import write_text

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "models.md"
BEGIN = "<!-- from here to the end: benchmarks/counts.py -->\n"


def to_csv(counts: Mapping[str, Counts]) -> str:
    """Write the table that ``read_counts`` reads."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", *Counts._fields))
    writer.writerows((name, *counts[name]) for name in sorted(counts))
    return text.getvalue()


def to_markdown(counts: Mapping[str, Counts]) -> str:
    """Write one table for each group."""
    lines: list[str] = []
    for group in GROUPS:
        methods = [m for m in map(find_method, sorted(counts)) if m.group == group]
        if not methods:
            continue
        lines += [
            f"## {group}",
            "| name | family | parameters | GMACs at 224 | source | licence | extra |",
            "|---|---|--:|--:|---|---|---|",
        ]
        for method in methods:
            parameters, macs = counts[method.name]
            lines.append(
                f"| `{method.name}` | {method.family} | {parameters:,} | {macs / 1e9:.3f} "
                f"| {link(method.source)} | {method.licence} | {method.extra or ''} |"
            )
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def link(source: str) -> str:
    kind, _, number = source.partition(":")
    places = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}
    return f"[{source}]({places[kind]}{number})" if kind in places else source


def page(text: str, counts: Mapping[str, Counts]) -> str:
    """Put new tables into the page of the documentation."""
    before, mark, _ = text.partition(BEGIN)
    if not mark:
        raise ConfigError(
            f"{PAGE}: the line {BEGIN.strip()!r} is missing; put it where the tables begin"
        )
    return f"{before}{mark}\n{to_markdown(counts)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="networks to count (all)")
    names = parser.parse_args().names or list_models()
    counts = dict(read_counts()) if TABLE.is_file() else {}
    for name in names:
        counts[name] = count(name)
        print(f"{name}: {counts[name].parameters:,} parameters, {counts[name].macs:,} MACs")
    counts = {name: counts[name] for name in list_models() if name in counts}
    write_text(TABLE, to_csv(counts))
    write_text(PAGE, page(PAGE.read_text(encoding="utf-8"), counts))


if __name__ == "__main__":
    main()
