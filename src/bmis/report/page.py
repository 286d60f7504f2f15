"""The web page: one file that asks for nothing else."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bmis.errors import require
from bmis.report.sections import Section
from bmis.report.tables import Table

_HERE = Path(__file__).parent


def render_page(
    title: str,
    *,
    lead: str,
    warnings: Sequence[str],
    sections: Sequence[Section],
    costs: Table,
    lacks: Table | None,
    facts: Sequence[tuple[str, str]],
) -> str:
    """The page as HTML; all that comes from records is escaped.

    Args:
        title: Of the page.
        lead: What was compared, in one sentence.
        warnings: What does not compare.
        sections: In order.
        costs: The networks and their costs.
        lacks: Trials without a result.
        facts: Conditions and machines, as names and values.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    jinja2: Any = require("jinja2", extra="train")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("page.html.jinja").render(
        title=title,
        lead=lead,
        warnings=warnings,
        sections=sections,
        costs=costs,
        lacks=lacks,
        facts=facts,
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        script=(_HERE / "page.js").read_text(encoding="utf-8"),
    )
    return str(page)
