"""One network, one mask: by torch, by each engine, by every way to give an image."""

import numpy as np
import pytest
import torch

from bmis import load
from bmis.bundle import Graph, write_bundle
from bmis.cli.main import main
from bmis.config import InputSpec, ModelConfig, ModelInfo
from bmis.data.images import read_image, read_mask
from bmis.data.phantoms.write import write_phantoms
from bmis.data.preprocess import fit, normalise
from bmis.export.onnx import serialised, to_onnx
from bmis.models import build_model
from bmis.models.checkpoint import save_model
from bmis.runtime.engines import engine_has_bf16
from helpers.bundles import CARD, manifest

OPTIONS = {"widths": (4, 8, 12), "depths": (1, 1), "dilations": (2,)}
SIZE = (64, 96)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Phantoms, and a network with random weights as a run and as bundles."""
    root = tmp_path_factory.mktemp("same")
    write_phantoms(root / "data", modality="endoscopy", count=4, size=(100, 130), seed=3)
    torch.manual_seed(1)
    model = build_model("bmis", num_classes=3, **OPTIONS).eval()
    balance(model, sorted((root / "data" / "images").iterdir())[0])
    graph = serialised(to_onnx(model, SIZE))
    for rule in ("squash", "native"):
        spec = InputSpec(SIZE, 3, resize=rule)
        info = ModelInfo(ModelConfig("bmis", 3, 3, OPTIONS), spec, ("a", "b", "c"))
        (root / rule).mkdir()
        save_model(root / rule / "model.safetensors", model, info)
        declared = manifest(
            info=info, classes=3, graphs=(Graph("model.onnx", "onnx", "float32", SIZE),)
        )
        write_bundle(root / f"{rule}.bmis", declared, {"model.onnx": graph}, CARD)
    return root


def balance(model, image):
    """Let every class be the largest somewhere, which random weights do not."""
    spec = InputSpec(SIZE, 3)
    batch = normalise(fit(read_image(image, channels=3).pixels, spec)[0], spec)[None]
    with torch.inference_mode():
        middles = model(torch.from_numpy(batch)).flatten(2).median(2).values[0]
        model.head.bias.sub_(middles)


def agreement(one, other):
    return float((one.labels == other.labels).mean())


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["squash", "native"])
@pytest.mark.parametrize(
    ("engine", "precision", "least"),
    [("onnxruntime", "fp32", 0.9999), ("openvino", "fp32", 0.9999), ("openvino", "bf16", 0.98)],
)
def test_engines_give_the_masks_of_torch(work, rule, engine, precision, least):
    if precision == "bf16" and not engine_has_bf16(engine):
        precision = "fp32"
    trained = load(work / rule, device="cpu", probabilities=True)
    bundle = load(
        work / f"{rule}.bmis", engine=engine, precision=precision, probabilities=True, threads=1
    )
    for image in sorted((work / "data" / "images").iterdir()):
        wanted, got = trained(image), bundle(image)
        assert len(np.unique(wanted.labels)) > 1  # or agreeing would be easy
        assert agreement(wanted, got) >= least
        if precision == "fp32":
            np.testing.assert_allclose(got.probabilities, wanted.probabilities, atol=1e-4)


@pytest.mark.slow
def test_the_command_line_gives_the_masks_of_python(work, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bundle, images = work / "squash.bmis", work / "data" / "images"
    argv = ["predict", bundle, images, "--out", tmp_path / "masks", "--engine", "onnxruntime"]
    assert main([str(part) for part in argv]) == 0
    predictor = load(bundle, engine="onnxruntime")
    for path in sorted(images.iterdir()):
        written = read_mask(tmp_path / "masks" / f"{path.stem}.png")
        np.testing.assert_array_equal(written, predictor(path).labels)
        np.testing.assert_array_equal(written, predictor(read_image(path).pixels).labels)
