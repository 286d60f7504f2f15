"""What happens to a fault in a data set: most verbs stop at the first, ``inspect`` collects all."""

from collections.abc import Callable

from bmis.errors import DataError

Report = Callable[[DataError], None]
"""Takes a fault; if it returns, the work goes on without the faulty part."""


def stop(fault: DataError) -> None:
    """Raise the fault: the ``Report`` of all verbs that need a sound data set."""
    raise fault
