"""Every public function and class says what it does, and shows it in an example that runs."""

import ast
from pathlib import Path

import pytest

import bmis

ROOT = Path(bmis.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


def public(file):
    """Functions and classes of a module that have no leading underscore."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [n for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_every_public_name_has_an_example(file):
    lacking = [n.name for n in public(file) if ">>> " not in (ast.get_docstring(n) or "")]
    assert lacking == []
