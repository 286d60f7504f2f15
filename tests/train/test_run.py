"""``train_model`` from a folder to a run folder; interruptions, refusals and repairs."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from bmis.config import TrainConfig
from bmis.errors import (
    BmisError,
    ConfigError,
    DataError,
    MissingExtraError,
    TrainingError,
    TrainingInterrupted,
)
from bmis.models.checkpoint import load_model
from bmis.models.networks.bmis import BMIS
from bmis.train import run as module
from bmis.train.run import train_model
from bmis.train.trainer import Trainer
from helpers.tiny import config, write_dataset

COMMAND = [
    *("--size", "32", "--batch-size", "2", "--precision", "32", "--device", "cpu"),
    *("-o", "widths=[4,8,12]", "-o", "depths=[1,1]", "-o", "dilations=[2]"),
]


def rows(run):
    with (run / "log.csv").open(encoding="utf-8") as stream:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(stream)]


def weights(run):
    return load_model(run)[0].state_dict()


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def start(data, run, *more, **values):
    """``bmis train`` in a process of its own."""
    command = [sys.executable, "-m", "bmis", "train", data, "--out", run, *COMMAND, *more]
    pipe = subprocess.PIPE
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [str(part) for part in command], stdout=pipe, stderr=pipe, text=True, env=environment,
        # who is started in a shell's background ignores Ctrl-C, and so do all that it starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        **values,
    )  # fmt: skip


def wait_for_epochs(process, run, epochs):
    """Until the log has that many; fails with what the process said if it ends before."""
    log = run / "log.csv"
    for _ in range(6000):
        if log.exists() and len(log.read_text(encoding="utf-8").splitlines()) > epochs:
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    raise AssertionError("no epoch within two minutes")


def test_a_folder_becomes_a_run_folder(dataset, tmp_path):
    run = tmp_path / "a" / "run"
    done = train_model(config(dataset, epochs=3), out=run)
    files = ["config.yaml", "environment.json", "last.ckpt", "log.csv", "model.safetensors"]
    assert sorted(file.name for file in run.iterdir()) == files
    log = rows(run)
    assert [row["epoch"] for row in log] == [1, 2, 3]
    assert list(log[0]) == [
        *("epoch", "loss", "learning_rate", "train_seconds", "val_iou", "val_dice", "seconds")
    ]
    assert 0 < float(log[0]["train_seconds"]) < float(log[0]["seconds"])
    assert (done.run, done.epochs) == (run, 3)
    best = log[done.best_epoch - 1]
    assert best["val_iou"] + best["val_dice"] == max(r["val_iou"] + r["val_dice"] for r in log)
    assert done.val_iou == pytest.approx(best["val_iou"], rel=1e-5)
    assert done.val_dice == pytest.approx(best["val_dice"], rel=1e-5)
    assert done.images_per_second == pytest.approx(3 * 4 / done.seconds)
    model, info = load_model(run)
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 2, 32, 32)
    assert info.provenance["best_epoch"] == done.best_epoch
    assert info.provenance["seed"] == 0
    assert info.provenance["recipe"]["name"] == "default"
    assert info.provenance["recipe"]["batch_size"] == 2
    assert json.loads((run / "environment.json").read_text())["torch"] == version("torch")


def test_the_settings_can_be_read_back_and_hold_from_anywhere(dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(dataset.parent)
    (dataset / "mine.csv").write_text((dataset / "splits.csv").read_text())
    given = config("data", epochs=1, fold="data/mine.csv", seed=5, learning_rate=1e-3)
    train_model(given, out="run")
    found = TrainConfig.from_dict(yaml.safe_load((tmp_path / "run/config.yaml").read_text()))
    assert found == replace(given, data=str(dataset), fold=str(dataset / "mine.csv"))
    assert load_model(tmp_path / "run")[1].provenance["recipe"]["learning_rate"] == 1e-3


def test_the_epoch_is_chosen_by_validation_and_not_by_test(tmp_path, monkeypatch):
    """Two forgeries of validation: whatever the test images say, the forged best is kept."""
    data = write_dataset(tmp_path / "data")
    seen = []
    validate = Trainer.validate

    def forged(self, store):
        seen.append(store.crops(torch.tensor([0]), torch.Generator())[0])
        row = validate(self, store)
        return {**row, "val_iou": [0.1, 0.9, 0.5][self.progress.epoch]}

    kept = []
    record = Trainer.record

    def spy(self, row):
        kept.append({k: v.clone() for k, v in self.averaged.state_dict().items()})
        return record(self, row)

    monkeypatch.setattr(Trainer, "validate", forged)
    monkeypatch.setattr(Trainer, "record", spy)
    done = train_model(config(data, epochs=3), out=tmp_path / "run")
    assert done.best_epoch == 2
    assert same(weights(tmp_path / "run"), kept[1])
    assert not same(weights(tmp_path / "run"), kept[2])
    val = torch.tensor(list(Image.open(data / "images" / "case4.png").tobytes()), dtype=torch.uint8)
    for images in seen:  # case4 is the one validation image
        assert torch.equal(images[0].permute(1, 2, 0).flatten(), val)


def test_the_test_images_are_never_opened(tmp_path):
    data = write_dataset(tmp_path / "data")
    (data / "dataset.yaml").write_text("classes: [background, thing]\nchannels: 3\n")
    (data / "images" / "case5.png").write_bytes(b"unreadable")
    assert train_model(config(data, epochs=1), out=tmp_path / "run").epochs == 1


def test_equal_seeds_give_equal_weights_and_others_others(dataset, tmp_path):
    runs = {}
    for name, seed in {"a": 3, "b": 3, "c": 4}.items():
        train_model(config(dataset, seed=seed, epochs=1, deterministic=True), out=tmp_path / name)
        runs[name] = weights(tmp_path / name)
    assert same(runs["a"], runs["b"])
    assert not same(runs["a"], runs["c"])


@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_an_interrupted_run_goes_on_to_the_same_bits(dataset, tmp_path, recipe, monkeypatch):
    settings = config(dataset, epochs=3, recipe=recipe, deterministic=True)
    train_model(settings, out=tmp_path / "whole")
    train_epoch = Trainer.train_epoch

    def interrupted(self, *args):
        if self.progress.epoch == 2:
            raise KeyboardInterrupt
        return train_epoch(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_epoch", interrupted)
        with pytest.raises(
            TrainingInterrupted, match=r"after epoch 2 of 3.*go on from .*last.ckpt"
        ):
            train_model(settings, out=tmp_path / "parts")
    assert len(rows(tmp_path / "parts")) == 2
    train_model(settings, out=tmp_path / "parts")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    whole, parts = rows(tmp_path / "whole"), rows(tmp_path / "parts")
    for row in whole + parts:
        del row["seconds"], row["train_seconds"]
    assert whole == parts


def test_interrupted_before_the_first_epoch_there_is_nothing_to_go_on_from(
    dataset, tmp_path, monkeypatch
):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "train_epoch", interrupt)
    with pytest.raises(TrainingInterrupted, match=r"after epoch 0 of 2; .* no epoch was finished"):
        train_model(config(dataset), out=tmp_path / "run")


@pytest.mark.slow
def test_killed_and_resumed_is_as_never_killed(dataset, tmp_path):
    more = ("--epochs", "12", "--deterministic")
    whole = start(dataset, tmp_path / "whole", *more)  # with as many threads as the others
    said = whole.communicate(timeout=300)[1]
    assert whole.returncode == 0, said
    killed = start(dataset, tmp_path / "parts", *more)
    wait_for_epochs(killed, tmp_path / "parts", 3)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert 3 <= len(rows(tmp_path / "parts")) < 12
    resumed = start(dataset, tmp_path / "parts", *more)
    assert "resuming after epoch" in resumed.communicate(timeout=300)[1]
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    last = [torch.load(tmp_path / run / "last.ckpt")["model"] for run in ("whole", "parts")]
    assert same(*last)


@pytest.mark.slow
def test_control_c_keeps_the_checkpoint_and_says_how_to_go_on(dataset, tmp_path):
    process = start(dataset, tmp_path / "run", "--epochs", "5000")
    wait_for_epochs(process, tmp_path / "run", 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    last = said.splitlines()[-1]
    assert last.startswith("bmis: stopped after epoch ")
    assert last.endswith(f"to go on from {tmp_path / 'run' / 'last.ckpt'}")
    done = torch.load(tmp_path / "run" / "last.ckpt")["progress"]["epoch"]
    assert f"epoch {done} of 5000" in last
    assert not list((tmp_path / "run").glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("script", [False, True])
def test_two_processes_share_the_work_and_make_one_run(tmp_path, script):
    data = write_dataset(tmp_path / "data", splits=("train",) * 8 + ("val",) * 3 + ("test",))
    command = ["-m", "bmis"]
    if script:  # what pip installs
        command = [tmp_path / "bmis"]
        command[0].write_text("import sys\nfrom bmis.cli.main import main\nsys.exit(main())\n")
    # each process says how many images it saw
    (tmp_path / "sitecustomize.py").write_text(
        "import os, pathlib\n"
        "def count():\n"
        "    from bmis.train.trainer import Trainer\n"
        "    step = Trainer._step\n"
        "    def spy(self, store, batch, chance):\n"
        f"        file = pathlib.Path({str(tmp_path)!r}, f'rank{{self.fabric.global_rank}}')\n"
        "        with file.open('a') as out: out.write(f'{len(batch)}\\n')\n"
        "        return step(self, store, batch, chance)\n"
        "    Trainer._step = spy\n"
        "count()\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", ""), *sys.path])
    done = subprocess.run(
        [sys.executable, *map(str, command), "train", str(data), "--out", str(tmp_path / "run"),
         *COMMAND, "--epochs", "2", "--devices", "2", "--batch-size", "4", "--json"],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["epochs"] == 2  # one answer, not two
    for rank in (0, 1):  # 8 images in batches of 4 over 2 processes: 2 steps of 2, twice
        assert (tmp_path / f"rank{rank}").read_text().split() == ["2"] * 4
    assert [row["epoch"] for row in rows(tmp_path / "run")] == [1, 2]
    assert load_model(tmp_path / "run")[1].classes
    assert done.stderr.count("epoch 1/2") == 1


def test_a_finished_run_answers_at_once(dataset, tmp_path, monkeypatch):
    first = train_model(config(dataset), out=tmp_path / "run")
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    monkeypatch.setattr(module, "CachedDataset", None)  # no image is read again
    again = train_model(config(dataset), out=tmp_path / "run")
    assert again == replace(first, seconds=0.0, images_per_second=0.0)
    assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()} == before


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"epochs": 4}, "epochs 2, now 4"),
        ({"seed": 1}, "seed 0, now 1"),
        ({"resize": "letterbox"}, "resize 'squash', now 'letterbox'"),
    ],
)
def test_a_folder_with_other_settings_is_refused(dataset, tmp_path, values, said):
    train_model(config(dataset), out=tmp_path / "run")
    before = (tmp_path / "run" / "config.yaml").read_text()
    with pytest.raises(ConfigError, match=rf"other settings \({said}\); choose another --out"):
        train_model(config(dataset, **values), out=tmp_path / "run")
    assert (tmp_path / "run" / "config.yaml").read_text() == before


def test_settings_that_led_nowhere_do_not_bind(dataset, tmp_path, monkeypatch):
    def fail(*_):
        raise TrainingError("not a number")

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_epoch", fail)
        with pytest.raises(TrainingError):
            train_model(config(dataset, learning_rate=0.5), out=tmp_path / "run")
    train_model(config(dataset, learning_rate=1e-3), out=tmp_path / "run")
    settings = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert settings["learning_rate"] == 1e-3


@pytest.mark.parametrize("text", ["", "[1, 2", "- a", None])
def test_a_run_whose_settings_are_lost_is_left_alone(dataset, tmp_path, text):
    train_model(config(dataset, epochs=1), out=tmp_path / "run")
    file = tmp_path / "run" / "config.yaml"
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(ConfigError, match=r"config.yaml cannot be read; choose another --out"):
        train_model(config(dataset, epochs=1), out=tmp_path / "run")


def test_a_damaged_checkpoint_says_what_to_do(dataset, tmp_path):
    train_model(config(dataset, epochs=1), out=tmp_path / "run")
    last = tmp_path / "run" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(TrainingError, match=r"last.ckpt: cannot be resumed .* delete it to start"):
        train_model(config(dataset, epochs=1), out=tmp_path / "run")
    last.unlink()
    assert train_model(config(dataset, epochs=1), out=tmp_path / "run").epochs == 1


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate"
                     " memory: you tried to allocate 9 bytes. Error code 12"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
    ids=["cuda", "linux", "windows", "cublas", "numpy"],
)  # fmt: skip
def test_out_of_memory_halves_the_batch_and_says_so(dataset, tmp_path, monkeypatch, error):
    forward, sizes = BMIS.forward, []

    def hungry(self, x):
        if self.training:
            sizes.append(len(x))
            if len(x) > 1:
                raise error
        return forward(self, x)

    monkeypatch.setattr(BMIS, "forward", hungry)
    with pytest.warns(UserWarning, match="out of memory with a batch of") as warned:
        done = train_model(config(dataset, batch_size=4), out=tmp_path / "run")
    assert [str(w.message).split("batch ")[1] for w in warned] == [
        "of 4; going on with 2",
        "of 2; going on with 1",
    ]
    assert sizes == [4, 2] + [1] * 8
    assert done.epochs == 2
    assert load_model(tmp_path / "run")[1].provenance["recipe"]["batch_size"] == 1


def test_out_of_memory_later_goes_on_from_the_last_epoch(dataset, tmp_path, monkeypatch):
    forward, epochs = BMIS.forward, []
    train_epoch = Trainer.train_epoch

    def hungry(self, x):
        if self.training and len(x) > 1 and epochs[-1] == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, x)

    def spy(self, *args):
        epochs.append(self.progress.epoch)
        return train_epoch(self, *args)

    monkeypatch.setattr(BMIS, "forward", hungry)
    monkeypatch.setattr(Trainer, "train_epoch", spy)
    with pytest.warns(UserWarning, match="going on with 1"):
        train_model(config(dataset), out=tmp_path / "run")
    assert epochs == [0, 1, 1]
    assert len(rows(tmp_path / "run")) == 2


def test_the_failed_attempt_is_gone_before_the_next(dataset, tmp_path, monkeypatch):
    import weakref

    forward, models = BMIS.forward, []

    def hungry(self, x):
        if self.training and not any(m() is self for m in models):
            models.append(weakref.ref(self))
            assert [m() for m in models[:-1]] == [None] * (len(models) - 1)
        if self.training and len(x) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, x)

    monkeypatch.setattr(BMIS, "forward", hungry)
    with pytest.warns(UserWarning, match="out of memory"):
        train_model(config(dataset, epochs=1), out=tmp_path / "run")
    assert len(models) == 2


def test_out_of_memory_with_one_image_is_an_error_with_the_cure(dataset, tmp_path, monkeypatch):
    def hungry(self, x):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(BMIS, "forward", hungry)
    with pytest.raises(TrainingError, match="one image at a time; use a smaller --size or model"):
        train_model(config(dataset, batch_size=1), out=tmp_path / "run")


def test_other_errors_of_torch_are_not_taken_for_it(dataset, tmp_path, monkeypatch):
    def broken(self, x):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(BMIS, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        train_model(config(dataset), out=tmp_path / "run")


@pytest.mark.parametrize(
    "values",
    [
        {"resize": "letterbox"},
        {"resize": "native"},
        {"size": (32, 48)},
        {"precision": "bf16"},
        {"recipe": "paper"},
        {"recipe": "fast", "batch_size": None},
    ],
)
def test_the_ways_to_train(tmp_path, values):
    data = write_dataset(tmp_path / "data", size=(40, 56))
    done = train_model(config(data, epochs=1, **values), out=tmp_path / "run")
    assert done.epochs == 1
    info = load_model(tmp_path / "run")[1]
    assert info.input.resize == values.get("resize", "squash")
    assert info.input.size == values.get("size", (32, 32))


def test_bf16_computes_in_bf16(dataset, tmp_path, monkeypatch):
    kinds, conv2d = set(), torch.nn.Conv2d._conv_forward

    def spy(*args):
        answer = conv2d(*args)
        if args[0].dilation == (1, 1):  # others stay in float32 on a CPU
            kinds.add(answer.dtype)
        return answer

    monkeypatch.setattr(torch.nn.Conv2d, "_conv_forward", spy)
    train_model(config(dataset, epochs=1, precision="bf16"), out=tmp_path / "run")
    assert kinds == {torch.bfloat16}
    assert {v.dtype for v in weights(tmp_path / "run").values()} == {torch.float32, torch.int64}


def test_grey_images_and_three_classes(tmp_path):
    data = write_dataset(tmp_path / "data", channels=1, classes=3)
    train_model(config(data, epochs=1), out=tmp_path / "run")
    model, info = load_model(tmp_path / "run")
    assert (info.model.in_channels, info.model.num_classes) == (1, 3)
    assert len(info.classes) == 3
    assert model(torch.zeros(1, 1, 32, 32)).shape == (1, 3, 32, 32)


def test_one_image_to_train_on_is_enough(tmp_path):
    data = write_dataset(tmp_path / "data", splits=("train", "val"))
    assert train_model(config(data, batch_size=8), out=tmp_path / "run").epochs == 2


def test_a_missing_validation_split_says_what_to_do(tmp_path):
    data = write_dataset(tmp_path / "data", splits=("train", "test"))
    said = r"no images in split 'val'; .*train \(1\), test \(1\).*name them in splits.csv, or use"
    with pytest.raises(DataError, match=said):
        train_model(config(data), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_images_that_cannot_be_used_leave_no_run_behind(tmp_path):
    data = write_dataset(tmp_path / "data")
    mask = next((data / "masks").iterdir())
    Image.new("L", (5, 7)).save(mask)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("kept")
    for run in ("run", "mine"):
        with pytest.raises(DataError, match="cannot be used; mend or remove them"):
            train_model(config(data), out=tmp_path / run)
    assert not (tmp_path / "run").exists()
    assert (tmp_path / "mine" / "notes.txt").read_text() == "kept"


def test_more_processes_than_images_are_refused(tmp_path):
    data = write_dataset(tmp_path / "data", splits=("train", "val"))
    with pytest.raises(ConfigError, match="1 training images cannot be shared by 2 processes"):
        train_model(config(data, devices=2), out=tmp_path / "run")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"model": "bmsi"}, r"unknown model 'bmsi' \(did you mean 'bmis'\?\)"),
        ({"recipe": "papre"}, r"unknown recipe 'papre' \(did you mean 'paper'\?\)"),
        ({"options": {"depht": 3}}, "'depht'"),
        ({"options": {"widths": [4]}}, "widths must be 3 numbers"),
        (
            {"size": (30, 32)},
            "bmis does not take 30x32 pixels; the next size that it takes is --size 32,32",
        ),
        ({"size": (33, 45)}, "takes is --size 40,48"),
        ({"batch_size": 0}, "batch size must be 1 or more"),
        ({"learning_rate": 7.0}, "learning rate must lie between 0 and 1"),
    ],
)
def test_wrong_settings_are_refused_before_the_data_are_touched(tmp_path, values, said):
    with pytest.raises(ConfigError, match=said):
        train_model(replace(config(tmp_path / "nowhere"), **values), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("there", "wanted"), [(0, 1), (1, 2)])
def test_cuda_devices_that_are_not_there_are_refused(dataset, tmp_path, there, wanted, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    said = rf"--devices {wanted}: {there} CUDA devices are found; .*use --device cpu"
    with pytest.raises(ConfigError, match=said):
        train_model(config(dataset, device="cuda", devices=wanted), out=tmp_path / "run")


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/bmis"])
def test_a_folder_that_cannot_be_written_is_told_before_the_work(dataset, tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write here .* choose another output folder"):
        train_model(config(dataset), out=tmp_path / place)


def test_the_default_folder_is_named_after_everything_that_matters(tmp_path):
    chosen = config(tmp_path, fold="folds/fold3.csv", seed=7, recipe="paper")
    folder = module.default_run(chosen, "My data: ISIC/2018")
    assert folder == Path("runs/My-data-ISIC-2018-bmis-paper-fold3-seed7")
    assert module.default_run(config(tmp_path), "kvasir") == Path("runs/kvasir-bmis-default-seed0")


def test_a_made_fold_trains(tmp_path):
    data = write_dataset(tmp_path / "data", splits=("train",) * 10)
    (data / "splits.csv").unlink()
    train_model(config(data, fold=2, epochs=1), out=tmp_path / "run")
    assert load_model(tmp_path / "run")[1].provenance["fold"] == 2


def test_tensorboard_gets_every_epoch(dataset, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train_model(config(dataset, tensorboard=True), out=tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("val_iou")] == [1, 2]
    assert events.Scalars("loss")[1].value == pytest.approx(rows(tmp_path / "run")[1]["loss"], 1e-4)


def test_without_tensorboard_the_install_line_is_given(dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtraError, match=r'pip install "bmis\[tensorboard\]"'):
        train_model(config(dataset, tensorboard=True), out=tmp_path / "run")


def test_a_nan_in_training_is_one_clear_error(dataset, tmp_path, monkeypatch):
    forward = BMIS.forward
    monkeypatch.setattr(BMIS, "forward", lambda self, x: forward(self, x) * float("nan"))
    with pytest.raises(BmisError, match="not a number in epoch 1") as caught:
        train_model(config(dataset), out=tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "last.ckpt").exists()
