"""The named recipes, and how they are found, changed and recorded."""

import json
from dataclasses import replace

import pytest
import yaml

from bmis.config import Augmentation
from bmis.errors import ConfigError
from bmis.train.recipes import RECIPES, Recipe, find_recipe


def test_paper_is_the_published_protocol_in_every_number():
    assert find_recipe("paper").to_dict() == {
        "loss": "published",
        "optimizer": "adam",
        "learning_rate": 1e-4,
        "trunk_rate": 1.0,
        "weight_decay": 1e-8,
        "batch_size": 6,
        "schedule": "warm_restarts",
        "average": 0.0,
        "clip": 0.0,
        "patience": 0,
        "class_weights": "none",
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
            "quarter_turns": 0.0,
            "zoom_out": 0.0,
            "border": 0.0,
            "dark_corners": 0.0,
            "grey": 0.0,
            "paste": 0.0,
        },
        "distillation": {"logits": 1.0, "features": 0.0},  # of a teacher, which there is not
        "unlabelled": {"weight": 1.0, "ramp_up": 0.3},
    }


def test_the_recipes_of_the_command_line():
    assert sorted(RECIPES) == ["default", "fast", "paper", "robust"]


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


def test_a_file_changes_a_recipe_and_leaves_the_rest(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("base: fast\nlearning_rate: 0.001\naugmentation: {flip: [0, 0.5]}\n")
    fast, mine = RECIPES["fast"], find_recipe(str(file))
    assert mine.learning_rate == 0.001
    assert mine.augmentation == replace(fast.augmentation, flip=(0.0, 0.5))
    assert replace(mine, learning_rate=fast.learning_rate, augmentation=fast.augmentation) == fast
    file.write_text(yaml.safe_dump(RECIPES["paper"].to_dict()))  # whole, as it is shown
    assert find_recipe(str(file)) == RECIPES["paper"]


def test_changes_reach_into_the_augmentation():
    recipe = find_recipe("default", {"augmentation.rotate": 5, "clip": 0}, batch_size=2)
    default = RECIPES["default"]
    assert recipe.augmentation == replace(default.augmentation, rotate=5.0)
    assert (recipe.clip, recipe.batch_size) == (0.0, 2)
    assert default.clip == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learnig_rate: 1", r"mine.yaml: unknown setting 'learnig_rate' of Recipe \(did you mean"),
        ("augmentation: {flp: 0}", r"mine.yaml: unknown setting 'flp' of Augmentation \(did you"),
        ("base: papr", "mine.yaml: base must be one of default, robust, fast, paper, got 'papr'"),
        ("average: 2", "mine.yaml: average must be below 1"),
        ("- 1", "mine.yaml: must have lines like 'learning_rate: 0.001'"),
        ("a: [", "mine.yaml: "),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path, text, message):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        find_recipe(str(file))
    with pytest.raises(ConfigError, match=r"no.yaml: cannot be read"):
        find_recipe(str(tmp_path / "no.yaml"))


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
        ({"learning_rate": "x"}, "learning_rate must be a number, got 'x'"),
        ({"clip": -1}, "clip must be 0.0 or more, got -1"),
        ({"augmentation": 3}, "augmentation must be"),
        ({"augmentation": {"flip": 2}}, "flip must be a probability from 0 to 1, or two, got 2"),
        ({"augmentation": {"scale": [2, 1]}}, "scale must be two rising numbers above 0"),
        ({"momentum": 0.9}, "unknown setting 'momentum' of Recipe"),
    ],
)
def test_wrong_settings_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        find_recipe("default", **values)
