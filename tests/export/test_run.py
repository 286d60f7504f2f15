"""From a trained network to one file, which gives the network's masks or is not written."""

import json
import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import bmis
import bmis.export.run
from bmis.bundle import read_bundle
from bmis.cli.export import render
from bmis.cli.main import main
from bmis.data.phantoms.write import write_phantoms
from bmis.errors import BmisError, BundleError, ConfigError, DataError, MissingExtraError
from bmis.export.run import export_run
from bmis.export.settings import ExportOptions
from bmis.export.validation import FIXED, ExportedGraph, Fixed
from bmis.runtime.torch_network import TorchRuntime
from helpers.fakes import hide
from helpers.tiny import NETWORK

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("export") / "polyps"
    write_phantoms(root, modality="endoscopy", count=40, size=(64, 64), seed=0, difficulty=0.0)
    file = root / "dataset.yaml"
    file.write_text(re.sub("name: .*", "name: polyps", file.read_text(encoding="utf-8")), "utf-8")
    return root


@pytest.fixture(scope="module")
def run(data):
    config = bmis.TrainConfig(
        str(data), options=NETWORK, size=(64, 64), epochs=60, learning_rate=0.01, precision="32",
        device="cpu",
    )  # fmt: skip
    return bmis.train_model(config, out=str(data.parent / "run"), page=False).run


@pytest.fixture(scope="module")
def both(run):
    out = run.parent / "both.bmis"
    options = ExportOptions(int8=True, keep_float=True, formats=("onnx", "openvino"))
    return export_run(run, out, options)


def masks(path, data, **options):
    predictor = bmis.load(path, **options)
    return np.stack([predictor(image).labels for image in sorted((data / "images").iterdir())])


def test_the_bundle_gives_the_masks_of_the_run(both, run, data):
    expected = masks(run, data)
    assert 0.02 < expected.mean() < 0.9
    for engine in ("onnxruntime", "openvino"):
        exact = masks(both.path, data, engine=engine, precision="fp32")
        assert (exact != expected).mean() < 1e-4
        int8 = masks(both.path, data, engine=engine, precision="int8")
        assert 0 < (int8 != exact).mean() < 0.02


def test_ncnn_beside_onnx_gives_the_masks_of_the_run(run, data, tmp_path):
    pytest.importorskip("ncnn")
    pytest.importorskip("pnnx")
    options = ExportOptions(formats=("onnx", "ncnn"), size="any")
    done = export_run(run, tmp_path / "a.bmis", options)
    onnx_graph, graph = done.manifest.graphs
    assert (onnx_graph.size, graph.size) == (None, (64, 64))
    assert graph.check["logits_error"] < 1e-4
    found = masks(done.path, data, engine="ncnn")
    assert (found != masks(run, data)).mean() < 1e-4


def test_the_manifest_describes_the_bundle(both, run, data):
    manifest = read_bundle(both.path).manifest
    assert manifest == both.manifest
    assert manifest.info.model.name == "bmis"
    model, info = bmis.load_model(run)
    assert replace(manifest.info, ood=None) == info
    assert manifest.parameters == sum(p.numel() for p in model.parameters())
    alarms = manifest.quality["false_alarms"]
    assert manifest.quality == {
        "data": "polyps", "split": "test", "images": 8, "fields_of_view": 0,
        "false_alarms": alarms,
    }  # fmt: skip
    for graph in manifest.graphs:
        assert graph.size == (64, 64)
        assert graph.check["images"] == 8
        assert graph.check["iou_torch"] == pytest.approx(
            bmis.evaluate_model(run, out=run / "eval").summary["cases"]["iou"]["mean"]
        )
    exact, quantised = (g for g in manifest.graphs if g.format == "onnx")
    assert exact.check["logits_error"] < 1e-4 < quantised.check["logits_error"]


def test_the_bundle_detects_images_out_of_distribution(both, data):
    predictor = bmis.load(both.path)
    cases = bmis.open_dataset(data).split("test")
    values = [predictor(case.image).ood_score for case in cases]
    assert both.manifest.quality["false_alarms"] == np.mean(np.array(values) > 1) < 0.3
    for modality in ("ultrasound", "xray"):
        image = bmis.draw_phantom(modality, size=(64, 64), seed=1)[0]
        assert predictor(image).ood_score > 1


