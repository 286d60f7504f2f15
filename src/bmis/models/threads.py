"""Torch's threads: no more than the cores that a container may use, or a given number."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bmis.system.processor import container_cores


def keep_to_container() -> None:
    """Have torch compute with no more threads than the container has cores.

    Torch counts those of the whole machine, and threads that wait for one another then take many
    times as long. ``OMP_NUM_THREADS`` is left as the user set it.

    Example:
        >>> keep_to_container()  # before a network runs
    """
    most = container_cores()
    if most and "OMP_NUM_THREADS" not in os.environ and torch.get_num_threads() > most:
        torch.set_num_threads(most)


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Let torch use this many threads while the block runs, by default as in a training.

    Example:
        >>> with torch_threads(1):
        ...     torch.get_num_threads()
        1
    """
    keep_to_container()
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
