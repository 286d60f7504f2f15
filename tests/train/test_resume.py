"""Interrupted trainings go on with the same bits; checkpoints that cannot be used are refused."""

import json
import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from bmis.cli.main import main
from bmis.errors import DataError, NoMemoryError, TrainingError, TrainingInterrupted
from bmis.models import build_model
from bmis.system.environment import source_hash
from bmis.train import epochs, plan, session
from bmis.train.recipes import find_recipe
from bmis.train.resume import Progress, read_progress
from bmis.train.run import train_model
from bmis.train.run_folder import environment
from helpers.tiny import NETWORK, config
from helpers.training import (
    COMMAND,
    best_weights,
    cache_split,
    interrupt_before,
    make_trainer,
    read_log,
    same_weights,
    start,
    wait_for_epochs,
)


@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_an_interrupted_run_goes_on_to_the_same_bits(dataset, tmp_path, recipe):
    settings = config(dataset, epochs=3, recipe=recipe, deterministic=True)
    train_model(settings, out=tmp_path / "whole", page=False)
    message = r"after epoch 2 of 3.*go on from .*last.ckpt"
    with interrupt_before(2), pytest.raises(TrainingInterrupted, match=message):
        train_model(settings, out=tmp_path / "parts", page=False)
    assert len(read_log(tmp_path / "parts")) == 2
    train_model(settings, out=tmp_path / "parts", page=False)
    assert same_weights(best_weights(tmp_path / "whole"), best_weights(tmp_path / "parts"))
    files = [tmp_path / run / "model.safetensors" for run in ("whole", "parts")]
    assert files[0].read_bytes() == files[1].read_bytes()
    whole, parts = read_log(tmp_path / "whole"), read_log(tmp_path / "parts")
    for row in whole + parts:
        del row["seconds"], row["train_seconds"]
    assert whole == parts


