"""The import rules of docs/architecture.md, read there and enforced on the source itself."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import bmis
from bmis.data.images import read_mask, write_image
from bmis.models import find_method, list_models
from helpers.bundles import write_tiny

ROOT = Path(bmis.__file__).parent
PICTURE = Path(__file__).parents[1] / "docs" / "architecture.md"
TORCH = {  # the workshop: files, or packages all of whose files may import torch
    *("models", "losses", "optim", "checkpoint", "dryrun", "timing", "trainer"),
    *("launch", "run_folder", "torch_runtime", "train", "profiling", "convert", "methods"),
    *("graphs", "export", "warm_start", "teacher"),
    *("data.augment", "data.store"),
}
LAZY_TORCH = {"runtime"}  # inside a function


def layers(text: str) -> list[set[str]]:
    """The numbered lines of the picture, ``2  config  files``, highest first."""
    return [set(names.split()) for names in re.findall(r"^ ?\d+ ((?: +\w+)+)$", text, re.MULTILINE)]


RANK = {
    name: rank
    for rank, names in enumerate(layers(PICTURE.read_text(encoding="utf-8")))
    for name in names
}
FILES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted(ROOT.rglob("*.py"))
    if file.parent != ROOT or not file.name.startswith("__")  # the package's own doors
}


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of all that a piece of source imports, in functions and by ``require`` too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):  # relative ones are banned by ruff's TID252
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "require":
            yield node.args[0].value


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def packages(tree: ast.AST) -> set[str]:
    """First names of what is imported: ``torch``, ``bmis``."""
    return {name.split(".")[0] for name in imported(tree)}


def test_the_picture_shows_every_module_and_no_other():
    assert {name.split(".")[0] for name in FILES} == set(RANK)


def test_no_module_imports_from_its_own_layer_or_above():
    wrong = []
    for name, file in FILES.items():
        owner = name.split(".")[0]
        ours = {i.split(".")[1] for i in imported(parse(file)) if i.startswith("bmis.")}
        wrong += [f"{name} -> {n}" for n in ours - {owner} if RANK.get(n, 99) >= RANK[owner]]
    assert wrong == []


def test_torch_stays_in_the_workshop():
    found = {name for name, file in FILES.items() if "torch" in packages(parse(file))}
    wrong = {n for n in found if n not in TORCH and n.split(".")[0] not in TORCH}
    assert wrong - LAZY_TORCH == set()
    for name in LAZY_TORCH:
        statements = [
            n for n in parse(FILES[name]).body if isinstance(n, ast.Import | ast.ImportFrom)
        ]
        assert all("torch" not in packages(statement) for statement in statements)


ZOO = {"monai", "segmentation_models_pytorch", "timm", "torchvision", "einops"}


def test_networks_that_need_another_library_say_so():
    users = {name for name, file in FILES.items() if packages(parse(file)) & ZOO}
    methods = [find_method(name) for name in list_models()]
    assert users == {f"models.{method.family}" for method in methods if method.extra == "zoo"}


@pytest.mark.parametrize(
    ("package", "homes"),
    [
        ("scipy", {"metrics"}),
        ("matplotlib", {"report"}),
        ("jinja2", {"report"}),
        ("onnxruntime", {"engines", "graphs"}),
        ("openvino", {"engines", "graphs"}),
        ("lightning", {"verbs", "launch", "train", "trainer"}),
    ],
)
def test_other_heavy_packages_stay_at_home(package, homes):
    users = {name.split(".")[0] for name, f in FILES.items() if package in packages(parse(f))}
    assert users
    assert users <= homes


DEVICE = (
    "bmis.bundle, bmis.predict.folder, bmis.runtime.load, bmis.inspect.dataset, bmis.data.phantoms.write, bmis.cli.main, "
    "bmis.evaluate.run, bmis.metrics, bmis.pretrained.listing"
)


@pytest.mark.parametrize(
    "code",
    [
        "import bmis; dir(bmis)",
        "import bmis.cli.main; bmis.cli.main.main(['--help'])",
        f"import {DEVICE}",
    ],
    ids=["the package", "the help", "the device side"],
)
def test_what_runs_on_a_device_loads_no_torch(code):
    assert loaded(code, {"torch", "lightning", "scipy", "onnx"}) == "loaded: []"


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_bundle_is_used_without_torch(engine, tmp_path):
    write_tiny(tmp_path / "a.bmis")
    write_image(tmp_path / "one.png", np.zeros((40, 30, 3), np.uint8))
    argv = ["predict", "a.bmis", "one.png", "--out", "masks", "--engine", engine]
    code = f"import os, bmis.cli.main; os.chdir({str(tmp_path)!r}); bmis.cli.main.main({argv})"
    assert loaded(code, {"torch", "lightning", "scipy", "onnx"}) == "loaded: []"
    assert read_mask(tmp_path / "masks" / "one.png").shape == (40, 30)


def test_the_networks_load_without_the_libraries_that_only_some_are_from():
    """So that the extra "train" is enough for all the others."""
    assert loaded("import bmis.models; bmis.models.list_models()", ZOO) == "loaded: []"


def loaded(code: str, packages: set[str]) -> str:
    """Which of some packages a new interpreter has loaded after this code."""
    lines = [
        "import sys, atexit",
        f"packages = {packages!r}",
        "atexit.register(lambda: print('loaded:', sorted(packages & set(sys.modules))))",
        code,
    ]
    run = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], check=True, capture_output=True, text=True
    )
    return run.stdout.splitlines()[-1]
