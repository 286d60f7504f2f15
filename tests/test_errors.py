"""The tree of errors, suggestions, and the answer to a package that is not there."""

import ast
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from bmis import errors
from bmis.errors import (
    BmisError,
    MissingExtraError,
    did_you_mean,
    install_line,
    is_out_of_memory,
    require,
)


def test_one_base_catches_everything_raised_on_purpose():
    kinds = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, Exception)]
    assert len(kinds) >= 7
    assert all(issubclass(kind, BmisError) for kind in kinds)


def test_a_near_name_is_suggested_before_all_are_listed():
    assert did_you_mean("papre", ["default", "paper"]) == (
        " (did you mean 'paper'?); available: default, paper"
    )
    assert did_you_mean("zzz", (name for name in ("a", "b"))) == "; available: a, b"


def test_what_is_there_is_imported():
    assert require("json.decoder", extra="train") is sys.modules["json.decoder"]


@pytest.mark.parametrize("module", ["torchless", "torchless.below.it"])
def test_what_is_missing_gets_the_install_line(module):
    message = r'^torchless is needed for this; install it with: pip install "bmis\[train\]"$'
    with pytest.raises(MissingExtraError, match=message):
        require(module, extra="train")


def test_a_bmis_that_is_not_installed_is_named_by_its_folder(monkeypatch):
    """pip knows the extras of an installed bmis alone, and no index has it."""

    def lost(name):
        raise PackageNotFoundError(name)

    assert install_line("zoo") == 'pip install "bmis[zoo]"'
    monkeypatch.setattr("importlib.metadata.distribution", lost)
    folder, extra = re.fullmatch(r'pip install "(.*)\[(\w+)\]"', install_line("zoo")).groups()
    assert extra == "zoo"
    assert tomllib.loads((Path(folder) / "pyproject.toml").read_text())["project"]["name"] == "bmis"


SOURCE = Path(errors.__file__).parent
ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
ALIASES = {
    "onnxruntime": "onnx",  # its part for int8 works on graphs of onnx
    "dicomanonymizer": "dicom_anonymizer",
    "gdcm": "python_gdcm",
}


def packages_of(extra):
    """The packages that an extra brings, those of the extras in it included."""
    for line in EXTRAS[extra]:
        name, inner = re.match(r"([\w-]+)(?:\[(.*)\])?", line).groups()
        if name == "bmis":
            yield from (package for other in inner.split(",") for package in packages_of(other))
        else:
            yield name.lower().replace("-", "_")


def asked_for():
    """Package and extra of every call of ``require`` and ``needs``; no package for others."""
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            name = getattr(getattr(node, "func", None), "id", None)
            if name in ("require", "needs"):
                extra = next(word.value for word in node.keywords if word.arg == "extra")
                first = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
                if isinstance(extra, ast.Constant):
                    yield first and first.split(".")[0], extra.value
            elif name == "install_line" and isinstance(node.args[0], ast.Constant):
                yield None, node.args[0].value


def test_each_extra_in_a_message_is_there_and_brings_the_package():
    asked = set(asked_for())
    assert {("torch", "train"), ("monai", "zoo"), (None, "tiff")} <= asked
    for package, extra in asked:
        wanted = ALIASES.get(package, package)
        assert wanted is None or wanted.lower() in set(packages_of(extra)), (package, extra)


def test_a_package_that_is_broken_inside_says_so_itself(tmp_path, monkeypatch):
    (tmp_path / "halfthere.py").write_text("import not_there_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        require("halfthere", extra="train")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("Failed to allocate memory for requested buffer of size 12"),
        ImportError("std::bad_alloc"),
        OSError("failed to map segment from shared object"),
    ],
)
def test_memory_that_ran_out_is_recognised_in_the_words_of_all_libraries(error):
    assert is_out_of_memory(error)


def test_other_errors_are_not_taken_for_missing_memory():
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
