"""Whoever reads the answer may end, as ``head`` does; each command then ends without a word."""

import os
import subprocess
import sys

import pytest

from bmis.cli import main as module
from bmis.cli.main import COMMANDS, main


def into_closed_pipe(*args, both=False):
    """Exit code and stderr of a command whose stdout, and stderr if asked, nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        stderr = writer if both else subprocess.PIPE
        command = [sys.executable, "-m", "bmis", *map(str, args)]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
        done = subprocess.run(
            command, stdout=writer, stderr=stderr, text=True, check=False, env=environment
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr


@pytest.mark.parametrize("args", [["--version"], ["--help"], ["inspect"], ["inspect", "--json"]])
def test_a_closed_pipe_ends_a_command_quietly(args, dataset):
    data = [dataset] if "inspect" in args else []
    assert into_closed_pipe(*args, *data) == (141, "")


def test_errors_that_nobody_reads_end_quietly_too():
    assert into_closed_pipe("trian", both=True) == (141, None)
    assert into_closed_pipe("trian")[0] == 2  # an error that is read stays one


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_takes_it_for_an_error_of_its_own(command, monkeypatch, capsys):
    def run(args):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(module, "parse", lambda argv: module.Namespace(
        command=module.Namespace(run=run), verbose=False))  # fmt: skip
    monkeypatch.setattr(module, "_write_nowhere", lambda: None)
    assert main([command]) == 141
    assert capsys.readouterr() == ("", "")


def test_without_any_stdout_commands_run():
    command = f"exec {sys.executable} -m bmis --version >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