def test_the_card_has_scores_and_origin_and_says_that_it_is_no_medical_device(both):
    card = read_bundle(both.path).card
    iou = both.manifest.graphs[0].check["iou_torch"]
    for words in ("Not a medical device", "data: polyps", f"{iou:.4f}", "60 epochs", "64x64"):
        assert words in card
    assert "field of view" not in card


def test_scores_inside_fields_of_view_are_reported(run, data, tmp_path):
    copy = shutil.copytree(data, tmp_path / "copy")
    for case in bmis.open_dataset(data).split("test")[:3]:
        (copy / "fov").mkdir(exist_ok=True)
        shutil.copy(case.masks[0], copy / "fov" / case.masks[0].name)
    done = export_run(run, tmp_path / "a.bmis", data=copy)
    assert done.manifest.quality["fields_of_view"] == 3
    iou = bmis.evaluate_model(run, data=copy, out=tmp_path / "eval").summary["cases"]["iou"]
    assert done.manifest.graphs[0].check["iou_torch"] == pytest.approx(iou["mean"])
    words = "3 of them counted inside their field of view"
    assert words in read_bundle(done.path).card
    assert words in " ".join(render(done).split())


def test_int8_alone_is_smaller_than_float(run, tmp_path):
    exact = export_run(run, tmp_path / "a.bmis")
    small = export_run(
        run, tmp_path / "b.bmis", ExportOptions(int8=True, notes="## Intended use\nBeads")
    )
    assert read_bundle(small.path).card.endswith("\n\n## Intended use\nBeads\n")
    assert small.bytes < exact.bytes
    assert [graph.file for graph in exact.manifest.graphs] == ["model.onnx"]
    assert [graph.file for graph in small.manifest.graphs] == ["model.int8.onnx"]


