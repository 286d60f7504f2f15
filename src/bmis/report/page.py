"""From a template to a web page: one file that asks for nothing else."""

import base64
from functools import cache
from pathlib import Path
from typing import Any

from bmis.errors import require
from bmis.report.figures import lines

_WEB = Path(__file__).parent / "web"


def render_template(name: str, **values: Any) -> str:
    """A page as HTML; all that comes from records and runs is escaped.

    Args:
        name: File of the template in ``web/``.
        values: What the template shows: ``title``, ``lead``, ``warnings`` and more.

    Raises:
        MissingExtraError: jinja2 is not installed.

    Example:
        >>> from bmis.report.tables import Table
        >>> rest = {"costs": Table("Costs", [], {}), "missing": None, "facts": (), "sections": ()}
        >>> page = render_template(
        ...     "comparison.html.jinja", title="A < B", lead="", warnings=(), **rest
        ... )
        >>> "<h1>A &lt; B</h1>" in page
        True
    """
    return str(_environment().get_template(name).render(**values))


@cache
def _environment() -> Any:
    """The templates, which are compiled once."""
    jinja2: Any = require("jinja2", extra="train")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_WEB),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["data_uri"] = _data_uri
    sides = ("width", "height", "left", "right", "top", "bottom")
    environment.globals |= {
        "size": {side: getattr(lines, side.upper()) for side in sides},
        "style": (_WEB / "page.css").read_text(encoding="utf-8"),
        "script": (_WEB / "page.js").read_text(encoding="utf-8"),
    }
    return environment


def _data_uri(svg: str) -> str:
    """An SVG file as an address, so that nothing in it can meet anything else on the page."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
