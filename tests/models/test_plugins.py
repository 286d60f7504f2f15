import re
import sys

import pytest

import bmis
from bmis import TrainConfig, train_model
from bmis.cli.main import main
from bmis.errors import BmisError, BundleError, ConfigError
from bmis.models import build_model, find_method, registry
from bmis.models.plugins import load_plugins, plugin_of
from bmis.system.plain_yaml import read_yaml

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


@pytest.fixture
def run_of_a_plugin(dataset, tmp_path, forget):
    """A run of the network of ``dots.py``, which nobody knows any more afterwards."""
    file = tmp_path / "my dots.py"
    file.write_text(PLUGIN.format(name="spot"))
    settings = TrainConfig(
        str(dataset), "spot", epochs=1, size=(32, 32), device="cpu", plugins=(str(file),)
    )
    train_model(settings, out=tmp_path / "run", page=False)
    assert plugin_of("spot") == str(file)
    del registry._METHODS["spot"], sys.modules[f"bmis_plugin_{file.stem}"]
    return tmp_path / "run"


def test_a_run_names_the_file_that_its_network_comes_from(run_of_a_plugin, monkeypatch):
    file = run_of_a_plugin.parent / "my dots.py"
    message = f"network 'spot' comes from {file}: give --plugin '{file}'"
    ran = file.with_suffix(".log").read_text()
    for use in (
        lambda: bmis.load(run_of_a_plugin),
        lambda: bmis.load_model(run_of_a_plugin / "model.safetensors"),
        lambda: bmis.evaluate_model(run_of_a_plugin),
        lambda: bmis.export_run(run_of_a_plugin, run_of_a_plugin / "a.bmis"),
        lambda: bmis.profile_model(run_of_a_plugin),
        lambda: train_model(TrainConfig("d", init=str(run_of_a_plugin)), out="new"),
        lambda: train_model(TrainConfig("d", "spot", init=str(run_of_a_plugin)), out="new"),
        lambda: train_model(TrainConfig("d", "spot"), out=run_of_a_plugin),
    ):
        with pytest.raises(BmisError, match=re.escape(message)):
            use()
    assert file.with_suffix(".log").read_text() == ran  # a recorded path is never run by itself


def test_the_run_works_with_its_plugin_from_another_place(run_of_a_plugin, tmp_path):
    moved = tmp_path / "elsewhere.py"
    (run_of_a_plugin.parent / "my dots.py").rename(moved)
    load_plugins([moved])
    assert bmis.load_model(run_of_a_plugin)[1].model.name == "spot"
    settings = read_yaml(run_of_a_plugin / "config.yaml")
    again = TrainConfig.from_dict(settings | {"plugins": [str(moved)]})
    assert train_model(again, out=run_of_a_plugin).resumed_after == 1


@pytest.mark.parametrize("text", [None, "plugins: 3\n", "- a\n", "epochs: 3\n", "plugins: {\n"])
def test_a_run_that_does_not_say_where_its_network_is_from(run_of_a_plugin, text):
    (run_of_a_plugin / "config.yaml").unlink()
    if text is not None:
        (run_of_a_plugin / "config.yaml").write_text(text)
    with pytest.raises(BundleError, match="'spot' does not come with this bmis: give --plugin F"):
        bmis.load_model(run_of_a_plugin)


@pytest.mark.parametrize(
    "command", ["train", "evaluate", "predict", "export", "profile", "compare"]
)
def test_every_command_that_names_it_takes_a_plugin(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "--plugin FILE" in capsys.readouterr().out