def test_a_broken_quantisation_does_not_pass_the_gate(run, tmp_path, monkeypatch):
    def broken(graph, images, _):
        found = honest(graph, images, lambda candidate: 0.0)  # all in int8, so that it can break
        for tensor in found.graph.graph.initializer:
            if tensor.data_type == onnx.TensorProto.INT8:
                values = numpy_helper.to_array(tensor)
                tensor.CopyFrom(numpy_helper.from_array(-values // 2, tensor.name))
        return found

    honest = bmis.export.run.quantise
    monkeypatch.setattr(bmis.export.run, "quantise", broken)
    out = tmp_path / "a.bmis"
    out.write_bytes(b"what was there before")
    with pytest.raises(
        BundleError, match=r"model\.int8\.onnx is not near enough .* IoU 0\.\d{4} against"
    ):
        export_run(run, out, ExportOptions(int8=True))
    assert out.read_bytes() == b"what was there before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bmis"]


def test_a_wrong_float_graph_does_not_pass_either(run, tmp_path, monkeypatch):
    def wrong(model, size, *, any_size):
        graph = honest(model, size, any_size=any_size)
        bias = max(graph.graph.initializer, key=lambda tensor: sum(tensor.dims))
        values = numpy_helper.to_array(bias).copy()
        values.flat[0] += 0.5
        bias.CopyFrom(numpy_helper.from_array(values, bias.name))
        return graph

    honest = bmis.export.run.to_onnx
    monkeypatch.setattr(bmis.export.run, "to_onnx", wrong)
    with pytest.raises(BundleError, match=r"model\.onnx is not the network: its logits are off"):
        export_run(run, tmp_path / "a.bmis")
    assert list(tmp_path.iterdir()) == []


def phone(model, off):
    """A format that holds the size as text; its runtime adds ``off`` to the network's logits."""

    class Stand:
        batch = 1

        def __init__(self, content, size, stride):
            assert content == b"\0\0\0\0ET12" + str(size).encode()
            self.size, self.stride = size, stride

        def __call__(self, images):
            return TorchRuntime(model)(images) + np.float32(off)

    def write(network, size):
        assert type(network) is type(model)
        return b"\0\0\0\0ET12" + str(size).encode()

    return Fixed(write, Stand)


def test_a_format_with_a_runtime_of_its_own_is_validated_by_it(run, tmp_path, monkeypatch):
    monkeypatch.setitem(FIXED, "executorch", phone(bmis.load_model(run)[0], 0))
    options = ExportOptions(formats=("onnx", "executorch"), size="any")
    done = export_run(run, tmp_path / "a.bmis", options)
    exact, other = done.manifest.graphs
    assert (exact.file, exact.size) == ("model.onnx", None)
    assert (other.file, other.format, other.size) == ("model.pte", "executorch", (64, 64))
    assert other.check["logits_error"] == 0
    assert other.check["agreement"] == 1
    assert read_bundle(done.path).read("model.pte")[4:] == b"ET12(64, 64)"


def test_such_a_format_with_other_logits_is_not_written(run, tmp_path, monkeypatch):
    monkeypatch.setitem(FIXED, "executorch", phone(bmis.load_model(run)[0], 0.1))
    with pytest.raises(BundleError, match=r"model\.pte is not the network: its logits are off"):
        export_run(run, tmp_path / "a.bmis", ExportOptions(formats=("onnx", "executorch")))
    assert list(tmp_path.iterdir()) == []


def test_without_its_library_such_a_format_names_the_extra(run, tmp_path, monkeypatch):
    hide(monkeypatch, "executorch")
    with pytest.raises(MissingExtraError, match=r'pip install "bmis\[executorch\]"'):
        export_run(run, tmp_path / "a.bmis", ExportOptions(formats=("onnx", "executorch")))
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_of_any_size_takes_tiles_of_any_size(data, tmp_path):
    config = bmis.TrainConfig(
        str(data), options=NETWORK, size=(32, 32), resize="native", epochs=1, precision="32",
        device="cpu",
    )  # fmt: skip
    run = bmis.train_model(config, out=str(tmp_path / "run"), page=False).run
    image = sorted((data / "images").iterdir())[0]
    done = export_run(run, tmp_path / "a.bmis", ExportOptions(size="any"))
    assert done.manifest.graphs[0].size is None
    for tile in (None, 48):
        ours, theirs = (bmis.load(path, tile=tile)(image).labels for path in (done.path, run))
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "a.zip"], "a bundle's name ends in .bmis; name it a.bmis"),
        (["--out", "a.bmis", "--formats", "onnx,onxn"], "did you mean 'onnx'"),
        (["--out", "a.bmis", "--formats", "openvino"], "a bundle always holds onnx"),
        (["--out", "a.bmis", "--keep-float"], "add --int8"),
        (
            ["--out", "a.bmis", "--formats", "onnx,litert", "--int8"],
            "no int8 in litert, only float32",
        ),
        (["--out", "a.bmis", "--size", "96"], "was trained at 64x64 and is right only there"),
        (["--out", "a.bmis", "--data", "nowhere"], "nowhere"),
        (["--out", "a.bmis", "--tune"], "20 validation images or more are needed"),
        (["--out", "a.bmis", "--tune", "--fill-holes"], "tune chooses fill_holes by itself"),
        (["--out", "a.bmis", "--threshold", "0"], "threshold must be a probability from 0.01"),
    ],
)
def test_impossible_exports_are_refused_in_one_line(
    run, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(run), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_command_answers_in_json(run, tmp_path, capsys):
    out = tmp_path / "a.bmis"
    assert main(["export", str(run), "--out", str(out), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["bytes"] == out.stat().st_size
    assert answer["graphs"][0]["check"]["agreement"] > 0.999
    with zipfile.ZipFile(out) as archive:
        assert sorted(archive.namelist()) == ["MODEL_CARD.md", "manifest.json", "model.onnx"]


def test_post_processing_is_stored_told_and_done_wherever_the_bundle_runs(
    run, data, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(FIXED, "executorch", phone(bmis.load_model(run)[0], 0))
    out = tmp_path / "a.bmis"
    rules = ["--threshold", "0.3", "--largest-piece", "--formats", "onnx,executorch"]
    assert main(["export", str(run), "--out", str(out), *rules]) == 0
    assert "the graph for executorch holds no post-processing" in capsys.readouterr().err
    stored = {"threshold": 0.3, "largest_piece": True}
    words = "threshold 0.3, largest piece of each class"
    assert (
        f"Post-processing: {words}. The scores above are those before it" in read_bundle(out).card
    )
    (graph, _) = read_bundle(out).manifest.graphs
    plain = bmis.evaluate_model(run, out=tmp_path / "plain").summary["cases"]["iou"]["mean"]
    assert graph.check["iou_torch"] == pytest.approx(plain)  # the gate sees masks before it
    scores = bmis.evaluate_model(out, data=data, out=tmp_path / "scores")
    assert scores.asked["postprocessing"] == stored
    same = bmis.evaluate_model(run, postprocessing=stored, out=tmp_path / "same")
    assert scores.values("dice") == pytest.approx(same.values("dice"), abs=1e-3)
    assert main(["profile", str(out), "--batch", "1", "--threads", "1"]) == 0
    assert f"{words}; without expected Dice" in " ".join(capsys.readouterr().out.split())


def test_a_data_set_without_images_to_validate_on_is_refused(run, data, tmp_path):
    root = tmp_path / "train only"
    root.mkdir()
    for name in ("images", "masks"):
        (root / name).symlink_to(data / name)
    ids = sorted(path.stem for path in (data / "images").iterdir())
    rows = "".join(f"{name},train\n" for name in ids)
    (root / "splits.csv").write_text("id,split\n" + rows, encoding="utf-8")
    with pytest.raises(DataError, match="no test or validation images to validate the graph on"):
        export_run(run, tmp_path / "a.bmis", data=root)


def test_options_are_checked():
    with pytest.raises(ConfigError, match="add --int8"):
        ExportOptions(keep_float=True)
    assert issubclass(ConfigError, BmisError)


class FakeValidator:
    """Knows the allowances that two graphs use, in turn, and their times."""

    def __init__(self, *used, seconds):
        self.used, self.times = iter(used), dict(zip((b"ours", b"nncf"), seconds, strict=True))

    def allowance_used(self, _):
        return next(self.used)

    def seconds(self, exported, _):
        return self.times[exported.contents[0]]


@pytest.mark.parametrize(
    ("used", "seconds", "chosen"),
    [
        ((0.4, 0.5), (0.002, 0.0), b"nncf"),  # both meet the target: the faster one
        ((0.4, 0.1), (0.0, 0.002), b"ours"),
        ((0.7, 0.6), (0.0, 0.002), b"nncf"),  # else the nearer one
        ((0.4, 0.6), (0.002, 0.0), b"ours"),
    ],
)
def test_which_int8_graph_openvino_gets(monkeypatch, used, seconds, chosen):
    monkeypatch.setattr(bmis.export.run, "to_openvino", lambda _: (b"ours", b""))
    monkeypatch.setattr(bmis.export.run, "quantise_by_nncf", lambda *_: (b"nncf", b""))
    graph = onnx.ModelProto()
    ours = ExportedGraph.of("onnx", "int8", (32, 32), (b"",))
    found = bmis.export.run._openvino_int8(
        graph, ours, np.zeros((2, 3, 8, 8)), FakeValidator(*used, seconds=seconds)
    )
    assert found.contents[0] == chosen
    assert (found.graph.file, found.graph.size) == ("openvino/model.int8.xml", (32, 32))


def test_a_network_that_comes_with_the_package_is_a_bundle_already(tmp_path):
    with pytest.raises(ConfigError, match=r"comes with bmis as a bundle, .*--data DATA"):
        export_run("dermoscopy", tmp_path / "a.bmis")
    assert not list(tmp_path.iterdir())
    weights = bmis.export.run._weights(Path("dermoscopy"), "images to validate by")
    assert weights.name == "dermoscopy.safetensors"
