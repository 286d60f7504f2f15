"""EfficientNet-Lite's shapes; that its maps are timm's is shown with ImageNet's weights."""

import pytest
import torch

from bmis.errors import ConfigError, require
from bmis.models.layers.efficientnet_lite import EfficientNetLite


@pytest.mark.parametrize("trunk", ["lite0", "lite1", "lite2"])
@pytest.mark.parametrize("stages", [3, 4, 5, 7])
def test_its_maps_are_those_of_timms_network_with_the_same_tensors(trunk, stages):
    timm = require("timm", extra="zoo")
    torch.manual_seed(0)
    ours = EfficientNetLite(3, trunk, stages).eval()
    theirs = timm.create_model(f"efficientnet_{trunk}", bn_eps=1e-3).eval()
    names = list(theirs.state_dict())[: len(ours.state_dict())]
    state = dict(zip(names, ours.state_dict().values(), strict=True))
    theirs.load_state_dict({**theirs.state_dict(), **state})
    x = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        y = theirs.bn1(theirs.conv_stem(x))
        last = {y.shape[2]: y for stage in theirs.blocks[:stages] if (y := stage(y)) is not None}
        maps = ours(x)
    assert [m.shape[2] for m in maps] == list(last)
    assert tuple(m.shape[1] for m in maps) == ours.channels
    for mine, other in zip(maps, last.values(), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize(
    ("trunk", "stages", "message"),
    [
        ("lite9", 5, "trunk must be one of lite0, lite1, lite2, got 'lite9'"),
        ("lite0", 2, "stages must be 3 to 7, got 2"),
        ("lite0", 8, "stages must be 3 to 7, got 8"),
    ],
)
def test_what_there_is_not_is_refused(trunk, stages, message):
    with pytest.raises(ConfigError, match=message):
        EfficientNetLite(3, trunk, stages)
