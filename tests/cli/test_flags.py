"""Options that follow from settings: one for each field, with its default and its help."""

from argparse import ArgumentParser
from dataclasses import dataclass, fields
from typing import Annotated

import pytest
from msgspec import Meta

from bmis.cli.flags import add_flags, changes_from, settings_from
from bmis.compare.settings import CompareConfig
from bmis.config import PostProcessing, RuntimeOptions, Settings, TrainConfig
from bmis.export.settings import ExportOptions
from bmis.importing.settings import ImportOptions

GIVEN = {TrainConfig: ["d"], CompareConfig: ["d", "--methods", "m"]}
KINDS = [
    *(TrainConfig, RuntimeOptions, CompareConfig, ExportOptions, ImportOptions, PostProcessing)
]


def parser_of(kind, **how):
    parser = ArgumentParser()
    add_flags(parser, kind, **how)
    return parser


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_given_has_the_default_of_the_field(kind):
    left_out = ["plugins"] if kind in (CompareConfig, TrainConfig) else []
    argv = GIVEN.get(kind, [])
    found = settings_from(parser_of(kind, leave_out=left_out).parse_args(argv), kind)
    required = {TrainConfig: ("d",), CompareConfig: (("d",), ("m",))}.get(kind, ())
    assert found == kind(*required)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described_in_docstring_and_help(kind):
    left_out = ["plugins"] if kind in (CompareConfig, TrainConfig) else []
    text = " ".join(parser_of(kind, leave_out=left_out).format_help().split())
    for one in fields(kind):
        (line,) = (x for x in kind.__doc__.splitlines() if x.startswith(f"    {one.name}: "))
        if one.name not in [*left_out, "conditions", "postprocessing"]:
            words = line.partition(": ")[2].removesuffix(".")[1:]
            assert " ".join(words.split()) in text.replace("- ", "-")


def test_settings_inside_of_settings_are_offered_beside_the_others():
    argv = ["d", "e", "--methods", "m", "--epochs", "3", "--size", "32", "--seeds", "2"]
    args = parser_of(CompareConfig, leave_out=["plugins"]).parse_args(argv)
    args.plugins = ["mine.py"]
    found = settings_from(args, CompareConfig)
    assert (found.conditions.epochs, found.conditions.size) == (3, (32, 32))
    assert (found.data, found.seeds, found.plugins) == (("d", "e"), 2, ("mine.py",))


@pytest.mark.parametrize(
    ("argv", "size"),
    [([], None), (["--size", "any"], "any"), (["--size", "32,48"], (32, 48))],
)
def test_a_size_or_a_word(argv, size):
    assert settings_from(parser_of(ExportOptions).parse_args(argv), ExportOptions).size == size


def test_options_that_change_settings_have_no_defaults_and_put_off_too():
    parser = parser_of(PostProcessing, changing=True)
    assert changes_from(parser.parse_args([]), PostProcessing) == {}
    argv = ["--threshold", "0.5", "--no-fill-holes", "--largest-piece"]
    assert changes_from(parser.parse_args(argv), PostProcessing) == {
        "threshold": 0.5, "fill_holes": False, "largest_piece": True
    }  # fmt: skip
    assert "(default" not in parser.format_help()


@dataclass(frozen=True)
class Share(Settings):
    """Settings whose help holds what ``argparse`` takes for a format."""

    part: Annotated[float, Meta(description="Part of 100 % (in %s).")] = 0.5


def test_the_help_may_hold_percent_signs():
    assert "part of 100 % (in %s) (default: 0.5)" in parser_of(Share).format_help()
