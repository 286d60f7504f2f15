"""Progress bars on a terminal that keeps what is written to it, and none anywhere else."""

import io
import subprocess
import sys

import pytest

from bmis.system import progress
from bmis.system.progress import ProgressBar, progress_bar, track


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal_for(monkeypatch, *, delay: float = 0) -> Terminal:
    """A terminal instead of stderr; no fixture, as pytest puts its own stderr back after those."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(progress, "_DELAY", delay)
    return terminal


def on_screen(text: str) -> list[str]:
    """The lines that a terminal shows in the end, as far as tqdm steers it."""
    lines, row, column = [""], 0, 0
    text = text.replace("\x1b[A", "\x00")
    for char in text:
        if char == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif char == "\r":
            column = 0
        elif char == "\x00":
            row -= 1
        else:
            lines[row] = lines[row][:column].ljust(column) + char + lines[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


def test_a_bar_shows_count_rate_and_time_and_goes_away(monkeypatch):
    terminal = terminal_for(monkeypatch)
    for done, _ in enumerate(track(range(20), "reading")):
        if done == 0:
            assert "reading:   0%" in terminal.getvalue()
            assert " 0/20 [00:00<?, ?it/s]" in terminal.getvalue()
    assert set(on_screen(terminal.getvalue())) == {""}


def test_what_remains_follows_from_all_that_was_done(monkeypatch):
    """A training pauses after each epoch, to validate; the last step alone would not show that."""
    terminal_for(monkeypatch)
    with progress_bar("training", total=100) as bar:
        bar.start_t = bar.last_print_t = 0
        for now in (1, 2, 3, 40):
            monkeypatch.setattr(bar, "_time", lambda now=now: now)
            bar.update(5)
        assert "20/100 [00:40<02:40" in str(bar)


def test_short_work_shows_nothing(monkeypatch):
    terminal = terminal_for(monkeypatch, delay=60)
    assert list(track(range(3), "reading")) == [0, 1, 2]
    assert terminal.getvalue().strip() == ""


def test_lines_of_others_stay_whole_above_the_bar(monkeypatch):
    terminal = terminal_for(monkeypatch)
    with progress_bar("predict", total=3) as bar:
        bar.update()
        sys.stderr.write("bmis: a.png: ")
        assert "a.png" not in terminal.getvalue()  # half a line would end up inside the bar
        sys.stderr.write("cannot be read\n")
        assert "bmis: a.png: cannot be read\n" in terminal.getvalue()
        bar.update()
        sys.stderr.write("no end")
    assert sys.stderr is terminal
    assert on_screen(terminal.getvalue()) == ["bmis: a.png: cannot be read", "no end"]


def test_bars_inside_bars_leave_the_screen_clean(monkeypatch):
    terminal = terminal_for(monkeypatch)
    with progress_bar("trials", total=2) as outer:
        for _ in range(2):
            with progress_bar("training", total=2) as inner:
                inner.update()
                sys.stderr.write("epoch 1\n")
                inner.set_description("epoch 1/2")
            outer.update()
            outer.set_description("trials  last: a")
    assert sys.stderr is terminal
    assert "training:  50%" in terminal.getvalue()
    assert "trials  last: a: 100%" in terminal.getvalue()
    shown = [line for line in on_screen(terminal.getvalue()) if line]
    assert shown == ["epoch 1", "epoch 1"]


def test_a_bar_that_a_description_shows_early_goes_away_too(monkeypatch):
    terminal = terminal_for(monkeypatch, delay=60)
    with progress_bar("trials", total=2) as bar:
        bar.set_description("trials  last: a")
    assert "trials  last: a" in terminal.getvalue()
    assert set(on_screen(terminal.getvalue())) == {""}


def test_the_bar_goes_away_after_an_error(monkeypatch):
    terminal = terminal_for(monkeypatch)
    with pytest.raises(ValueError, match="bad"), progress_bar("reading", total=3):
        raise ValueError("bad")
    assert sys.stderr is terminal
    assert set(on_screen(terminal.getvalue())) == {""}


def test_the_total_is_known_or_given(monkeypatch):
    terminal = terminal_for(monkeypatch)
    assert list(track(iter("ab"), "reading", total=2)) == ["a", "b"]
    assert "0/2" in terminal.getvalue()
    assert list(track((c for c in "ab"), "counting")) == ["a", "b"]
    assert "counting: 0it" in terminal.getvalue()


def test_another_process_of_a_training_shows_nothing(monkeypatch):
    terminal = terminal_for(monkeypatch)
    with progress_bar("training", total=3, disable=True) as bar:
        bar.update()
    assert terminal.getvalue() == ""


def test_without_a_terminal_there_is_no_bar_and_tqdm_is_not_imported():
    code = (
        "import sys, bmis.system.progress as p; p._DELAY = 0\n"
        "assert list(p.track(range(3), 'reading')) == [0, 1, 2]\n"
        "sys.exit('tqdm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_silent_bar_takes_the_same_calls():
    bar = ProgressBar()
    bar.update(3)
    bar.set_description("epoch 1")
    assert bar.n == 0
