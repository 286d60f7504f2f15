"""Torch's threads in a container: no more than the cores that it may use."""

import os

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
