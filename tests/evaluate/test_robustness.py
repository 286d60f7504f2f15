"""The measurement of robustness, with a network that separates bright from dark."""

import csv
import json

import numpy as np
import pytest
import yaml
from PIL import Image

import bmis.runtime.average
from bmis.cli.main import main
from bmis.errors import ConfigError, DataError
from bmis.evaluate.perturbations import PERTURBATIONS
from bmis.evaluate.robustness import measure_robustness
from bmis.evaluate.run import evaluate_model
from helpers.fakes import Brightness, info

OWN_SIZE = info(resize="native", size=(64, 64))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A network that marks what is bright, and four images of bright squares."""
    data = tmp_path / "data"
    for name in ("images", "masks"):
        (data / name).mkdir(parents=True)
    for index in range(4):
        labels = np.zeros((40, 56), np.uint8)
        labels[4 + index : 20 + index, 6:30] = 1
        Image.fromarray(60 + labels * 120).save(data / "images" / f"{index}.png")
        Image.fromarray(labels * 255).save(data / "masks" / f"{index}.png")
    lines = ["id,split", *(f"{index},test" for index in range(4))]
    (data / "splits.csv").write_text("\n".join(lines))
    folder = tmp_path / "run"
    folder.mkdir()
    loaded = Brightness(), OWN_SIZE
    monkeypatch.setattr(bmis.runtime.average, "load_runtime", lambda path, options: loaded)
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": str(data)}))
    return folder


def by_name(found):
    return {one.name: one for one in found.scores}


def test_changes_are_those_of_such_a_network(run):
    found = measure_robustness(run)
    scores = by_name(found)
    assert set(found.clean.values()) == {1.0}
    assert [one.name for one in found.scores] == [one.name for one in PERTURBATIONS]
    # dark ground stays dark, white is marked as an object
    black = scores["black border, 10 %, all sides"]
    assert (black.change, black.lost) == (0, 0)
    white = scores["white border, 10 %, all sides"]
    assert white.change < -0.2
    assert white.lost == 1
    assert white.ci95[0] <= white.change <= white.ci95[1]
    assert scores["flipped left to right"].change == 0
    assert scores["mirrored border, 10 %, all sides"].change == 0


def test_the_clean_dice_is_that_of_evaluate(run, tmp_path):
    found = measure_robustness(run, out=tmp_path / "a", perturbations=PERTURBATIONS[:1])
    assert found.clean == evaluate_model(run, out=tmp_path / "b").values("dice")


def test_files_hold_every_image(run):
    found = measure_robustness(run)
    with (run / "robustness.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 4 * (1 + len(PERTURBATIONS))
    row = next(r for r in rows if r["perturbation"] == "white border, 5 %, top" and r["id"] == "2")
    expected = by_name(found)["white border, 5 %, top"].dice["2"]
    assert float(row["dice"]) == expected
    assert float(row["change"]) == pytest.approx(expected - 1)
    told = json.loads((run / "robustness.json").read_text())
    assert told == json.loads(json.dumps(found.to_dict()))
    assert told["clean_dice"] == 1


def test_a_bad_image_is_named_once_and_the_others_are_scored(run):
    data = run.parent / "data"
    (data / "images" / "1.png").write_text("no picture")
    found = measure_robustness(run, perturbations=PERTURBATIONS[:3])
    assert [path.name for path, _ in found.failed] == ["1.png"]
    assert sorted(found.clean) == sorted(found.scores[0].dice) == ["0", "2", "3"]


def test_a_folder_with_the_scores_of_another_split_is_refused(run):
    (run / "metrics.json").write_text('{"split": "val"}')
    with pytest.raises(ConfigError, match=r"holds other scores \(split 'val', now 'test'\)"):
        measure_robustness(run)
    assert not (run / "robustness.json").exists()


def test_nothing_but_bad_images_is_one_error(run):
    for file in (run.parent / "data" / "images").iterdir():
        file.write_text("no picture")
    with pytest.raises(DataError, match=r"no image of 4 can be scored; the first: .*0\.png"):
        measure_robustness(run)


def test_the_command_shows_the_worst_of_each_kind(run, capsys):
    assert main(["evaluate", str(run), "--robustness"]) == 0
    assert (run / "robustness.html").is_file()
    shown = capsys.readouterr().out
    kinds = {one.kind for one in PERTURBATIONS}
    assert sum("border, " in line for line in shown.splitlines()) == 3
    assert shown.count("%\n") >= len(kinds)
    assert main(["evaluate", str(run), "--robustness", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["robustness"]["perturbations"]) == 46


def test_masks_are_perturbed_after_post_processing_and_means_need_a_folder(run):
    rules = {"smallest_size": 0.99}  # nothing is left
    found = measure_robustness(run, perturbations=PERTURBATIONS[:1], postprocessing=rules)
    assert set(found.clean.values()) == {0.0}
    with pytest.raises(ConfigError, match="scores of several networks need a folder"):
        measure_robustness([run, run])
