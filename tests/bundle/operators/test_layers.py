"""How many places a window takes, against torch."""

import pytest
import torch
import torch.nn.functional as F

from bmis.bundle.operators.layers import windows


@pytest.mark.parametrize("side", range(1, 9))
@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize(("size", "stride", "pad"), [(2, 2, 0), (3, 2, 1), (3, 1, 1), (3, 3, 0)])
def test_windows_are_those_of_torch(side, up, size, stride, pad):
    """Also where the window is larger than the map, which it may be if it is rounded up."""
    pool = {"kernel_size": size, "stride": stride, "padding": pad, "ceil_mode": up}
    try:
        wanted = [F.max_pool2d(torch.zeros(1, 1, side, 9), **pool).shape[2]]
    except RuntimeError:
        with pytest.raises(ValueError, match=f"a window of {size} on {side}"):
            windows([side], [size], [stride], [(pad, pad)], [1], up=up)
        return
    assert windows([side], [size], [stride], [(pad, pad)], [1], up=up) == wanted
