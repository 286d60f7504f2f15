"""The registry of names, and the sizes that a model takes."""

import sys

import pytest
import torch

from bmis.errors import ConfigError, DataError, MissingExtraError
from bmis.models import (
    SegmentationModel,
    TrainingView,
    build_model,
    find_method,
    list_models,
    register,
    takes_size,
)


class Network(SegmentationModel):
    """One number for all pixels, and twice that beside it."""

    auxiliary_weights = (0.5,)

    def __init__(self, in_channels=3, num_classes=2, *, only=None, smallest=None):
        super().__init__(in_channels, num_classes, stride=8, smallest=smallest, fixed_size=only)
        self.offset = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        self.check_input(x)
        return self.offset.expand(len(x), self.num_classes, *x.shape[2:])

    def training_logits(self, x):
        return self(x), 2 * self(x)


class Sized(Network):
    """Built for one size."""

    def __init__(self, in_channels=3, num_classes=2, *, size=(16, 16)):
        super().__init__(in_channels, num_classes, only=tuple(size))


class Without:
    """Answers for a package as Python does where it is not installed."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, *_):
        if name == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_what_is_registered_is_found():
    facts = {"source": "arXiv:1234.56789", "licence": "MIT", "extra": "zoo"}
    assert register("net_8", group="light", **facts, smallest=8)(Network) is Network
    register("net_16", group="light", **facts, smallest=16)(Network)
    found = find_method("net_16")
    assert (found.name, found.cls, found.preset) == ("net_16", Network, {"smallest": 16})
    assert (found.group, found.source, found.licence) == ("light", "arXiv:1234.56789", "MIT")
    assert (found.extra, found.family) == ("zoo", "test_base")
    assert {"net_8", "net_16"} < set(list_models())
    assert [build_model(name).smallest for name in ("net_8", "net_16")] == [8, 16]
    assert build_model("net_16", smallest=24).smallest == 24  # what is given goes over the preset


def test_a_network_of_a_user_needs_no_more_than_a_name():
    register("mine")(Network)
    assert (find_method("mine").group, find_method("mine").extra) == ("own", None)


def test_every_shipped_network_says_where_it_is_from():
    for name in list_models():
        method = find_method(name)
        assert method.group != "own"
        assert method.source.startswith(("arXiv:", "doi:")), name
        assert method.licence, name


def test_a_group_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match=r"'heavy'.*light, classic, transformer"):
        register("net", group="heavy")


def test_only_some_networks_take_a_size():
    register("net")(Network)
    register("sized")(Sized)
    assert (takes_size("net"), takes_size("sized")) == (False, True)
    assert build_model("sized", size=[24, 32]).fixed_size == (24, 32)


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("smp_unet", "segmentation_models_pytorch"),
        ("monai_unet", "monai"),
        ("monai_unetr", "einops"),
        ("monai_flexible_unet", "monai"),
        ("tv_fcn", "torchvision"),
    ],
)
def test_without_its_library_a_network_is_listed_and_says_what_to_install(
    name, package, monkeypatch
):
    for module in list(sys.modules):
        if module.split(".")[0] == package:
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [Without(package), *sys.meta_path])
    assert name in list_models()
    with pytest.raises(
        MissingExtraError, match=rf'{package} is needed .*: pip install "bmis\[zoo\]"$'
    ):
        build_model(name)


def test_a_misspelt_name_gets_a_suggestion():
    for ask in (build_model, find_method, takes_size):
        with pytest.raises(ConfigError, match=r"unknown model 'bmsi' \(did you mean 'bmis'\?\)"):
            ask("bmsi")


def test_an_unknown_option_is_named():
    with pytest.raises(ConfigError, match=r"model 'bmis'.*'depht'"):
        build_model("bmis", depht=3)


def test_an_option_of_another_kind_is_named_with_its_value():
    with pytest.raises(ConfigError, match=r"model 'bmis': .*; given: dropout=0\.1$"):
        build_model("bmis", dropout=0.1)


def test_a_name_is_given_once():
    with pytest.raises(ValueError, match="'bmis' is already taken by BMIS"):
        register("bmis")(SegmentationModel)


@pytest.mark.parametrize(
    ("size", "fits"), [((1, 1), (16, 16)), ((16, 17), (16, 24)), ((100, 8), (104, 16))]
)
def test_a_size_fits_from_the_smallest_on_in_steps_of_the_stride(size, fits):
    assert Network(smallest=16).valid_size(*size) == fits


def test_without_a_smallest_the_stride_is_it():
    assert Network().valid_size(1, 9) == (8, 16)


def test_a_network_for_one_size_fits_that_alone():
    model = Sized(size=(16, 32))
    assert model.valid_size(100, 8) == (16, 32)
    assert model(torch.zeros(1, 3, 16, 32)).shape == (1, 2, 16, 32)
    for height, width in [(32, 16), (8, 8), (24, 32)]:
        with pytest.raises(
            DataError,
            match=f"takes 16x32 pixels only, got {height}x{width}; resize the image, or build "
            rf"the network with size=\({height}, {width}\)",
        ):
            model(torch.zeros(1, 3, height, width))


@pytest.mark.parametrize("size", [(8, 16), (16, 20), (15, 16)])
def test_a_size_that_does_not_fit_is_refused_with_the_fix(size):
    model = Network(smallest=16)
    fits = "x".join(str(side) for side in model.valid_size(*size))
    with pytest.raises(DataError, match=f"multiples of 8, 16 or more, .* pad the image to {fits}"):
        model(torch.zeros(1, 3, *size))


def test_a_training_view_answers_with_all_that_is_trained():
    model = Network()
    with torch.no_grad():
        answers = TrainingView(model)(torch.zeros(1, 3, 8, 8))
    assert [answer.unique().item() for answer in answers] == [1, 2]
    assert len(answers) == 1 + len(model.auxiliary_weights)


@pytest.mark.parametrize("counts", [(0, 2), (3, 0)])
def test_a_network_without_channels_is_refused(counts):
    with pytest.raises(ConfigError, match=f"at least 1, got {counts[0]} and {counts[1]}"):
        Network(*counts)