def test_time_and_rate_are_those_of_all_sessions(dataset, tmp_path, monkeypatch):
    clock = iter(range(0, 10**6, 10))
    monkeypatch.setattr(epochs, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    settings = config(dataset, epochs=5)  # an epoch takes 20 s by this clock, for four images
    with interrupt_before(3), pytest.raises(TrainingInterrupted):
        train_model(settings, out=tmp_path / "run", page=False)
    done = train_model(settings, out=tmp_path / "run", page=False)
    assert (done.seconds, done.images_per_second, done.resumed_after) == (100, 0.2, 3)
    again = train_model(settings, out=tmp_path / "run", page=False)
    assert again == replace(done, resumed_after=5)
    assert sum(row["seconds"] for row in read_log(tmp_path / "run")) == done.seconds


def test_time_of_a_checkpoint_that_counted_no_images(tmp_path):
    rows = [{"seconds": 30.0}, {"seconds": 20.0, "images": 8}]
    progress = Progress(epoch=2, log=rows)
    assert (progress.seconds, progress.images_per_second) == (50.0, 0.4)
    assert Progress().images_per_second == 0


@pytest.fixture
def resumed(dataset, tmp_path, monkeypatch):
    """Train half, change what ``environment`` gives and the recipe, and go on."""

    def go_on(changed, **values):
        settings = config(dataset, epochs=3)
        with interrupt_before(1), pytest.raises(TrainingInterrupted):
            train_model(settings, out=tmp_path / "run", page=False)
        before = environment()
        monkeypatch.setattr(session, "environment", lambda **_: {**before, **changed})
        find = plan.find_recipe
        monkeypatch.setattr(plan, "find_recipe", lambda *a, **k: replace(find(*a, **k), **values))
        train_model(settings, out=tmp_path / "run", page=False)
        return json.loads((tmp_path / "run" / "environment.json").read_text())

    return go_on


def test_going_on_with_other_code_threads_or_recipe_is_said_and_noted(resumed):
    old = source_hash()
    with pytest.warns(UserWarning, match="goes on with other") as caught:
        written = resumed({"source": "0123", "threads": 77}, learning_rate=0.001)
    (line,) = [str(one.message) for one in caught]
    assert "\n" not in line
    differs = f"code {old}, now 0123; threads {torch.get_num_threads()}, now 77"
    assert f"({differs}; recipe learning_rate 0.002, now 0.001)" in line
    assert (written["source"], written["recipe"]["learning_rate"]) == ("0123", 0.001)
    (earlier,) = written["earlier"]
    assert earlier["first_epoch"] == 1
    assert earlier["environment"]["source"] == old
    assert earlier["recipe"]["learning_rate"] == 0.002


@pytest.mark.parametrize("changed", [{}, {"system": "Linux-7", "commit": "other"}])
def test_going_on_with_the_same_is_not_worth_a_word(resumed, changed, recwarn):
    written = resumed(changed)
    assert [str(one.message) for one in recwarn if "goes on" in str(one.message)] == []
    assert ("earlier" in written) is bool(changed)


def test_checkpoints_without_sessions_are_gone_on_from(dataset, tmp_path, recwarn):
    settings = config(dataset, epochs=2)
    with interrupt_before(1), pytest.raises(TrainingInterrupted):
        train_model(settings, out=tmp_path / "run", page=False)
    last = tmp_path / "run" / "last.ckpt"
    state = torch.load(last, weights_only=True)
    del state["progress"]["sessions"], state["progress"]["log"][0]["images"]
    torch.save(state, last)
    done = train_model(settings, out=tmp_path / "run", page=False)
    assert done.epochs == 2
    assert "goes on" not in "".join(str(one.message) for one in recwarn)
    first, second = (tmp_path / "run" / "log.csv").read_text().splitlines()[1:]
    assert ",," in first
    assert ",," not in second


def test_checkpoints_whose_rates_have_no_factors_are_gone_on_from(dataset, tmp_path):
    settings = config(dataset, epochs=2)
    with interrupt_before(1), pytest.raises(TrainingInterrupted):
        train_model(settings, out=tmp_path / "run", page=False)
    last = tmp_path / "run" / "last.ckpt"
    state = torch.load(last, weights_only=True)
    groups = [group for one in state["optimizers"] for group in one["param_groups"]]
    for group in groups:
        del group["factor"]
    torch.save(state, last)
    assert train_model(settings, out=tmp_path / "run", page=False).epochs == 2


def test_a_run_interrupted_in_its_first_epoch_starts_again(dataset, tmp_path):
    message = r"after epoch 0 of 2; .* no epoch was finished"
    with interrupt_before(0), pytest.raises(TrainingInterrupted, match=message):
        train_model(config(dataset), out=tmp_path / "run", page=False)


@pytest.mark.slow
def test_a_killed_and_resumed_run_is_as_one_never_killed(dataset, tmp_path, capsys):
    more = ("--epochs", "12", "--deterministic", "--threads", "1")
    assert main(["train", str(dataset), "--out", str(tmp_path / "whole"), *COMMAND, *more]) == 0
    parts = tmp_path / "parts"
    killed = start(dataset, parts, *more)
    wait_for_epochs(killed, parts, 3)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert 3 <= len(read_log(parts)) < 12
    assert main(["train", str(dataset), "--out", str(parts), *COMMAND, *more]) == 0
    assert "resuming after epoch" in capsys.readouterr().err
    assert same_weights(best_weights(tmp_path / "whole"), best_weights(parts))
    last = [torch.load(tmp_path / run / "last.ckpt")["model"] for run in ("whole", "parts")]
    assert same_weights(*last)


@pytest.mark.slow
def test_control_c_keeps_the_checkpoint_and_says_how_to_go_on(dataset, tmp_path):
    process = start(dataset, tmp_path / "run", "--epochs", "5000")
    wait_for_epochs(process, tmp_path / "run", 2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    last = stderr.splitlines()[-1]
    assert last.startswith("bmis: stopped after epoch ")
    assert last.endswith(f"to go on from {tmp_path / 'run' / 'last.ckpt'}")
    done = torch.load(tmp_path / "run" / "last.ckpt")["progress"]["epoch"]
    assert f"epoch {done} of 5000" in last
    assert not list((tmp_path / "run").glob(".*"))


def test_a_damaged_checkpoint_says_what_to_do(dataset, tmp_path):
    train_model(config(dataset, epochs=1), out=tmp_path / "run", page=False)
    last = tmp_path / "run" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(TrainingError, match=r"last.ckpt: cannot be resumed .* delete it to start"):
        train_model(config(dataset, epochs=1), out=tmp_path / "run", page=False)
    last.unlink()
    assert train_model(config(dataset, epochs=1), out=tmp_path / "run", page=False).epochs == 1


@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_a_checkpoint_goes_on_with_the_same_bits(dataset, tmp_path, recipe):
    recipe = find_recipe(recipe, batch_size=2)
    cached, val = cache_split(dataset), cache_split(dataset, "val")

    def epoch(trainer):
        return trainer.progress.record(
            trainer.train_epoch(cached, lambda count: None) | trainer.validate(val)
        )

    whole = make_trainer(recipe=recipe)
    epoch(whole)
    whole.save(tmp_path / "x.ckpt")
    epoch(whole)
    torch.manual_seed(99)
    resumed = make_trainer(recipe=recipe)
    resumed.load(tmp_path / "x.ckpt")
    assert resumed.progress == read_progress(tmp_path / "x.ckpt")
    epoch(resumed)
    assert resumed.progress.log == whole.progress.log
    for name in ("model", "averaged"):
        mine, theirs = (getattr(t, name).state_dict() for t in (whole, resumed))
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    assert [file.name for file in tmp_path.glob("*.ckpt")] == ["x.ckpt"]


@pytest.mark.parametrize("content", ["half", "text", "other network", "other recipe"])
def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path, content):
    file = tmp_path / "last.ckpt"
    model = build_model("bmis", **{**NETWORK, "widths": [4, 8, 16]})
    other = {"other network": {"model": model}, "other recipe": {"recipe": find_recipe("paper")}}
    make_trainer(**other.get(content, {})).save(file)
    if content == "half":
        file.write_bytes(file.read_bytes()[:2000])
    if content == "text":
        file.write_text("no checkpoint")
    with pytest.raises(TrainingError, match=r"last.ckpt: cannot be resumed .*; delete it"):
        make_trainer().load(file)
    if content in ("half", "text"):
        with pytest.raises(TrainingError, match=r"last.ckpt: cannot be resumed .*; delete it"):
            read_progress(file)


def test_a_full_disk_is_an_error_and_the_old_checkpoint_stays(tmp_path, monkeypatch):
    trainer, file = make_trainer(), tmp_path / "last.ckpt"
    trainer.save(file)
    before = file.read_bytes()

    def full(state, path):
        path.write_bytes(b"one half")
        raise RuntimeError("PytorchStreamWriter failed writing file\nmore lines")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(DataError, match=r"last.ckpt: cannot be written \(PytorchStreamWriter"):
        trainer.save(file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("words", ["CUDA out of memory. Tried to allocate 2 GiB", "bad_alloc"])
def test_memory_that_runs_out_is_no_damaged_checkpoint(dataset, tmp_path, monkeypatch, words):
    """It is no reason to start over, nor to halve the batch."""
    settings = config(dataset, epochs=2)
    with interrupt_before(1), pytest.raises(TrainingInterrupted):
        train_model(settings, out=tmp_path / "run", page=False)
    load = torch.load

    def fail(path, **values):
        if values.get("mmap"):  # the first look at it
            return load(path, **values)
        raise RuntimeError(words)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", fail)
        with pytest.raises(NoMemoryError, match=r"last\.ckpt: not enough memory to read it; close"):
            train_model(settings, out=tmp_path / "run", page=False)
    assert train_model(settings, out=tmp_path / "run", page=False).epochs == 2
