"""Whether a machine is idle enough to measure on; no torch."""

import logging
import os

from bmis.system.processor import usable_cores
from bmis.wording import counted

_log = logging.getLogger("bmis")
_BUSY = 0.75  # share of the cores that other programs may keep busy


def warn_if_busy() -> None:
    """Say that other programs run, beside which networks look slower than they are.

    Example:
        >>> warn_if_busy()  # only where that is so
    """
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):  # not a Unix
        return
    if load > _BUSY * usable_cores():
        _log.warning(
            "this machine is busy (load %.1f on %s): networks will look slower than they are; "
            "end other programs",
            load,
            counted(usable_cores(), "core"),
        )
