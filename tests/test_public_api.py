"""The public names: one list everywhere, documented, and there without torch."""

import ast
import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import bmis
from helpers.tiny import NETWORK

SOURCE = Path(bmis.__file__).read_text(encoding="utf-8")
PAGE = Path(__file__).parents[1] / "docs" / "reference" / "api.md"
NAMES = sorted(set(bmis.__all__) - {"__version__"})


def imported_for_type_checkers():
    """name -> module of every import under ``if TYPE_CHECKING``."""
    (block,) = (node for node in ast.parse(SOURCE).body if isinstance(node, ast.If))
    return {a.asname or a.name: node.module for node in block.body
            if isinstance(node, ast.ImportFrom) for a in node.names}  # fmt: skip


def test_type_checkers_see_the_same_names_from_the_same_places():
    told = {name: f"bmis.{module}" for name, module in bmis._HOME.items()}
    assert imported_for_type_checkers() == told
    assert len(set(bmis.__all__)) == len(bmis.__all__)


def test_the_api_reference_describes_the_same_names():
    listed = re.findall(r"^\.\. auto\w+:: (\w+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_what_its_module_has(name):
    value = getattr(bmis, name)
    assert value is getattr(import_module(f"bmis.{bmis._HOME[name]}"), name)
    assert callable(value)
    assert value.__name__ == name


@pytest.mark.parametrize("name", NAMES)
def test_whoever_takes_a_path_takes_its_text(name):
    value = getattr(bmis, name)
    if inspect.isfunction(value):
        takes = inspect.signature(value).parameters.values()
        told = {p.name: str(p.annotation) for p in takes if "Path" in str(p.annotation)}
        assert [name for name, said in told.items() if "str" not in said] == []


def test_masks_by_text_alone(dataset, tmp_path):
    model, out = str(tmp_path / "model.safetensors"), str(tmp_path / "masks")
    network = bmis.build_model("bmis", **NETWORK)
    info = bmis.ModelInfo(
        bmis.ModelConfig("bmis", options=NETWORK), bmis.InputSpec(size=(32, 32)), ("back", "front")
    )
    bmis.save_model(model, network, info)
    assert bmis.load_model(model)[1] == info
    images = [str(path) for path in bmis.find_images(str(dataset / "images"))]
    bmis.predict_masks(model, images, out)
    shape = bmis.read_image(images[0]).pixels.shape[:2]
    assert bmis.read_image(str(Path(out) / f"{Path(images[0]).stem}.png")).pixels.shape[:2] == shape
    assert bmis.read_records(str(dataset)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_documented_with_all_it_takes(name):
    value = getattr(bmis, name)
    text = inspect.getdoc(value)
    assert text
    assert text[0].isupper()
    if inspect.isclass(value):
        if issubclass(value, Exception):
            return
        text += inspect.getdoc(value.__init__) or ""
    takes = inspect.signature(value).parameters
    assert [p for p in takes if not re.search(rf"^ *{p}: ", text, re.MULTILINE)] == []
    assert not takes or re.search("^ *(Args|Attributes):$", text, re.MULTILINE)


def test_there_is_nothing_else():
    with pytest.raises(AttributeError, match="module 'bmis' has no attribute 'trian_model'"):
        _ = bmis.trian_model
    assert dir(bmis) == sorted(bmis.__all__)


def test_the_package_loads_without_torch_and_its_settings_too():
    code = (
        "import sys, bmis; bmis.TrainConfig('data'); bmis.read_image; bmis.Predictor; "
        "bmis.write_phantoms; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_version_is_that_of_the_distribution():
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", bmis.__version__)
