"""How a service is started and stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from bmis.cli.main import main
from bmis.serve.networks import load_networks
from helpers import fakes
from helpers.bodies import SEGMENT, png


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--host", "0.0.0.0"], "needs tokens"),
        (["--host", "hospital.example"], "needs tokens"),
        (["--port", "99999"], "port"),
        (["--token-file", "nowhere"], "nowhere"),
        (["--token-file", "short"], "fewer than 16 characters"),
        (["--token-file", "empty"], "there is no token"),
        (["--host", "127.0.0.1", "--port", "1", "--max-mb", "0"], "max_mb"),
        (["two.bmis"], "two networks are called two"),
        (["run"], "a service runs bundles"),
        (["colonscopy"], "did you mean"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(
    models, argv, words, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(models[0], "two.bmis")
    (tmp_path / "short").write_text("abc\n")
    (tmp_path / "empty").write_text("# nothing\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.safetensors").write_bytes(b"")
    assert main(["serve", "two.bmis", *argv]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_a_port_that_is_taken_is_named(models, capsys):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert main(["serve", models[0], "--port", port]) == 2
    assert f"127.0.0.1:{port}: cannot listen here" in capsys.readouterr().err


def test_without_the_extra_the_install_line_is_given(models, monkeypatch, capsys):
    fakes.hide(monkeypatch, "uvicorn")
    assert main(["serve", models[0]]) == 2
    assert 'pip install "bmis[serve]"' in capsys.readouterr().err


def test_a_bundle_from_the_hub_is_called_by_its_own_name(models, monkeypatch):
    monkeypatch.setattr("bmis.serve.networks.find_model_file", lambda _: Path(models[0]))
    (network,) = load_networks(["hf://clinic/polyps"])
    assert network.name == "polyps"


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_service_answers_without_torch_and_stops_when_it_is_told(models, stop):
    code = (
        "import atexit, sys; from bmis.cli.main import main\n"
        "atexit.register(lambda: print('torch' in sys.modules, flush=True))\n"
        f"sys.exit(main(['serve', {models[0]!r}, '--port', '0']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        address, *_ = process.stdout.readline().split()
        headers = {"Accept": "image/png"}
        request = urllib.request.Request(address + SEGMENT, png(), headers)
        assert urllib.request.urlopen(request, timeout=60).status == 200
        wrong = urllib.request.Request(address + "/v1/segment/no", b"0" * 8_000_000)
        with pytest.raises(urllib.error.HTTPError, match="404"):  # and no broken connection
            urllib.request.urlopen(wrong, timeout=60)
        process.send_signal(stop)
        out, log = process.communicate(timeout=60)
    finally:
        process.kill()
    lines = [json.loads(line) for line in log.splitlines()]
    request, _ = [line for line in lines if line["event"] == "request"]
    assert request["route"] == "/v1/segment/{name}"
    assert process.returncode == 0
    assert out.endswith("False\n")
