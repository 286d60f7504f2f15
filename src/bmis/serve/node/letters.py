"""Dead letters: what a node could not do, and keeps."""

from dataclasses import dataclass
from pathlib import Path

from bmis.serve.node.spool import Spool


@dataclass(frozen=True)
class DeadLetter:
    """Something that could not be done, and is kept.

    Attributes:
        path: The object or the result.
        destination: Where the result should go; None for an object that has no result.
        error: One line that says why.

    Example:
        >>> print(DeadLetter(Path("spool/objects/a.dcm"), None, "truncated"))
        spool/objects/a.dcm: truncated
    """

    path: Path
    destination: str | None
    error: str

    def __str__(self) -> str:
        to = "" if self.destination is None else f", to {self.destination}"
        where = "" if self.error.startswith(str(self.path)) else f"{self.path}{to}: "
        return f"{where}{self.error}"


def dead_letters(spool: Spool) -> list[DeadLetter]:
    """All that could not be done, the oldest first.

    Example:
        >>> dead_letters(Spool(Path("spool"), limit=10**9))
        []
    """
    objects = spool.database.rows(
        "SELECT uid, error FROM objects WHERE state = 'dead' ORDER BY came"
    )
    results = spool.database.rows(
        "SELECT uid, destination, error FROM results WHERE state = 'dead' ORDER BY came"
    )
    return [
        *(DeadLetter(spool.path_of_object(uid), None, why) for uid, why in objects),
        *(DeadLetter(spool.path_of_result(uid), to, why) for uid, to, why in results),
    ]
