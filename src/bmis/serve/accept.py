"""Which kind of answer a client takes, by its header ``Accept``."""

from collections.abc import Iterator

from bmis.serve.refusals import Refused

JSON, PNG, DICOM = "application/json", "image/png", "application/dicom"
NIFTI = "application/gzip"  # which has no name of its own
KINDS = (JSON, PNG, DICOM, NIFTI)
"""What can be answered with; the first is taken where a client takes anything."""


def choose_kind(accept: str) -> str:
    """The kind that a client likes best of those that there are.

    Args:
        accept: The header; empty where there is none.

    Raises:
        Refused: There is none that it takes.

    Example:
        >>> choose_kind("text/html, image/*;q=0.8, */*;q=0.1"), choose_kind("")
        ('image/png', 'application/json')
        >>> choose_kind("text/html")
        Traceback (most recent call last):
        bmis.serve.refusals.Refused: no answer of that kind; accept application/json, ...
    """
    liked = {kind: quality for kind in KINDS if (quality := _quality(kind, accept or "*/*")) > 0}
    if not liked:
        raise Refused(406, f"no answer of that kind; accept {', '.join(KINDS)}")
    return max(liked, key=lambda kind: liked[kind])


def _quality(kind: str, accept: str) -> float:
    """How much a client likes a kind, 0 to 1, by the most particular range that it lies in."""
    major = kind.partition("/")[0]
    order = {"*/*": 0, f"{major}/*": 1, kind: 2}
    found = [(order[name], quality) for name, quality in _ranges(accept) if name in order]
    return max(found)[1] if found else 0.0


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        given = [piece.partition("=")[2] for piece in parameters if piece.startswith("q=")]
        yield name, _number(given[0]) if given else 1.0


def _number(text: str) -> float:
    """A quality between 0 and 1; 0 for what is none."""
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0
