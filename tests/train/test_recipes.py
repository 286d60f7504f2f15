"""The named recipes, and how they are found, changed and recorded."""

import json

import pytest

from bmis.errors import ConfigError
from bmis.train.recipes import RECIPES, Augmentation, Recipe, find_recipe


def test_paper_is_the_published_protocol_in_every_number():
    assert find_recipe("paper").to_dict() == {
        "loss": "published",
        "optimizer": "adam",
        "learning_rate": 1e-4,
        "weight_decay": 1e-8,
        "batch_size": 6,
        "schedule": "warm_restarts",
        "average": 0.0,
        "clip": 0.0,
        "augmentation": {
            "flip": 0.5,
            "rotate": 30.0,
            "scale": [1.0, 1.0],
            "shift": 0.0,
            "elastic": 0.0,
            "brightness": 0.0,
            "contrast": 0.0,
            "gamma": 0.0,
            "colour": 0.0,
            "noise": 0.0,
            "smooth": False,  # nearest neighbour, zero fill
        },
    }


def test_the_three_recipes_of_the_command_line():
    assert sorted(RECIPES) == ["default", "fast", "paper"]


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_is_the_same_after_json(name):
    recipe = find_recipe(name)
    read = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert read == recipe
    assert isinstance(read.augmentation, Augmentation)
    assert isinstance(read.augmentation.scale, tuple)


def test_overrides_replace_settings_unless_they_are_none():
    recipe = find_recipe("default", batch_size=3, learning_rate=None)
    assert recipe.batch_size == 3
    assert recipe.learning_rate == RECIPES["default"].learning_rate
    assert recipe.augmentation == RECIPES["default"].augmentation
    assert RECIPES["default"].batch_size != 3


def test_a_misspelt_recipe_gets_a_suggestion():
    with pytest.raises(ConfigError, match=r"unknown recipe 'papre' \(did you mean 'paper'\?\)"):
        find_recipe("papre")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_size": 0}, "batch size must be 1 or more, got 0"),
        ({"learning_rate": 0.0}, "learning rate must lie between 0 and 1, got 0"),
        ({"learning_rate": float("nan")}, "learning rate must lie between 0 and 1, got nan"),
        ({"loss": "dice_ce"}, "unknown loss 'dice_ce'; available: ce_dice, published"),
        ({"optimizer": "adamx"}, "unknown optimizer 'adamx'"),
        ({"schedule": "onecycle"}, r"unknown schedule 'onecycle' \(did you mean 'one_cycle'"),
        ({"momentum": 0.9}, "unknown setting 'momentum' of Recipe"),
    ],
)
def test_wrong_settings_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        find_recipe("default", **values)
