"""Sections and tables as Markdown, and how numbers and machines are written on all pages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bmis import Record

_VECTORS = (  # the widest first: flags that must be there, and what they are called
    ({"amx_bf16"}, "AVX-512 and AMX with bf16"),
    ({"avx512_bf16"}, "AVX-512 with bf16"),
    ({"avx512f"}, "AVX-512"),
    ({"avx2"}, "AVX2, no AVX-512"),
)


@dataclass(frozen=True)
class Section:
    """One claim and the table that carries it.

    Attributes:
        title: The claim in a few words.
        claim: The claim with its figures, one to three sentences.
        columns: Heads of the columns; those that begin with ">" are aligned to the right.
        rows: The table, as text.
        script: The command that writes the records.
        machine: Where it was run.
        source: The files below ``benchmarks/results`` that the figures are from.
        notes: Caveats, one sentence or more each, which become footnotes.
    """

    title: str
    claim: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    script: str
    machine: str
    source: str
    notes: Sequence[str] = ()


def page(title: str, introduction: str, sections: Iterable[Section]) -> str:
    """A whole page; footnotes are numbered through."""
    parts, footnotes = [f"# {title}", introduction], list[str]()
    for section in sections:
        numbers = range(len(footnotes) + 1, len(footnotes) + len(section.notes) + 1)
        marks = "".join(f"[^{number}]" for number in numbers)
        footnotes += section.notes
        parts += [
            f"## {section.title}",
            section.claim + marks,
            table(section.columns, section.rows),
            f"Script: `{section.script}`. Machine: {section.machine}. "
            f"Records: `benchmarks/results/{section.source}`.",
        ]
    parts += [f"[^{number}]: {note}" for number, note in enumerate(footnotes, start=1)]
    return "\n\n".join(parts) + "\n"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    heads = [column.removeprefix(">") for column in columns]
    rules = ["--:" if column.startswith(">") else "---" for column in columns]
    return "\n".join("| " + " | ".join(row) + " |" for row in [heads, rules, *rows])


def interval(summary: dict[str, Any], digits: int = 3) -> str:
    """A mean with its 95 % interval."""
    low, high = summary["ci95"]
    return f"{summary['mean']:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def difference(mean: float, ci95: Sequence[float] | None) -> str:
    """A signed mean difference with its 95 % interval."""
    low, high = ci95 or (float("nan"), float("nan"))
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def p_value(p: float, *, agrees: bool = True) -> str:
    """Two digits, and a short exponent; none below 0.05 where mean and ranks disagree."""
    if p < 0.05 and not agrees:
        return "ranks disagree"
    return f"{p:.2g}".replace("e-0", "e-")


def scores(record: Record) -> tuple[str, str]:
    """IoU and Dice of the test images, with intervals."""
    cases = record.summary["cases"]
    return interval(cases["iou"]), interval(cases["dice"])


def machine(described: dict[str, Any]) -> str:
    """What ``machine.describe`` wrote, in a few words."""
    flags = set(described["processor_flags"])
    vectors = next((name for needed, name in _VECTORS if needed <= flags), "")
    if described.get("onednn_limit"):
        vectors += f", oneDNN limited to {described['onednn_limit']}"
    cores, threads = described["cores"], described["threads"]
    used = "" if threads in (None, cores) else f", {threads} thread{'s' * (threads > 1)}"
    where = described["gpu"] or "no GPU"
    return (
        f"{cores} core{'s' * (cores > 1)} of an {processor(described['processor'])} ({vectors})"
        f"{used}, {described['memory_gb']:.0f} GB, {where}, torch {described['torch']}"
    )


def processor(name: str) -> str:
    """Without trademarks and the word that says nothing."""
    return name.replace("(R)", "").replace(" Processor", "")


def trial_machines(records: Iterable[Record]) -> str:
    """The machines that a comparison was trained on."""
    found = {
        f"{processor(record.costs['device_name'])}, torch {record.environment['torch']}"
        for record in records
    }
    return "2 cores of an " + "; of an ".join(sorted(found)) + "; no GPU"
