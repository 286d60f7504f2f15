"""The command evaluate, with a network that separates bright from dark."""

import csv
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import bmis.runtime.average
from bmis.cli.evaluate import render
from bmis.config import InputSpec, ModelConfig, ModelInfo, RuntimeOptions
from bmis.data.fingerprint import split_fingerprint
from bmis.data.folder import open_dataset
from bmis.data.images import read_image
from bmis.errors import BmisError, BundleError, ConfigError, DataError
from bmis.evaluate.run import evaluate_model, read_case_values
from bmis.evaluate.training_data import output_dir
from bmis.metrics import METRICS, paired_difference, score_case
from bmis.models import build_model
from bmis.models.checkpoint import save_model
from bmis.system.environment import source_hash
from helpers.fakes import Brightness, info


def square(top, left, side=16, size=(40, 56), label=1):
    labels = np.zeros(size, np.uint8)
    labels[top : top + side, left : left + side] = label
    return labels


OWN_SIZE = info(resize="native", size=(64, 64))
EMPTY = np.zeros((40, 56), np.uint8)
CASES = {  # what the network will see, and the truth
    "a": (square(4, 4), square(4, 4)),
    "b": (square(4, 8), square(4, 4)),
    "c": (square(4, 20), square(4, 4)),
    "d": (EMPTY, square(4, 4)),
    "e": (square(4, 4), EMPTY),
    "f": (EMPTY, EMPTY),
}


@pytest.fixture
def data(tmp_path):
    return write_data(tmp_path / "data", CASES)


def write_data(root, cases, *, classes=2, splits=True, **description):
    """A data set whose images show ``Brightness`` the masks that it shall predict."""
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for case, (seen, truth) in cases.items():
        pixels = np.rint((seen + 0.5) / classes * 255).astype(np.uint8)
        Image.fromarray(pixels).convert("RGB").save(root / "images" / f"{case}.png")
        Image.fromarray(truth).save(root / "masks" / f"{case}.png")
    if splits:
        rows = "".join(f"{case},test\n" for case in cases)
        (root / "splits.csv").write_text(f"id,split\n{rows}")
    names = ["background", "cup", "disc"][:classes]
    values = {"classes": names, "channels": 3, **description}
    (root / "dataset.yaml").write_text(yaml.safe_dump(values))
    return root


@pytest.fixture
def run(tmp_path, data, monkeypatch):
    """A run folder of a network that was trained on ``data``."""
    use(monkeypatch, Brightness(), OWN_SIZE)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": str(data), "seed": 0}))
    return folder


def use(monkeypatch, runtime, its_info):
    monkeypatch.setattr(
        bmis.runtime.average, "load_runtime", lambda path, options: (runtime, its_info)
    )


def configure(run, **values):
    file = run / "config.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | values))


def test_each_image_is_scored_as_score_case_does(run):
    scores = evaluate_model(run, tolerance=1.0)
    assert list(scores.cases) == list(CASES)
    for case, (seen, truth) in CASES.items():
        assert scores.cases[case] == score_case(seen, truth, 2, None, 1.0)
    assert scores.summary["outcomes"] == {
        "present": 3,
        "missed": 1,
        "false_alarm": 1,
        "correctly_empty": 1,
    }
    expected = (1 + 0.75 + 0 + 0 + 0 + 1) / 6
    assert scores.summary["cases"]["dice"]["mean"] == pytest.approx(expected)
    assert (scores.unit, scores.tolerance, scores.failed) == ("px", 1.0, ())


def test_scores_are_taken_at_the_images_own_size(tmp_path, run, monkeypatch):
    """The network sees 32 x 32; the shift of 16 pixels in the image stays 16 pixels."""
    seen = square(16, 32, 64, size=(96, 128))
    truth = square(16, 16, 64, size=(96, 128))
    data = write_data(tmp_path / "large", {"a": (seen, truth)})
    use(monkeypatch, Brightness(), info(resize="squash"))
    scores = evaluate_model(run, data=data)
    assert scores.cases["a"].mean["hd95"] == pytest.approx(16, abs=2)
    assert scores.cases["a"].mean["iou"] == pytest.approx(48 / 80, abs=0.05)


def test_known_spacing_gives_millimetres(tmp_path, run):
    data = write_data(tmp_path / "mm", CASES, spacing=[0.5, 0.25])
    scores = evaluate_model(run, data=data)
    assert scores.unit == "mm"
    assert scores.cases["b"].mean["hd95"] == pytest.approx(4 * 0.25)
    assert scores.cases["d"].mean["hd95"] == pytest.approx(math.hypot(40 * 0.5, 56 * 0.25))


