"""The command line: help, answers, and one line for whatever is wrong."""

import json
import os
import subprocess
import sys
from keyword import iskeyword
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bmis.cli.main import COMMANDS, main, parse
from bmis.compare.settings import CompareConfig
from bmis.config import TrainConfig
from bmis.errors import ConfigError, TrainingInterrupted
from bmis.export.settings import ExportOptions
from bmis.records import Conditions
from bmis.train.recipes import find_recipe
from bmis.train.run import TrainResult
from helpers.tiny import NETWORK, config, write_dataset

HUGE = bytes.fromhex(  # header of a PNG of 60,000 x 60,000 pixels
    "89504e470d0a1a0a0000000d494844520000ea600000ea600800000000"
)


def one_line(capsys, *argv):
    """The one line that answers a wrong command."""
    assert main([str(arg) for arg in argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    assert err.startswith("bmis: ")
    return err


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A trained run folder, and its data beside it."""
    from bmis.train.run import train_model

    root = tmp_path_factory.mktemp("cli")
    train_model(config(write_dataset(root / "data"), epochs=1), out=root / "run", page=False)
    return root / "run"


def bmis(*argv):
    """The command in a process of its own."""
    code = (
        "import sys; from bmis.cli.main import main\n"
        "try: code = main(sys.argv[1:])\n"
        "except SystemExit as stop: code = stop.code\n"
        "sys.exit(77 if 'torch' in sys.modules else code)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, argv)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("argv", [["--help"], ["train", "--help"], ["--version"]])
def test_help_needs_no_torch(argv):
    done = bmis(*argv)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("bmis 0." if argv == ["--version"] else "usage: bmis")


def test_the_list_of_commands_needs_no_library_at_all():
    """So that it is there at once."""
    code = (
        "import sys; from bmis.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "names = {'tabulate', 'tqdm', 'yaml', 'msgspec', 'numpy', 'importlib.metadata'}\n"
        "names &= set(sys.modules)\n"
        "sys.exit(', '.join(sorted(names)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_wrong_train_command_needs_no_torch():
    done = bmis("train", "data", "--resize", "sqash")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_python_m_bmis_is_the_same():
    done = subprocess.run(
        [sys.executable, "-m", "bmis", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("bmis ")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_ends_with_an_example_that_can_be_read(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    example = text[text.index("example: bmis ") :].removeprefix("example: bmis ")
    assert parse(example.split()).command is COMMANDS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_file_of_its_name(name):
    file = f"{name}_" if iskeyword(name) else name
    assert COMMANDS[name].__name__ == f"bmis.cli.{file}"


def test_the_commands_are_those_listed(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out
    assert all(f"\n    {name} " in listed for name in COMMANDS)
    assert len(COMMANDS) == 17
    assert "example: bmis " in listed


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "COMMAND; see `bmis --help`"),
        (["trian"], "unknown command 'trian' (did you mean 'train'?); available: import, "),
        (["-v", "modles", "--json"], "unknown command 'modles' (did you mean 'models'?)"),
        (["xyz"], "unknown command 'xyz'; available: import, inspect, "),
        (["--speed", "train", "d"], "unrecognized arguments: --speed"),
        (["train"], "DATA; see `bmis train --help`"),
        (["train", "d", "--epoch-s", "3"], "unrecognized arguments: --epoch-s"),
        (["train", "d", "--epochs", "many"], "--epochs: invalid int value: 'many'"),
        (["train", "d", "--epochs", "0"], "epochs must be 1 or more"),
        (["train", "d", "--model", "bmsi"], "unknown model 'bmsi' (did you mean 'bmis'?)"),
        (["train", "d", "--recipe", "papre"], "unknown recipe 'papre' (did you mean 'paper'?)"),
        (["train", "d", "--resize", "sqash"], "unknown resize 'sqash' (did you mean 'squash"),
        (["train", "d", "--device", "cdua"], "unknown device 'cdua' (did you mean 'cuda'?)"),
        (["train", "d", "--precision", "16"], "unknown precision '16'"),
        (["train", "d", "--size", "big"], "--size: 'big': give one side or height,width"),
        (["train", "d", "--size", "1,2,3"], "--size: '1,2,3': give one side"),
        (
            ["train", "d", "--size", "60"],
            "does not take 60x60 pixels; the next size that it takes is --size 64,64",
        ),
        (["train", "d", "--seed", "-3"], "seed must be 0 or more"),
        (["train", "d", "-o", "widths"], "--option: 'widths': give NAME=VALUE"),
        (["train", "d", "-o", "widths=[1"], "--option: 'widths=[1': the value cannot be read"),
        (["train", "d", "-o", "depht=3"], "'depht'"),
        (["train", "d", "-o", "num_classes=3"], "'num_classes' follows from the data set"),
        (["profile", "bmsi"], "bmsi"),
        (["profile", "bmis", "--batch", "1,x"], "--batch: '1,x': give numbers of images"),
        (["predict", "r", "i", "--out", "o", "--spacing", "a"], "--spacing: 'a': give millimetres"),
        (["predict", "r", "i", "--out", "o", "--spacing", "-1"], "--spacing: '-1': give"),
        (["phantom", "o", "--modality", "endoscpy"], "'endoscpy' (did you mean 'endoscopy'?)"),
        (["phantom", "o", "--modality", "xray", "--count", "0"], "count"),
        (["phantom", "o", "--modality", "endoscopy", "--classes", "3"], "class"),
        (["demo", "--modality", "endoscpy"], "'endoscpy' (did you mean 'endoscopy'?)"),
        (["convert", "a.pth", "--model", "bmsi", "--out", "b.safetensors"], "a.pth"),
    ],
)
def test_a_wrong_command_is_one_line(argv, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in one_line(capsys, *argv)


PLACES = {
    "inspect": lambda place, run, out: ["inspect", place, "--out", out],
    "train": lambda place, run, out: ["train", place, "--out", out],
    "evaluate": lambda place, run, out: ["evaluate", run, place, "--out", out],
    "predict": lambda place, run, out: ["predict", run, place, "--out", out],
}
RUNS = {
    "evaluate": lambda place, out: ["evaluate", place, "--out", out],
    "predict": lambda place, out: ["predict", place, place.parent / "image.png", "--out", out],
    "profile": lambda place, out: ["profile", place],
    "convert": lambda place, out: ["convert", place, "--out", out / "b.safetensors"],
}


@pytest.mark.parametrize("command", PLACES)
@pytest.mark.parametrize("kind", ["missing", "empty", "text"])
def test_data_that_are_not_there(command, kind, run, tmp_path, capsys):
    place = tmp_path / "place"
    if kind == "empty":
        place.mkdir()
    if kind == "text":
        place.write_text("no folder")
    argv = PLACES[command](place, run, tmp_path / "out")
    if (command, kind) == ("predict", "text"):  # a file is tried, and listed at the end
        assert main([str(arg) for arg in argv]) == 2
        assert "Traceback" not in capsys.readouterr().err
        return
    assert str(place) in one_line(capsys, *argv)
    assert not list((tmp_path / "out").glob("*")), "something was left behind"


@pytest.mark.parametrize("command", RUNS)
@pytest.mark.parametrize("kind", ["missing", "empty", "text"])
def test_runs_that_are_none(command, kind, tmp_path, capsys):
    place = tmp_path / "place"
    if kind == "empty":
        place.mkdir()
    if kind == "text":
        place.write_text("no weights")
    Image.new("RGB", (32, 32)).save(tmp_path / "image.png")
    assert str(place) in one_line(capsys, *RUNS[command](place, tmp_path / "out"))


@pytest.mark.parametrize("command", ["inspect", "train", "evaluate", "predict", "phantom", "demo"])
def test_an_output_that_is_a_file(command, run, tmp_path, capsys):
    data, out = run.parent / "data", tmp_path / "out"
    out.write_text("in the way")
    argv = {
        "inspect": ["inspect", data],
        "train": ["train", data, "--size", 32],
        "evaluate": ["evaluate", run],
        "predict": ["predict", run, data / "images"],
        "phantom": ["phantom", "--modality", "xray", "--count", 3, out],
        "demo": ["demo"],
    }[command]
    more = [] if command == "phantom" else ["--out", out]
    assert str(out) in one_line(capsys, *argv, *more)
    assert out.read_text() == "in the way"


BAD = {
    "text.png": b"this is no picture",
    "empty.png": b"",
    "huge.png": HUGE,
    "half.jpg": None,
}


@pytest.fixture
def bad_data(tmp_path):
    """A data set with one good case a split, and one case for each kind of bad image."""
    root = write_dataset(tmp_path / "bad", splits=("train", "val", "test"))
    rows = (root / "splits.csv").read_text().splitlines()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.jpg")
    half = (tmp_path / "whole.jpg").read_bytes()[:900]
    for name, content in BAD.items():
        (root / "images" / name).write_bytes(half if content is None else content)
        Image.new("L", (32, 32)).save(root / "masks" / f"{Path(name).stem}.png")
        rows.append(f"{Path(name).stem},test")
    Image.new("L", (9, 9)).save(root / "masks" / "sized.png")
    Image.fromarray(noise[:32, :32]).save(root / "images" / "sized.png")
    rows.append("sized,test")
    (root / "splits.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.mark.parametrize("command", ["inspect", "evaluate", "predict"])
def test_bad_files_are_listed_and_the_others_done(command, run, bad_data, tmp_path, capsys):
    out = tmp_path / "out"
    argv = {
        "inspect": ["inspect", bad_data, "--json"],
        "evaluate": ["evaluate", run, "--data", bad_data, "--json"],
        "predict": ["predict", run, bad_data / "images", "--json"],
    }[command]
    assert main([str(arg) for arg in [*argv, "--out", out]]) == 2
    answer, printed = capsys.readouterr()
    assert "Traceback" not in printed
    named = [*BAD, "sized.png"] if command != "predict" else list(BAD)
    for name in named:
        assert name in (answer if command == "inspect" else printed), name
    assert json.loads(answer)
    if command == "predict":
        assert sorted(file.name for file in out.glob("*.png")) == [
            *(f"case{n}.png" for n in range(3)),
            "sized.png",
        ]
    if command == "evaluate":
        rows = (out / "cases.csv").read_text().splitlines()
        assert {row.split(",")[0] for row in rows[1:]} == {"case2"}


def test_training_names_its_bad_files(bad_data, tmp_path, capsys):
    table = bad_data / "splits.csv"
    table.write_text(table.read_text().replace("test", "train"))
    argv = ["train", bad_data, "--out", tmp_path / "out", "--size", 32, "--device", "cpu"]
    assert main([str(arg) for arg in argv]) == 2
    printed = capsys.readouterr().err
    assert "Traceback" not in printed
    assert any(name in printed for name in BAD)
    assert not (tmp_path / "out" / "config.yaml").exists()


def test_a_missing_split_names_those_there_are(run, tmp_path, capsys):
    data = write_dataset(tmp_path / "d", splits=("train", "val"))
    assert "there are: train (1), val (1)" in one_line(capsys, "evaluate", run, "--data", data)


def test_train_passes_every_option_on(monkeypatch, tmp_path, capsys):
    given = []

    def train_model(config, *, out):
        given.append((config, out))
        return TrainResult(Path("r"), 3, 2, 0.5, 0.75, 10.0, 6.0)

    monkeypatch.setattr("bmis.train.run.train_model", train_model)
    options = [f"-o{name}={value}" for name, value in NETWORK.items()]
    assert main(
        ["train", "d", "--model", "bmis_tiny", "--recipe", "fast", "--epochs", "3", "--size",
         "32x48", "--resize", "native", "--out", "r", "--batch-size", "4", "--learning-rate", "0.1",
         "--precision", "bf16", "--devices", "2", "--nodes", "3", "--compile", "--deterministic",
         "--logger", "tensorboard", "--threads", "5", "--fold", "2", "--seed", "9", "--device",
         "cpu", "--init", "w", *options]
    ) == 0  # fmt: skip
    assert given == [(
        TrainConfig("d", "bmis_tiny", NETWORK, "fast", 3, (32, 48), "native", 2, 9, None, 4, 0.1,
                    "cpu", "bf16", 2, 3, compile=True, deterministic=True, threads=5,
                    logger="tensorboard", init="w"), "r",
    )]  # fmt: skip
    printed = capsys.readouterr().out
    assert (
        "3 epochs in 10 s, 6.0 images/s; best epoch 2: validation IoU 0.500, Dice 0.750" in printed
    )
    assert "next: bmis evaluate r" in printed
    assert main(["train", "d", "--fold", "folds/fold1.csv", "--json"]) == 0
    assert given[1][0] == TrainConfig("d", fold="folds/fold1.csv")
    assert json.loads(capsys.readouterr().out)["best_epoch"] == 2


def test_the_recipe_that_is_shown_is_one_to_give(tmp_path, capsys):
    argv = ["train", "--recipe", "fast", "--set", "augmentation.flip=[0,0.5]", "--patience", "3"]
    assert main([*argv, "--batch-size", "2", "--show-recipe"]) == 0
    (tmp_path / "mine.yaml").write_text(capsys.readouterr().out)
    changes = {"augmentation.flip": [0, 0.5]}
    shown = find_recipe("fast", changes, batch_size=2, patience=3)
    assert find_recipe(str(tmp_path / "mine.yaml")) == shown
    assert shown != find_recipe("fast")


def test_changes_of_the_recipe_are_passed_on(monkeypatch):
    given = []

    def train_model(config, *, out):
        given.append(config)
        return TrainResult(Path("r"), 3, 2, 0.5, 0.75, 10.0, 6.0)

    monkeypatch.setattr("bmis.train.run.train_model", train_model)
    assert main(["train", "d", "--set", "clip=0.5", "--set", "augmentation.flip=0"]) == 0
    assert given == [TrainConfig("d", changes={"clip": 0.5, "augmentation.flip": 0})]


def test_training_needs_a_folder(capsys):
    assert main(["train"]) == 2
    assert "name the dataset folder: bmis train DATA" in capsys.readouterr().err


def test_a_finished_run_is_reported_as_such(run, capsys):
    command = ["train", run.parent / "data", "--out", run, "--epochs", 1, "--size", 32,
               "--batch-size", 2, "--precision", 32, "--device", "cpu",
               *(f"-o{name}={value}" for name, value in NETWORK.items())]  # fmt: skip
    assert main([str(arg) for arg in command]) == 0
    assert capsys.readouterr().out.startswith("1 epoch (all of them before) in ")


@pytest.mark.parametrize(
    "argv",
    [
        ["models"],
        pytest.param(["profile", "RUN", "--batch", "1"], marks=pytest.mark.slow),
        ["evaluate", "RUN"],
        ["predict", "RUN", "DATA/images", "--out", "OUT"],
        ["inspect", "DATA"],
    ],
)
def test_json_answers_parse(argv, run, tmp_path, capsys):
    places = {"RUN": run, "DATA": run.parent / "data", "OUT": tmp_path / "masks"}
    for name, place in places.items():
        argv = [arg.replace(name, str(place)) for arg in argv]
    out = [] if argv[0] in ("models", "profile", "predict") else ["--out", str(tmp_path / "out")]
    assert main([*argv, *out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_predict_answers_with_the_names_of_the_house(run, tmp_path, capsys):
    """Keys that programs rely on; white noise is out of distribution for squares."""
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    argv = ["predict", run, tmp_path / "noise.png", "--out", tmp_path / "masks", "--json"]
    assert main([str(arg) for arg in argv]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == {
        *("written", "failed", "not_read", "measurements", "out_of_distribution"),
        *("expected_dice", "not_images", "notes", "findings"),
    }


@pytest.mark.slow
def test_the_notes_of_an_export_are_read_from_a_file(run, tmp_path, capsys, monkeypatch):
    given = []

    def export_run(run, out, options, **_):
        given.append(options)
        raise ConfigError("enough")

    monkeypatch.setattr("bmis.export.run.export_run", export_run)
    notes = tmp_path / "notes.md"
    notes.write_text("## Intended use", encoding="utf-8")
    argv = ["export", run, "--out", "a.bmis", "--int8", "--formats", "onnx,openvino"]
    assert "enough" in one_line(capsys, *argv, "--notes", notes)
    assert "enough" in one_line(capsys, *argv, "--size", "any")
    formats = ("onnx", "openvino")
    assert given == [
        ExportOptions(int8=True, formats=formats, notes="## Intended use"),
        ExportOptions(int8=True, formats=formats, size="any"),
    ]
    missing = one_line(capsys, *argv, "--notes", tmp_path / "none.md")
    assert "none.md: cannot be read" in missing


def test_compare_passes_every_option_on(monkeypatch, tmp_path, capsys):
    from bmis.compare.run import Comparison

    given = []

    def compare_methods(config, **how):
        given.append((config, how))
        return Comparison(tmp_path, (), 0)

    monkeypatch.setattr("bmis.compare.run.compare_methods", compare_methods)
    assert main(
        ["compare", "d", "e", "--methods", "light", "unet", "--out", "o", "--folds", "5", "--seeds",
         "2", "--recipe", "fast", "--epochs", "3", "--size", "32x48", "--resize", "native",
         "--device", "cpu", "--precision", "32", "--retry", "--measure-again", "--keep", "k",
         "--ray"]
    ) == 0  # fmt: skip
    conditions = Conditions("fast", 3, (32, 48), "native")
    config = CompareConfig(
        ("d", "e"), ("light", "unet"), 5, 2, conditions, device="cpu", precision="32"
    )
    how = {
        "out": Path("o"),
        "retry": True,
        "ray": "local",
        "keep": Path("k"),
        "measure_again": True,
    }
    assert given == [(config, how)]
    assert "next: bmis report" in capsys.readouterr().out


def test_models_of_one_group_are_listed(capsys):
    assert main(["models", "--group", "transformer", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {entry["group"] for entry in found} == {"transformer"}
    assert found[0].keys() > {"name", "family", "parameters", "macs", "source", "licence"}
    assert one_line(capsys, "models", "--group", "lite").startswith("bmis: unknown group 'lite'")


def test_control_c_is_130_and_one_line(monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("bmis.data.phantoms.write.write_phantoms", interrupt)
    assert main(["phantom", "o", "--modality", "xray"]) == 130
    assert capsys.readouterr().err == "bmis: stopped\n"


@pytest.mark.parametrize("command", ["train", "evaluate", "profile", "convert", "models"])
def test_without_torch_the_install_line_is_given(command, tmp_path):
    """The answer of a device, where only ``pip install bmis`` was done."""
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No torch\", name='torch')\n")
    file = tmp_path / "a.safetensors"
    file.touch()
    argv = {"convert": [file, "--out", "b"], "models": []}.get(command, [file])
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "bmis", command, *map(str, argv)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    wanted = 'bmis: torch is needed for this; install it with: pip install "bmis[train]"\n'
    assert (done.returncode, done.stderr) == (2, wanted)


def test_an_interrupted_training_is_130_and_says_how_to_go_on(monkeypatch, capsys):
    def interrupt(*_, **__):
        raise TrainingInterrupted("stopped after epoch 3")

    monkeypatch.setattr("bmis.train.run.train_model", interrupt)
    assert main(["train", "d"]) == 130
    assert capsys.readouterr().err == "bmis: stopped after epoch 3\n"


def test_a_broken_installation_is_not_taken_for_a_missing_extra(monkeypatch):
    def broken(*_, **__):
        raise ModuleNotFoundError("No module named 'odd'", name="odd")

    monkeypatch.setattr("bmis.data.phantoms.write.write_phantoms", broken)
    with pytest.raises(ModuleNotFoundError, match="odd"):
        main(["phantom", "o", "--modality", "xray"])


def test_warnings_are_one_line_too(run, capsys, monkeypatch):
    import warnings

    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    assert main(["models", "--json"]) == 0
    assert (
        warnings.formatwarning("memory is short", UserWarning, "f", 1) == "bmis: memory is short\n"
    )


def test_a_diverging_training_is_one_line(run, tmp_path, capsys, monkeypatch):
    from bmis.models.networks.bmis import BMIS

    forward = BMIS.forward
    monkeypatch.setattr(BMIS, "forward", lambda self, x: forward(self, x) + torch.inf)
    printed = one_line(
        capsys, "train", run.parent / "data", "--out", tmp_path / "out", "--size", 32,
        "--device", "cpu", "--batch-size", 2,
    )  # fmt: skip
    assert "the loss is not a number in epoch 1" in printed
