"""What happens when a data set has an error: most commands stop, ``inspect`` collects them all."""

from collections.abc import Callable

from bmis.errors import DataError

OnError = Callable[[DataError], None]
"""Takes an error. If it returns, the work goes on without the file or row in question."""


def raise_error(error: DataError) -> None:
    """Raise the error: the ``OnError`` of every command that needs a sound data set.

    Raises:
        DataError: Always.

    Example:
        >>> raise_error(DataError("photo.png: has no mask"))
        Traceback (most recent call last):
        bmis.errors.DataError: photo.png: has no mask
    """
    raise error
