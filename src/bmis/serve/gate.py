"""How many may be in at a time; whoever comes when all places are taken is sent away at once."""

from threading import Lock

from bmis.serve.refusals import Refused


class Gate:
    """A number of places.

    Args:
        places: How many there are.

    Attributes:
        taken: How many are taken now.

    Example:
        >>> gate = Gate(1)
        >>> gate.enter(), gate.is_full
        (None, True)
        >>> gate.enter()
        Traceback (most recent call last):
        bmis.serve.refusals.Refused: all 1 places are taken; try again later
    """

    def __init__(self, places: int) -> None:
        self._places, self._lock, self.taken = places, Lock(), 0

    @property
    def is_full(self) -> bool:
        """Whether the next one would be sent away."""
        return self.taken >= self._places

    def enter(self, *, retry_after: int = 1) -> None:
        """Take a place.

        Raises:
            Refused: There is none.
        """
        with self._lock:
            if self.is_full:
                raise Refused(
                    429,
                    f"all {self._places} places are taken; try again later",
                    retry_after=retry_after,
                )
            self.taken += 1

    def leave(self) -> None:
        """Give a place back."""
        with self._lock:
            self.taken -= 1
