import sys

import pytest

from bmis.errors import ConfigError
from bmis.models import build_model, find_method
from bmis.models.plugins import load_plugins

PLUGIN = """
from pathlib import Path
from torch import nn
from bmis import SegmentationModel, register

with Path(__file__).with_suffix(".log").open("a") as stream:
    stream.write("ran ")

@register("{name}")
class Dot(SegmentationModel):
    def __init__(self, in_channels=3, num_classes=2):
        super().__init__(in_channels, num_classes, stride=1)
        self.head = nn.Conv2d(in_channels, num_classes, 1)

    def forward(self, x):
        self.check_input(x)
        return self.head(x)
"""


@pytest.fixture
def forget():
    """Plugins loaded in a test are unknown in the next."""
    yield
    for name in [name for name in sys.modules if name.startswith("bmis_plugin_")]:
        del sys.modules[name]


@pytest.mark.usefixtures("forget")
def test_a_file_adds_its_networks_and_runs_once(tmp_path):
    file = tmp_path / "dots.py"
    file.write_text(PLUGIN.format(name="dot"))
    load_plugins([file, str(file)])
    load_plugins([file])
    assert sum(p.numel() for p in build_model("dot").parameters()) == 8
    assert find_method("dot").group == "own"
    assert file.with_suffix(".log").read_text() == "ran "


@pytest.mark.usefixtures("forget")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no Python file"),
        ("1 +", r"cannot be run \(SyntaxError"),
        ("import nowhere_to_be_found", "nowhere_to_be_found"),
        (PLUGIN.format(name="bmis"), "'bmis' is already taken by BMIS"),
    ],
)
def test_a_file_that_cannot_be_run_is_named(tmp_path, text, message):
    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text)
    for _ in range(2):  # the second time too: a failed file does not count as loaded
        with pytest.raises(ConfigError, match=message) as error:
            load_plugins([file])
        assert str(file) in str(error.value)


def test_another_kind_of_file_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(ConfigError, match=r"mine.txt: no Python file"):
        load_plugins([tmp_path / "mine.txt"])