def test_the_table_of_cases_is_read_back(tmp_path, run, monkeypatch):
    both = np.maximum(square(4, 4), square(4, 30, label=2))
    data = write_data(tmp_path / "three", {"a": (both, both), "b": (square(4, 4), both)}, classes=3)
    use(monkeypatch, Brightness(3), info(3, resize="native", size=(64, 64)))
    scores = evaluate_model(run, data=data)
    with (run / "cases.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["id", "class", "state", *METRICS]
    assert [(row["id"], row["class"], row["state"]) for row in rows] == [
        ("a", "cup", "present"),
        ("a", "disc", "present"),
        ("a", "(mean)", "present"),
        ("b", "cup", "present"),
        ("b", "disc", "missed"),
        ("b", "(mean)", "present"),
    ]
    for metric in METRICS:
        assert read_case_values(run / "cases.csv", metric) == scores.values(metric)
    result = paired_difference(scores.values("dice"), {"a": 0.5, "b": 0.5})
    assert result.mean == 0.25


def test_an_undefined_value_is_written_as_nothing_and_read_as_none(run):
    scores = evaluate_model(run)
    assert scores.values("sensitivity")["e"] is None
    assert read_case_values(run / "cases.csv", "sensitivity") == scores.values("sensitivity")


@pytest.mark.parametrize("text", ["", "id,class\na,(mean)\n", "id,class,dice\na,(mean),high\n"])
def test_a_table_of_another_kind_is_refused(tmp_path, text):
    (tmp_path / "x.csv").write_text(text or "id\n1\n")
    with pytest.raises(DataError, match=r"x\.csv: no table of cases with 'dice'"):
        read_case_values(tmp_path / "x.csv", "dice")


def test_the_json_records_what_was_scored_and_how(run, data):
    configure(run, seed=4)
    scores = evaluate_model(run, tolerance=3)
    found = json.loads((run / "metrics.json").read_text())
    assert found == scores.to_dict()
    assert found["summary"]["cases"]["iou"]["n"] == found["images"] == 6
    expected = {"data": str(data), "split": "test", "fold": None, "seed": 4, "unit": "px"}
    expected |= {"tolerance": 3, "rules_version": 3, "failed": [], "fields_of_view": 0}
    assert {name: found[name] for name in expected} == expected
    assert found["environment"]["numpy"] == np.__version__
    assert found["environment"]["source"] == source_hash()
    assert found["environment"]["threads"] == torch.get_num_threads()
    assert found["training"] == dict(OWN_SIZE.provenance)
    more = evaluate_model(run, options=RuntimeOptions(threads=1), out=run / "more")
    assert more.threads == 1


def test_best_median_and_worst_are_drawn(run):
    (run / "overlays").mkdir()
    for name in ("worst_1_old_dice0.000.png", "mine.png"):
        (run / "overlays" / name).write_bytes(b"")
    scores = evaluate_model(run)
    names = sorted(path.name for path in (run / "overlays").iterdir())
    assert names == [  # "f", correctly empty, shows nothing; no image is drawn twice
        "best_1_a_dice1.000.png",
        "best_2_b_dice0.750.png",
        "median_1_e_dice0.000.png",
        "mine.png",
        "worst_1_c_dice0.000.png",
        "worst_2_d_dice0.000.png",
    ]
    assert sorted(path.name for path in scores.overlays) == [n for n in names if n != "mine.png"]


def test_a_picture_shows_the_bare_image_beside_prediction_and_truth(run, data):
    evaluate_model(run)
    picture = read_image(run / "overlays" / "best_2_b_dice0.750.png").pixels
    bare = read_image(data / "images" / "b.png").pixels
    assert picture.shape == (40, 2 * 56 + 6, 3)
    np.testing.assert_array_equal(picture[:, :56], bare)
    drawn = picture[:, -56:]
    seen, truth = CASES["b"]
    outside = (seen | truth) == 0
    np.testing.assert_array_equal(drawn[outside], bare[outside])
    assert (drawn[4:20, 4] != bare[4:20, 4]).any()  # truth's left edge, outside the prediction
    assert (drawn[10, 22] != bare[10, 22]).any()  # inside the prediction, outside the truth


def test_a_large_image_is_drawn_smaller(tmp_path, run, monkeypatch):
    use(monkeypatch, Brightness(), info(resize="squash"))
    large = np.ones((1000, 2500), np.uint8)
    evaluate_model(run, data=write_data(tmp_path / "large", {"a": (large, large)}))
    picture = read_image(run / "overlays" / "best_1_a_dice1.000.png").pixels
    assert picture.shape == (334, 2 * 834 + 6, 3)


@pytest.mark.parametrize("described", [True, False])
def test_bad_files_are_listed_and_the_others_scored(run, data, described):
    if not described:  # then classes and channels are looked for in the files
        (data / "dataset.yaml").unlink()
    (data / "images" / "a.png").write_text("no image")
    (data / "masks" / "f.png").write_bytes(b"")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(data / "masks" / "c.png")
    scores = evaluate_model(run)
    assert list(scores.cases) == ["b", "d", "e"]
    assert [path.name for path, _ in scores.failed] == ["a.png", "c.png", "f.png"]
    assert "f.png: the file is empty" in scores.failed[2][1]
    assert "mask of 8 x 8 pixels for an image of 40 x 56" in scores.failed[1][1]
    found = json.loads((run / "metrics.json").read_text())
    assert [entry["file"] for entry in found["failed"]] == [str(p) for p, _ in scores.failed]


def show_only(data, case, field_of_view):
    (data / "fov").mkdir(exist_ok=True)
    Image.fromarray(field_of_view).save(data / "fov" / f"{case}.png")


def test_an_image_is_scored_inside_its_field_of_view_if_it_has_one(run, data):
    assert "field of view" not in render(evaluate_model(run))
    right, below = EMPTY.copy(), EMPTY.copy()
    right[:, 12:], below[30:] = 255, 7
    show_only(data, "b", right)
    show_only(data, "e", below)
    scores = evaluate_model(run)
    fields_of_view = {"b": right > 0, "e": below > 0}
    for case, (seen, truth) in CASES.items():
        assert scores.cases[case] == score_case(
            seen, truth, 2, field_of_view=fields_of_view.get(case)
        )
    assert scores.cases["b"].mean["dice"] == pytest.approx(2 * 8 / (8 + 12))
    assert scores.cases["e"].outcome == "correctly_empty"
    assert (
        scores.fields_of_view
        == json.loads((run / "metrics.json").read_text())["fields_of_view"]
        == 2
    )
    assert "2 of 6 images counted inside their field of view" in render(scores)


def test_bad_fields_of_view_are_listed_and_the_others_scored(run, data):
    show_only(data, "a", EMPTY)
    show_only(data, "b", np.ones((8, 8), np.uint8))
    show_only(data, "c", EMPTY + 1)
    (data / "fov" / "d.png").write_bytes(b"")
    scores = evaluate_model(run)
    assert list(scores.cases) == ["c", "e", "f"]
    assert scores.fields_of_view == 1
    whole = "inside to 255, or remove the file"
    for (path, why), file, end in zip(
        scores.failed,
        ("a.png", "b.png", "d.png"),
        (
            f"an empty field of view; set what is {whole}",
            "export both at one size",
            "file is empty",
        ),
        strict=True,
    ):
        assert path.name == file
        assert f"fov/{file}: " in why
        assert end in why
    assert "field of view of 8 x 8 pixels for an image of 40 x 56" in scores.failed[1][1]


def test_nothing_to_score_is_an_error_and_writes_nothing(run, data):
    (data / "dataset.yaml").unlink()
    for file in [*data.glob("images/*"), *data.glob("masks/*")]:
        file.write_text("no image")
    with pytest.raises(DataError, match=r"no image of 6 can be scored; the first: .*a\.png"):
        evaluate_model(run)
    assert not (run / "metrics.json").exists()
    with pytest.raises(DataError, match="no image of 6"):
        evaluate_model(run, out=run.parent / "apart")
    assert not (run.parent / "apart").exists()


def test_a_network_that_fails_stops_the_evaluation(run, monkeypatch):
    """Otherwise the images that it fails on would drop out of its mean."""

    class Broken(Brightness):
        def __call__(self, batch):
            return super().__call__(batch) * np.float32(math.nan)

    use(monkeypatch, Broken(), OWN_SIZE)
    with pytest.raises(BmisError, match="not finite"):
        evaluate_model(run)


def test_other_classes_than_the_networks_are_refused(run, monkeypatch):
    use(monkeypatch, Brightness(3), info(3, resize="native", size=(64, 64)))
    with pytest.raises(ConfigError, match=r"has 2 classes \(background, cup\), the network 3"):
        evaluate_model(run)


CUP, DISC = square(4, 4), square(20, 30, label=2)


def eyes(root, names, *, swapped):
    """Cups and discs, 1 and 2 as the network shows them; the masks may number them otherwise."""
    seen = np.maximum(CUP, DISC)
    truth = np.array([0, 2, 1], np.uint8)[seen] if swapped else seen
    write_data(root, {"a": (seen, truth)}, classes=3)
    (root / "dataset.yaml").write_text(yaml.safe_dump({"classes": names, "channels": 3}))
    return root


@pytest.mark.parametrize("swapped", [False, True])
def test_classes_in_another_order_are_matched_by_name(tmp_path, run, monkeypatch, caplog, swapped):
    names = ("background", "cup", "disc")
    three = replace(info(3, resize="native", size=(64, 64)), classes=names)
    use(monkeypatch, Brightness(3), three)
    order = ["background", "Disc", "cup"] if swapped else list(names)
    scores = evaluate_model(run, data=eyes(tmp_path / "eyes", order, swapped=swapped))
    assert scores.classes == names
    assert [scores.summary["classes"][name]["dice"]["mean"] for name in names[1:]] == [1.0, 1.0]
    assert ("matched by name" in caplog.text) == swapped


def test_other_class_names_than_the_networks_are_refused(tmp_path, run, monkeypatch):
    names = ("background", "cup", "disc")
    three = replace(info(3, resize="native", size=(64, 64)), classes=names)
    use(monkeypatch, Brightness(3), three)
    data = eyes(tmp_path / "eyes", ["background", "cup", "vessel"], swapped=False)
    message = "classes are background, cup, vessel, the network's are background, cup, disc;"
    with pytest.raises(ConfigError, match=message):
        evaluate_model(run, data=data)


def test_classes_are_counted_in_the_masks_where_nobody_names_them(tmp_path, run):
    both = np.maximum(square(4, 4), square(4, 30, label=2))
    data = write_data(tmp_path / "three", {"a": (square(4, 4), square(4, 4)), "b": (both, both)})
    (data / "dataset.yaml").unlink()
    with pytest.raises(ConfigError, match=r"has 3 classes .* the network 2"):
        evaluate_model(run, data=data)


def test_one_logit_separates_two_classes(run, monkeypatch):
    use(monkeypatch, Brightness(1), info(1, resize="native", size=(64, 64)))
    scores = evaluate_model(run)
    assert scores.cases["b"] == score_case(*CASES["b"], 2)


def test_the_split_of_the_training_holds_for_moved_data_too(tmp_path, run):
    """Or images of the training would be scored as if they were new."""
    many = {f"case{i:02}": CASES["a"] for i in range(15)}
    data = write_data(tmp_path / "many", many, splits=False)
    moved = shutil.copytree(data, tmp_path / "elsewhere")
    configure(run, data=str(data), seed=5, fold=2)
    expected = [case.id for case in open_dataset(data, fold=2, seed=5).split("test")]
    assert expected != [case.id for case in open_dataset(data).split("test")]
    assert list(evaluate_model(run).cases) == expected
    assert list(evaluate_model(run, data=moved, out=tmp_path / "more").cases) == expected
    other = [case.id for case in open_dataset(data, fold=3, seed=5).split("test")]
    assert list(evaluate_model(run, fold=3, out=tmp_path / "fold3").cases) == other
    assert len(evaluate_model(run, split="all", out=tmp_path / "all").cases) == 15


def test_without_config_fold_and_seed_come_from_the_weights(tmp_path, run, monkeypatch):
    many = {f"case{i:02}": CASES["a"] for i in range(15)}
    data = write_data(tmp_path / "many", many, splits=False)
    (run / "config.yaml").unlink()
    with pytest.raises(ConfigError, match="does not name its data set; name one with --data"):
        evaluate_model(run)
    known = info(resize="native", size=(64, 64))
    known.provenance.update(fold=2, seed=5, data="many")
    use(monkeypatch, Brightness(), known)
    expected = [case.id for case in open_dataset(data, fold=2, seed=5).split("test")]
    assert list(evaluate_model(run, data=data).cases) == expected


def test_fold_and_seed_come_from_the_bundle_and_scores_go_beside_it(tmp_path, run, monkeypatch):
    many = {f"case{i:02}": CASES["a"] for i in range(15)}
    data = write_data(tmp_path / "many", many, splits=False)
    configure(run, data="/elsewhere", fold=1, seed=9)  # of the run, in whose folder it may lie
    bundle = run / "lesion.bmis"
    known = info(resize="native", size=(64, 64))
    known.provenance.update(fold=2, seed=7, split_seed=5, data="many")
    use(monkeypatch, Brightness(), known)
    with pytest.raises(ConfigError, match=r"lesion\.bmis: does not name its data set"):
        evaluate_model(bundle)
    expected = [case.id for case in open_dataset(data, fold=2, seed=5).split("test")]
    scores = evaluate_model(bundle, data=data)
    assert list(scores.cases) == expected
    assert scores.out == run / "lesion"
    assert not (run / "metrics.json").exists()


@pytest.mark.parametrize("recorded", [{"seed": "x"}, {"seed": -1}, {"seed": [1]}, {"fold": [1]}])
def test_a_bundle_with_an_impossible_split_is_named(tmp_path, data, monkeypatch, recorded):
    known = info(resize="native", size=(64, 64))
    known.provenance.update(recorded)
    use(monkeypatch, Brightness(), known)
    with pytest.raises(DataError, match=r"lesion\.bmis: (seed|fold) must be .*; restore it"):
        evaluate_model(tmp_path / "lesion.bmis", data=data)


def test_data_that_is_gone_is_named(run):
    configure(run, data="/nowhere/at/all")
    with pytest.raises(DataError, match=r"/nowhere/at/all: the data set of the training is not"):
        evaluate_model(run)


@pytest.mark.parametrize("text", ["seed: x", "{", "seed"])
def test_a_broken_config_is_named(run, text):
    (run / "config.yaml").write_text(text)
    with pytest.raises(BmisError, match=r"config\.yaml: (cannot be read|seed must|it must)"):
        evaluate_model(run)


def test_a_missing_split_is_named(run):
    with pytest.raises(DataError, match=r"no images in split 'val'; there are: test \(6\)"):
        evaluate_model(run, split="val")


def test_a_folder_that_cannot_be_written_to_is_named_before_the_work(tmp_path, run, monkeypatch):
    runtime = Brightness()
    use(monkeypatch, runtime, OWN_SIZE)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file: cannot write here"):
        evaluate_model(run, out=tmp_path / "file")
    assert runtime.shapes == []


def test_results_go_where_they_are_wanted(tmp_path, run):
    scores = evaluate_model(run, out=tmp_path / "new" / "folder")
    assert (scores.out / "cases.csv").is_file()
    assert (scores.out / "metrics.json").is_file()
    assert not (run / "cases.csv").exists()


def in_one_line(text):
    return " ".join(text.split())


def test_the_terminal_table_shows_numbers_intervals_and_units(run):
    text = render(evaluate_model(run))
    assert "bmis on data, test: 6 images" in text
    outcomes = "3 present, 1 missed, 1 false alarm; correctly empty: 1"
    assert f"{outcomes} hd95 and assd in px, nsd within 2 px" in in_one_line(text)
    line = next(line for line in text.splitlines() if line.startswith("dice "))
    assert "0.4583" in line
    assert "0.5103" in line
    assert "0.0891 to 0.8798" in line  # Student's would begin below 0


def test_the_terminal_table_shows_each_class_where_there_are_several(tmp_path, run, monkeypatch):
    both = np.maximum(square(4, 4), square(4, 30, label=2))
    data = write_data(tmp_path / "three", {"a": (square(4, 4), both)}, classes=3)
    use(monkeypatch, Brightness(3), info(3, resize="native", size=(64, 64)))
    text = render(evaluate_model(run, data=data))
    assert "cup" in text
    assert "disc" in text
    line = next(line for line in text.splitlines() if line.startswith("dice "))
    assert line.split() == [
        "dice", "0.5000", "-", "-", "1", "1.0000", "0.0000",
    ]  # fmt: skip


def test_a_saved_network_is_evaluated_from_its_file(tmp_path, data):
    options = {"widths": (4, 8, 12)}
    torch.manual_seed(0)
    model = build_model("bmis", in_channels=3, num_classes=2, **options)
    spec = InputSpec(size=(32, 32))
    config = ModelConfig("bmis", 3, 2, options)
    file = tmp_path / "tiny.safetensors"
    save_model(file, model, ModelInfo(config, spec, ("background", "cup")))
    scores = evaluate_model(
        file, data=data, options=RuntimeOptions(device="cpu"), out=tmp_path / "out"
    )
    assert len(scores.cases) == 6
    assert scores.checkpoint == file
    with pytest.raises(BundleError, match="no such file"):
        evaluate_model(tmp_path / "missing", data=data)


def test_empty_images_are_counted_apart_in_the_terminal_table(run):
    scores = evaluate_model(run)
    text = render(scores)
    assert "with foreground" in text.splitlines()[1]
    assert "correctly empty: 1" in text
    assert f"{scores.summary['cases_with_foreground']['dice']['mean']:.4f}" in text


def test_nothing_found_in_images_that_show_nothing_is_no_perfect_score(tmp_path, run, caplog):
    data = write_data(tmp_path / "empty", {"a": (EMPTY, EMPTY), "b": (EMPTY, EMPTY)})
    scores = evaluate_model(run, data=data)
    assert scores.summary["cases"]["dice"]["mean"] is None
    text = render(scores)
    assert "1.0000" not in text
    assert "foreground none; correctly empty: 2" in text
    assert "no foreground in split 'test' (2 images)" in caplog.text


def test_a_network_that_finds_nothing_has_collapsed(tmp_path, run, caplog):
    data = write_data(tmp_path / "missed", {c: (EMPTY, square(4, 4)) for c in "ab"})
    evaluate_model(run, data=data)
    assert "bmis collapsed: it finds no cup in any image; its means say nothing" in caplog.text


def test_another_split_than_that_of_the_training_is_warned_of(data, run, monkeypatch, caplog):
    cases = open_dataset(data).cases
    trained = {"data": "data", "fold": None, "split_fingerprint": split_fingerprint(cases)}
    use(monkeypatch, Brightness(), replace(OWN_SIZE, provenance=trained))
    evaluate_model(run)
    assert not caplog.messages
    (data / "splits.csv").write_text((data / "splits.csv").read_text().replace("b,test", "b,train"))
    evaluate_model(run)
    assert "training images may be among those of the test split" in caplog.text


@pytest.mark.parametrize(
    ("settings", "told", "place"),
    [
        ({"split": "all"}, "split 'test', now 'all'", "all"),
        ({"tolerance": 3.0}, "tolerance 2.0, now 3.0", "tolerance3.0"),
        ({"fold": 2}, "fold None, now 2", "fold2"),
        ({"options": RuntimeOptions(threads=1), "split": "all"}, "split 'test', now 'all'", "all"),
        ({"options": RuntimeOptions(precision="int8")}, "precision 'auto', now 'int8'", "int8"),
    ],
)
def test_other_scores_are_never_replaced(run, settings, told, place):
    evaluate_model(run)
    before = (run / "metrics.json").read_bytes()
    with pytest.raises(ConfigError) as caught:
        evaluate_model(run, **settings)
    assert str(caught.value) == (
        f"{run}: holds other scores ({told}); choose another --out, such as {run / place}"
    )
    assert (run / "metrics.json").read_bytes() == before


def test_the_proposed_folder_works_and_keeps_both(run):
    evaluate_model(run)
    scores = evaluate_model(run, split="all", out=run / "all")
    assert json.loads((run / "all" / "metrics.json").read_text())["split"] == "all"
    assert json.loads((run / "metrics.json").read_text())["split"] == "test"
    assert scores.out == run / "all"


def test_another_data_set_of_the_same_name_is_another_one(run, data, tmp_path):
    evaluate_model(run)
    other = shutil.copytree(data, tmp_path / "elsewhere" / "data")
    with pytest.raises(ConfigError, match=r"other scores \(data '.*', now '.*elsewhere/data'"):
        evaluate_model(run, data=other)


def test_the_same_question_is_answered_again(run, data, monkeypatch):
    evaluate_model(run)
    monkeypatch.chdir(data.parent)
    assert evaluate_model(run, data="data", options=RuntimeOptions(threads=1)).out == run


def test_a_run_folder_that_was_moved_is_still_its_own(run):
    evaluate_model(run)
    moved = run.rename(run.with_name("moved"))
    assert evaluate_model(moved).out == moved


def test_the_scores_of_another_network_are_not_replaced(run, tmp_path):
    evaluate_model(run, out=tmp_path / "scores")
    evaluate_model(run, out=tmp_path / "scores")
    other = shutil.copytree(run, tmp_path / "other")
    with pytest.raises(ConfigError, match=r"checkpoint '.*run', now '.*other'"):
        evaluate_model(other, out=tmp_path / "scores")


def test_scores_of_an_earlier_version_are_those_that_they_say(run):
    evaluate_model(run)
    found = json.loads((run / "metrics.json").read_text())
    del found["engine"], found["precision"]
    (run / "metrics.json").write_text(json.dumps(found))
    assert evaluate_model(run).out == run
    (run / "metrics.json").write_text("[1, 2")
    with pytest.raises(ConfigError, match=r"metrics.json: cannot be read, .*; remove it"):
        evaluate_model(run)


def test_each_file_has_a_folder_of_its_own():
    for file in ("a.safetensors", "a.bmis"):
        assert output_dir(Path("models") / file) == Path("models/a")
    assert output_dir(Path("run/model.safetensors")) == Path("run")


def test_ignored_pixels_count_no_more_than_those_outside_the_field_of_view(run, data):
    ignored, alone = EMPTY > 0, EMPTY > 0
    ignored[:, :12], alone[:6] = True, True
    (data / "dataset.yaml").write_text("classes: [background, cup]\nchannels: 3\nignore: 7")
    masks = {"b": np.where(ignored, 7, CASES["b"][1]), "d": np.full_like(EMPTY, 7)}
    for case, mask in masks.items():
        Image.fromarray(mask.astype(np.uint8)).save(data / "masks" / f"{case}.png")
    show_only(data, "b", (~alone).astype(np.uint8))
    scores = evaluate_model(run)
    seen, truth = CASES["b"]
    counted = ~ignored & ~alone
    assert scores.cases["b"] == score_case(seen, truth, 2, field_of_view=counted)
    assert scores.cases["b"] != score_case(seen, truth, 2, field_of_view=~alone)
    assert scores.cases["c"] == score_case(*CASES["c"], 2)
    ((path, why),) = scores.failed
    assert path.name == "d.png"
    assert "d.png: all pixels are ignored, so there is nothing to score" in why


def test_other_post_processing_is_another_question(run):
    plain = evaluate_model(run)
    assert plain.to_dict()["postprocessing"] == {}
    with pytest.raises(
        ConfigError,
        match=r"postprocessing \{\}, now \{'threshold': 0.4\}\); .* such as .*/threshold0.4$",
    ):
        evaluate_model(run, postprocessing={"threshold": 0.4})
    other = evaluate_model(run, postprocessing={"threshold": 0.4}, out=run / "threshold0.4")
    assert json.loads((other.out / "metrics.json").read_text())["postprocessing"] == {
        "threshold": 0.4
    }
    assert "post-processing: threshold 0.4" in render(other)
    assert "post-processing" not in render(plain)


def test_scores_from_before_post_processing_are_those_without_it(run):
    evaluate_model(run)
    found = json.loads((run / "metrics.json").read_text())
    del found["postprocessing"], found["averaged_with"]
    (run / "metrics.json").write_text(json.dumps(found))
    with pytest.raises(ConfigError, match="other scores"):
        evaluate_model(run, postprocessing={"fill_holes": True})
    assert evaluate_model(run).out == run


def test_masks_are_scored_after_post_processing(run):
    scores = evaluate_model(run, postprocessing={"smallest_size": 0.5}, out=run / "none")
    assert {score.outcome for score in scores.cases.values()} == {"missed", "correctly_empty"}


def test_the_mean_of_networks_gets_a_folder_of_its_own(run, monkeypatch, caplog):
    with pytest.raises(ConfigError, match="scores of several networks need a folder"):
        evaluate_model([run, run])
    both = evaluate_model([run, run], out=run / "both")
    assert both.values("dice") == evaluate_model(run).values("dice")
    assert json.loads((both.out / "metrics.json").read_text())["averaged_with"] == [str(run)]
    assert "mean of 2 networks" in render(both)
    with pytest.raises(ConfigError, match=r"averaged_with .*, now \[\]"):
        evaluate_model(run, out=run / "both")
    other = {"data": "data", "split_fingerprint": "another"}
    use(monkeypatch, Brightness(), replace(OWN_SIZE, provenance=other))
    evaluate_model([run, run], out=run / "both")
    assert "its training images may be among those that are scored" in caplog.text
