"""The web page: one file that asks for nothing else."""

import base64
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
    missing: Table | None,
    facts: Sequence[tuple[str, str]],
) -> str:
    """The page as HTML; all that comes from records is escaped.

    Args:
        title: Title of the page.
        lead: What was compared, in one sentence.
        warnings: What does not compare, in whole sentences.
        sections: The sections in order.
        costs: The networks and their costs.
        missing: The trials without a result; None if there are none.
        facts: Conditions and machines, as names and values.

    Raises:
        MissingExtraError: jinja2 is not installed.

    Example:
        >>> costs = Table("Costs", [], {})
        >>> page = render_page("A < B", lead="", warnings=(), sections=(), costs=costs,
        ...                    missing=None, facts=())
        >>> "<h1>A &lt; B</h1>" in page
        True
    """
    jinja2: Any = require("jinja2", extra="train")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["data_uri"] = _data_uri
    page = environment.get_template("page.html.jinja").render(
        title=title,
        lead=lead,
        warnings=warnings,
        sections=sections,
        costs=costs,
        missing=missing,
        facts=facts,
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        script=(_HERE / "page.js").read_text(encoding="utf-8"),
    )
    return str(page)


def _data_uri(svg: str) -> str:
    """An SVG file as an address, so that nothing in it can meet anything else on the page."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
