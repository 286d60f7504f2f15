"""Predicted costs against known ones; operations against what networks are made of."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from bmis.fit import candidates
from bmis.fit.candidates import Candidate, Counted, count_one, list_networks
from bmis.fit.contenders import contenders
from bmis.fit.costs import Costed, Measured, Prices, cost_all, warn_if_unlike
from bmis.fit.device import WayCost
from bmis.fit.facts import DataFacts, choose_sides, mean_width
from bmis.fit.latency import fit_costs, median_error
from bmis.fit.operations import at_size, count_operations
from bmis.fit.settings import FitConfig
from bmis.models import SegmentationModel, build_model, build_untrained

NAMES = ("operators", "dense", "depthwise", "moved")
TRUE = {"one": 0.4, "operators": 0.01, "dense": 0.02, "depthwise": 0.1, "moved": 0.0}


def networks(count, seed):
    """Random networks and what they cost, up to five percent of noise."""
    random = np.random.default_rng(seed)
    rows = [
        dict(zip(NAMES, random.uniform(10, 200, len(NAMES)), strict=True)) for _ in range(count)
    ]
    noise = random.uniform(0.95, 1.05, count)
    costs = [
        (TRUE["one"] + sum(TRUE[name] * row[name] for name in NAMES)) * off
        for row, off in zip(rows, noise, strict=True)
    ]
    return rows, costs


def test_known_costs_are_found_and_networks_never_seen_predicted():
    rows, costs = networks(24, seed=0)
    model = fit_costs(rows, costs)
    for name in ("dense", "depthwise"):
        assert model.coefficients[name] == pytest.approx(TRUE[name], rel=0.15)
    assert min(model.coefficients.values()) >= 0
    others, truth = networks(50, seed=1)
    assert median_error([model.predict(row) for row in others], truth) < 0.05


class Tiny(SegmentationModel):
    """One convolution of each kind, and a product that grows with the square of the pixels."""

    def __init__(self):
        super().__init__(3, 2, stride=1)
        self.dense = nn.Conv2d(3, 16, 3, padding=1)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.dilated = nn.Conv2d(16, 16, 3, padding=2, dilation=2)
        self.pointwise = nn.Conv2d(16, 2, 1)

    def forward(self, x):
        y = self.pointwise(self.dilated(self.depthwise(self.dense(x))))
        flat = torch.nn.functional.avg_pool2d(y, 8).flatten(2)
        return y + (flat.transpose(1, 2) @ flat).mean()


def test_operations_are_those_of_the_layers_at_any_size():
    pixels = 96 * 96 / 1e6
    found = at_size(count_operations(Tiny().eval()), (96, 96))
    assert found["dense"] == pytest.approx(3 * 16 * 9 * pixels)
    assert found["dilated"] == pytest.approx(16 * 16 * 9 * pixels)
    assert found["depthwise"] == pytest.approx(16 * 9 * pixels)
    assert found["pointwise"] == pytest.approx(16 * 2 * pixels)
    assert found["products"] == pytest.approx(2 * (12 * 12) ** 2 / 1e6)


def test_work_is_near_the_multiplications_that_are_counted_exactly():
    model = build_model("bmis_tiny").eval()
    counted = count_one(Candidate("bmis_tiny"), channels=3, classes=2)
    assert counted.parameters == sum(p.numel() for p in model.parameters())
    assert 330 < counted.work < 500  # 338 without the filled blocks


def test_tiles_of_native_images_count():
    native = Candidate("unet", {}, (256, 256), "native")
    assert native.tiles((584, 565), 16) == 16
    assert Candidate("unet", {}, (256, 256)).tiles((584, 565), 16) == 1


def costed(model, size, work, ms, *, measured=True, **options):
    one = Counted(Candidate(model, options, (size, size)), {"dense": work}, 100, 1)
    return Costed(one, (WayCost("onnxruntime", "int8", ms, 0.1),), measured)


def test_of_each_network_and_size_the_largest_that_fits_takes_part():
    some = [
        costed("bmis_edge", 96, 10, 2, width=16),
        costed("bmis_edge", 96, 20, 4, width=32),
        costed("bmis_edge", 96, 90, 12, width=64),
        costed("bmis_edge", 128, 30, 6, width=32),
        costed("erfnet", 96, 70, 9.5, measured=False),
    ]
    names = [one.candidate.name for one in contenders(some, FitConfig("x", max_ms=10))]
    assert names == ["bmis_edge:width=32 at 128", "bmis_edge:width=32 at 96", "erfnet at 96"]
    unsure = contenders(some, FitConfig("x", max_ms=10), sure=1.1)
    assert "erfnet" not in {one.candidate.model for one in unsure}


@pytest.mark.parametrize(
    ("size", "width", "resize", "sides"),
    [
        ((280, 352), 0.2, "squash", (96, 384)),
        ((584, 565), 0.0075, "native", (96, 512)),  # vessels
        ((256, 256), 0.01, "squash", (256, 256)),  # thin, but its own size is small
        ((256, 320), 0.04, "squash", (128, 320)),
        ((64, 64), 0.2, "squash", (96, 96)),
    ],
)
def test_what_is_thin_is_not_scaled_down(size, width, resize, sides):
    found, usable = choose_sides(size, width)
    assert (found, usable[0], usable[-1]) == (resize, *sides)


@pytest.mark.parametrize(
    ("size", "width", "said"),
    [
        ((280, 352), 0.2, "to 96 pixels it is 19.2 wide, to 384 pixels 76.8, so whole images are"),
        ((256, 256), 0.01, "That is less than the 4 .* about their own size, 256 pixels"),
        ((584, 565), 0.0075, "Scaled to 512 pixels it would be 3.8 wide, less than .* in tiles"),
    ],
)
def test_why_images_are_scaled_or_cut_is_said_with_the_numbers(size, width, said):
    resize, sides = choose_sides(size, width)
    facts = DataFacts("a", {}, 3, ("a", "b"), size, width, "b", 0.1, resize, sides)
    assert re.search(said, " ".join(facts.in_words()))


def test_the_width_of_what_is_marked():
    disc = np.hypot(*(np.mgrid[:101, :101] - 50)) <= 30
    assert mean_width(disc) == pytest.approx(40, rel=0.1)
    line = np.zeros((50, 50), bool)
    line[20] = True
    assert mean_width(line) <= 2


def test_a_network_that_failed_at_one_size_is_not_tried_at_another():
    rows = [costed("erfnet", side, 10, 2).counted for side in (96, 128)]
    rows += [costed("bmis_edge", 96, 20, 2).counted]
    ways = (WayCost("onnxruntime", "int8", 2.0, 0.1),)
    measured = [
        Measured(rows[0].candidate, (), error="no such operator"),
        Measured(rows[2].candidate, ways),
    ]
    found = cost_all(rows, measured, Prices([(rows[2], ways)]), FitConfig("x", max_ms=10))
    assert [one.candidate.model for one in found] == ["bmis_edge"]


def test_a_network_that_raises_what_it_likes_is_refused_alone(monkeypatch):
    def build(name, **args):
        if name == "ulite":
            raise ZeroDivisionError
        return build_untrained(name, **args)

    monkeypatch.setattr(candidates, "build_untrained", build)
    facts = DataFacts(
        "a", {}, 3, ("a", "b"), (64, 64), 0.3, "b", 0.1, "squash", (96,)
    )  # fmt: skip
    networks = [("ulite", {}), ("bmis_edge", {"width": 16, "stages": 3})]
    found = candidates.count_candidates(networks, facts)
    assert found.refused == {"ulite": "ZeroDivisionError"}
    assert len(found.candidates) == 1


def test_the_list_of_networks_names_each_once_and_the_default_plainly():
    names = [Candidate(*network).network for network in list_networks()]
    assert len(set(names)) == len(names)
    assert "bmis_edge" in names


def test_a_device_file_whose_times_do_not_follow_from_one_another_is_named(caplog):
    networks = [Counted(Candidate("unet"), {"dense": float(n)}, 1000, 1) for n in range(1, 9)]

    def rows(*times):
        return [
            (network, (WayCost("onnxruntime", "fp32", ms * network.operations["dense"]),))
            for network, ms in zip(networks, times * 4, strict=True)
        ]

    warn_if_unlike(Prices(rows(1.0, 1.1)), rows(1.0, 1.1), "pi5.json")
    assert not caplog.records
    busy = rows(1.0, 9.0)  # other programs came and went
    warn_if_unlike(Prices(busy), busy, "pi5.json")
    assert "pi5.json: its times do not follow from one another" in caplog.text
