"""What a kind of mutants makes: commands to run, and what they must leave behind."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True)
class Mutant:
    """One hostile input.

    Attributes:
        commands: Arguments of ``bmis``, a list for each command.
        wanted: Files that must be there afterwards, because good files lie beside the bad one.
        note: What was done to the input, in a few words.
    """

    commands: list[list[str]]
    wanted: tuple[Path, ...] = ()
    note: str = ""


Make = Callable[[Random, Path, Path], Mutant]
"""Takes a generator, the folder of sound files and an empty folder for the mutant."""
