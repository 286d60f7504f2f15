"""Devices, processes, precision and loggers of a training."""

import json
import os
import subprocess
import sys

import pytest
import torch

from bmis.errors import ConfigError
from bmis.models.checkpoint import read_checkpoint
from bmis.train import optim
from bmis.train.run import train_model
from helpers.tiny import config, write_dataset
from helpers.training import COMMAND, best_weights, read_log


@pytest.mark.slow
@pytest.mark.parametrize("script", [False, True])
def test_two_processes_share_the_work_and_make_one_run(tmp_path, script):
    data = write_dataset(tmp_path / "data", splits=("train",) * 8 + ("val",) * 3 + ("test",))
    command = ["-m", "bmis"]
    if script:  # what pip installs
        command = [tmp_path / "bmis"]
        command[0].write_text("import sys\nfrom bmis.cli.main import main\nsys.exit(main())\n")
    # each process writes down how many images each of its steps takes
    (tmp_path / "sitecustomize.py").write_text(
        "import os, pathlib\n"
        "from bmis.train.cached_dataset import CachedDataset\n"
        "crops = CachedDataset.crops\n"
        "def spy(self, index, generator):\n"
        "    rank = os.environ.get('LOCAL_RANK', '0')\n"
        f"    with pathlib.Path({str(tmp_path)!r}, f'rank{{rank}}').open('a') as out:\n"
        "        out.write(f'{len(index)}\\n')\n"
        "    return crops(self, index, generator)\n"
        "CachedDataset.crops = spy\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", ""), *sys.path])
    done = subprocess.run(
        [sys.executable, *map(str, command), "train", str(data), "--out", str(tmp_path / "run"),
         *COMMAND, "--epochs", "2", "--devices", "2", "--batch-size", "4", "--json"],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["epochs"] == 2  # one result, not one for each process
    for rank in (0, 1):  # 8 images in batches of 4 over 2 processes: 2 steps of 2, twice
        assert (tmp_path / f"rank{rank}").read_text().split() == ["2"] * 4
    assert [row["epoch"] for row in read_log(tmp_path / "run")] == [1, 2]
    assert read_checkpoint(tmp_path / "run")[1].classes
    assert done.stderr.count("epoch 1/2") == 1


def test_bf16_computes_in_bf16(dataset, tmp_path, monkeypatch):
    kinds, conv2d = set(), torch.nn.Conv2d._conv_forward

    def spy(*args):
        result = conv2d(*args)
        if args[0].dilation == (1, 1):  # others stay in float32 on a CPU
            kinds.add(result.dtype)
        return result

    monkeypatch.setattr(optim, "outer_weights", lambda model: [])  # found without autocast
    monkeypatch.setattr(torch.nn.Conv2d, "_conv_forward", spy)
    train_model(config(dataset, epochs=1, precision="bf16"), out=tmp_path / "run", page=False)
    assert kinds == {torch.bfloat16}
    assert {v.dtype for v in best_weights(tmp_path / "run").values()} == {
        torch.float32,
        torch.int64,
    }


def test_more_processes_than_images_are_refused(tmp_path):
    data = write_dataset(tmp_path / "data", splits=("train", "val"))
    with pytest.raises(ConfigError, match="1 training image cannot be shared by 2 processes"):
        train_model(config(data, devices=2), out=tmp_path / "run", page=False)


@pytest.mark.parametrize(("there", "wanted"), [(0, 1), (1, 2)])
def test_cuda_devices_that_are_not_there_are_refused(dataset, tmp_path, there, wanted, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    message = rf"--devices {wanted}: {there} CUDA devices are found; .*use --device cpu"
    with pytest.raises(ConfigError, match=message):
        train_model(
            config(dataset, device="cuda", devices=wanted), out=tmp_path / "run", page=False
        )
