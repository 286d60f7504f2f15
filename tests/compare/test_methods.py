"""The names of methods: networks, options, groups."""

import pytest

from bmis.compare.methods import find_methods
from bmis.errors import ConfigError
from bmis.models import find_method, list_models


def names(*texts):
    return [variant.text for variant in find_methods(texts)]


def test_names_keep_their_order_and_repeats_are_dropped():
    assert names("unet,bmis", "bmis_tiny,unet") == ["unet", "bmis", "bmis_tiny"]


def test_a_group_stands_for_its_networks():
    classic = names("classic")
    assert "unet" in classic
    assert "bmis" not in classic
    assert all(find_method(name).group == "classic" for name in classic)


@pytest.mark.slow
def test_all_stands_for_every_network():
    assert names("all") == list_models()


@pytest.mark.parametrize(
    "text", ["bmis:eca=false,depths=[1,2],unet", "bmis: eca=False,depths=[1, 2] , unet"]
)
def test_options_belong_to_their_network_in_one_spelling(text):
    first, second = find_methods([text])
    assert first.text == "bmis:depths=[1,2],eca=false"
    assert (first.name, first.options) == ("bmis", {"depths": [1, 2], "eca": False})
    assert second.text == "unet"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("unett", r"unknown method 'unett' \(did you mean 'unet'"),
        ("lihgt", "did you mean 'light'"),
        ("bmis:eka=false", "model 'bmis': .*eka"),
        ("bmis:eca", "options are NAME:OPTION=VALUE"),
        ("bmis:eca=[", "options are NAME:OPTION=VALUE"),
        ("bmis:widths=[1]", "widths"),
        (" , ", "no methods were given"),
    ],
)
def test_what_cannot_be_built_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        find_methods([text])


@pytest.mark.parametrize(
    ("weights", "texts"),
    [
        (None, ["bmis_edge", "unet", "lv_unet", 'bmis_edge_s:weights="none"']),
        ("imagenet", ["bmis_edge", "unet", 'lv_unet:weights="imagenet"', None]),
        ("none", ['bmis_edge:weights="none"', "unet", "lv_unet", None]),
    ],
)
def test_weights_are_asked_of_all_that_have_the_choice_and_do_not_say(weights, texts):
    asked = ["bmis_edge", "unet", "lv_unet", "bmis_edge_s:weights=none"]
    found = [variant.text for variant in find_methods(asked, weights)]
    assert found == [text or 'bmis_edge_s:weights="none"' for text in texts]
