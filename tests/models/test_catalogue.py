"""What the catalogue lists of each network, without building it where the table has it."""

import inspect
from pathlib import Path

import pytest
import torch

from bmis.cli.models import render_catalogue as render
from bmis.errors import ConfigError, MissingExtraError
from bmis.models import SegmentationModel, catalogue, list_models, register, registry
from bmis.models.catalogue import count, read_catalogue, read_counts


class Network(SegmentationModel):
    """One 3x3 convolution, for sides that are multiples of 100."""

    def __init__(self, in_channels=3, num_classes=2):
        super().__init__(in_channels, num_classes, stride=100)
        self.conv = torch.nn.Conv2d(in_channels, num_classes, 3, padding=1, bias=False)

    def forward(self, x):
        self.check_input(x)
        return self.conv(x)


class Lacking(Network):
    """Cannot be built here."""

    def __init__(self, in_channels=3, num_classes=2):
        raise MissingExtraError("xy is needed")


@pytest.fixture
def mine():
    """Two networks of a user."""
    register("mine")(Network)
    register("lacking", extra="zoo")(Lacking)


@pytest.mark.usefixtures("mine")
def test_a_users_network_is_counted_at_a_size_that_it_takes():
    found = {entry.name: entry for entry in read_catalogue("own")}
    assert (found["mine"].parameters, found["mine"].macs) == (54, 54 * 300 * 300)
    assert (found["mine"].family, found["mine"].extra) == ("test_catalogue", None)
    assert (found["lacking"].parameters, found["lacking"].macs) == (None, None)


def test_what_is_in_the_table_is_not_built(monkeypatch):
    def refuse(name):
        raise AssertionError(f"{name} was built")

    monkeypatch.setattr(catalogue, "count", refuse)
    monkeypatch.setattr(registry, "_METHODS", {n: registry._METHODS[n] for n in read_counts()})
    found = {entry.name: entry for entry in read_catalogue()}
    assert set(found) == set(list_models())
    bmis = found["bmis"]
    assert (bmis.group, bmis.family, bmis.parameters) == ("light", "bmis", 874_951)
    assert bmis.macs == pytest.approx(1.557e9, rel=0.001)
    assert (bmis.source, bmis.extra) == ("doi:10.1016/j.asoc.2025.113549", None)
    assert found["tv_fcn"].licence == "BSD-3-Clause"


def test_a_group_is_listed_alone_and_groups_come_one_after_another():
    names = [entry.name for entry in read_catalogue("transformer")]
    assert names == sorted(names)
    assert "smp_segformer" in names
    assert "bmis" not in names
    order = [registry.GROUPS.index(entry.group) for entry in read_catalogue()]
    assert order == sorted(order)
    with pytest.raises(ConfigError, match=r"unknown group 'lite' \(did you mean 'light'\?\)"):
        read_catalogue("lite")


def test_what_is_missing_comes_with_the_install_line(monkeypatch):
    there = next(e for e in read_catalogue("classic") if e.name == "tv_fcn")
    find_spec = catalogue.find_spec
    monkeypatch.setattr(catalogue, "find_spec", lambda n: n != "monai" and find_spec(n))
    missing = next(e for e in read_catalogue("classic") if e.name == "tv_fcn")
    assert (there.installed, missing.installed) == (True, False)
    assert "missing" not in render([there])
    text = render([missing])
    assert "zoo (missing)" in text
    assert text.strip().endswith('missing: pip install "bmis[zoo]"')


@pytest.mark.usefixtures("mine")
def test_the_picture_has_all_of_it_by_groups():
    text = render([e for e in read_catalogue() if e.name in ("bmis", "lacking")])
    light, bmis, own, lacking = (line.split() for line in text.splitlines()[3:])
    assert (light, own) == (["light:"], ["own:"])
    assert bmis[:3] == ["bmis", "0.875", "1.556"]  # the family's name is its own
    assert "doi:10.1016/j.asoc.2025.113549" in text
    assert "none stated" in text
    assert lacking == ["lacking", "test_catalogue", "zoo"]


def test_those_that_start_from_imagenet_are_named_below():
    text = render(read_catalogue("light"))
    assert "start from ImageNet: bmis_edge, bmis_edge_s; the others from random weights" in text
    may = text.partition("start from ImageNet with -o weights=imagenet, fetched once: ")[2]
    assert may.split(", ")[:2] == ["lv_unet", "smp_deeplabv3plus"]
    assert "ImageNet" not in render([e for e in read_catalogue() if e.name == "bmis"])


def test_a_small_terminal_shows_all_but_the_families(monkeypatch):
    monkeypatch.setattr("bmis.cli.models.terminal_width", lambda: 80)
    monkeypatch.setattr("bmis.cli.console.terminal_width", lambda: 80)
    lines = render(read_catalogue()).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == ["name", "million", "GMACs", "source", "licence", "needs"]


@pytest.mark.parametrize(
    ("name", "family"), [("bmis_tiny", "bmis"), ("mk_unet_s", "mk_unet"), ("monai_unet", "monai")]
)
def test_a_family_is_the_file_that_it_is_written_in(name, family):
    method = registry.find_method(name)
    assert method.family == family
    assert Path(inspect.getfile(method.cls)).stem == family


def test_counting_is_for_three_channels_and_two_classes():
    assert count("bmis_tiny") == read_counts()["bmis_tiny"]
