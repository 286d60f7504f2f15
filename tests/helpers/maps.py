"""Feature maps for tests of layers, and the graph of gradients behind one."""

import torch

LAST, FIRST = torch.channels_last, torch.contiguous_format


def maps(*shape: int, layout: torch.memory_format = LAST) -> torch.Tensor:
    values = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    return values.contiguous(memory_format=layout).requires_grad_()


def nodes(start):
    """All functions of a graph of gradients."""
    found, waiting = set(), [start]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found.add(node)
            waiting += [following for following, _ in node.next_functions]
    return found
