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
DOCS = Path(__file__).parents[1] / "docs" / "architecture.md"
LAZY_TORCH = {"runtime.load"}  # inside a function


def blocks(text: str) -> list[str]:
    """The blocks between ``` of a Markdown page."""
    return re.findall(r"```\n(.*?)```", text, re.DOTALL)


*_, LAYERS, TORCH_HOMES = blocks(DOCS.read_text(encoding="utf-8"))
RANK = {name: rank for rank, line in enumerate(LAYERS.splitlines()) for name in line.split()[1:]}
TORCH = set(TORCH_HOMES.split())
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


def test_the_docs_show_every_package_and_no_other():
    assert {name.split(".")[0] for name in FILES} == set(RANK)


def test_no_module_imports_from_its_own_layer_or_above():
    wrong = []
    for name, file in FILES.items():
        owner = name.split(".")[0]
        ours = {i.split(".")[1] for i in imported(parse(file)) if i.startswith("bmis.")}
        wrong += [f"{name} -> {n}" for n in ours - {owner} if RANK.get(n, 99) >= RANK[owner]]
    assert wrong == []


def test_torch_stays_where_it_lives():
    users = {name for name, file in FILES.items() if "torch" in packages(parse(file))}
    outside = {name for name in users if not {name, name.split(".")[0]} & TORCH}
    assert outside == LAZY_TORCH
    for name in LAZY_TORCH:
        statements = [
            n for n in parse(FILES[name]).body if isinstance(n, ast.Import | ast.ImportFrom)
        ]
        assert all("torch" not in packages(statement) for statement in statements)


def test_package_doors_only_hand_names_on():
    for file in ROOT.glob("*/**/__init__.py"):
        for node in parse(file).body:
            is_list = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            is_docstring = isinstance(node, ast.Expr)
            assert is_list or is_docstring or isinstance(node, ast.ImportFrom), file


def test_the_top_level_holds_packages_and_a_few_modules():
    modules = {file.stem for file in ROOT.glob("*.py")}
    assert modules == {"__init__", "__main__", "errors", "records", "wording"}


ZOO = {"monai", "segmentation_models_pytorch", "timm", "torchvision", "einops"}


def test_networks_that_need_another_library_say_so():
    users = {name for name, file in FILES.items() if packages(parse(file)) & ZOO}
    methods = [find_method(name) for name in list_models()]
    needing = {m.cls.__module__ for m in methods if m.extra == "zoo"}
    assert {f"bmis.{name}" for name in users} == needing


@pytest.mark.parametrize(
    ("package", "homes"),
    [
        ("scipy", {"fit", "metrics"}),
        ("matplotlib", {"report"}),
        ("jinja2", {"cli", "report"}),
        ("onnxruntime", {"runtime", "export"}),
        ("openvino", {"runtime", "export"}),
        ("ncnn", {"runtime"}),
        ("pnnx", {"export"}),
        ("lightning", {"cli", "train"}),
        ("pycocotools", {"importing"}),
        ("pydicom", {"clinical", "data", "serve"}),
        ("highdicom", {"clinical"}),
        ("nibabel", {"data"}),
        ("fastapi", {"serve"}),
        ("python_multipart", {"serve"}),
        ("uvicorn", {"serve"}),
        ("prometheus_client", {"serve"}),
        ("optuna", {"fit"}),
        ("pynetdicom", {"serve"}),
        ("dicomweb_client", {"serve"}),
    ],
)
def test_other_heavy_packages_stay_at_home(package, homes):
    users = {name.split(".")[0] for name, f in FILES.items() if package in packages(parse(f))}
    assert users
    assert users <= homes


DEVICE = (
    "bmis.bundle, bmis.predict.folder, bmis.runtime.load, bmis.inspect.dataset, "
    "bmis.data.phantoms.write, bmis.cli.main, bmis.importing.run, "
    "bmis.fit.bench, bmis.evaluate.run, bmis.clinical.run, bmis.clinical.inspection, "
    "bmis.metrics, bmis.pretrained.listing, bmis.serve.run, bmis.serve.app, "
    "bmis.serve.node.run"
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
