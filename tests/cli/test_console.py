"""What commands print: tables that fit the terminal, and no text that steers it."""

import io
import logging
import sys
import warnings
from pathlib import Path

import pytest

from bmis.cli import console
from bmis.cli.console import say, say_failures, set_up_messages, table, terminal_width, warn
from bmis.errors import BmisError, printable
from bmis.system import progress
from bmis.system.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def narrow(monkeypatch, columns: int) -> None:
    monkeypatch.setattr(console, "terminal_width", lambda: columns)


def test_numbers_keep_their_digits_and_end_in_one_column():
    rows = [["iou", "0.9000", "1e-3"], ["hd95", "4.0", "007"], ["n", "-", ""]]
    assert table(rows, "lrr", headers=["metric", "mean", "std"]).splitlines() == [
        "metric    mean   std",
        "------  ------  ----",
        "iou     0.9000  1e-3",
        "hd95       4.0   007",
        "n            -",
    ]


def test_title_and_caption_stand_around_the_table(monkeypatch):
    narrow(monkeypatch, 20)
    text = table([["a"]], "l", headers=["b"], title="c", caption="hd95 and assd in mm,\nnsd too")
    assert text.splitlines() == ["c", "b", "-", "a", "hd95 and assd in mm,", "nsd too"]


def test_a_table_without_rows_has_its_names():
    assert table([], "lr", headers=["engine", "ms"]) == "engine  ms\n------  --"


def test_wrapped_columns_fold_to_the_width_of_the_terminal(monkeypatch):
    narrow(monkeypatch, 30)
    rows = [["a.png", "the file is empty; copy it again"], ["b.png", "no image"]]
    assert table(rows, "lw", headers=["file", "problem"]).splitlines() == [
        "file   problem",
        "-----  -----------------------",
        "a.png  the file is empty; copy",
        "       it again",
        "b.png  no image",
    ]


def test_the_column_where_the_fewest_texts_must_wrap_gives_way(monkeypatch):
    narrow(monkeypatch, 50)
    rows = [["arXiv:1804.03999", "MIT"]] * 3 + [["doi:" + "1" * 40, "none stated"]]
    lines = table(rows, "ww").splitlines()
    assert all(len(line) <= 50 for line in lines)
    assert lines[0].split() == ["arXiv:1804.03999", "MIT"]
    assert lines[3].endswith("none stated")
    assert "".join(line.split()[0] for line in lines[3:]) == "doi:" + "1" * 40


def test_a_wrapped_column_keeps_some_width_on_any_terminal(monkeypatch):
    narrow(monkeypatch, 5)
    assert max(map(len, table([["x" * 30]], "w").splitlines())) == 12


def test_names_cannot_steer_the_terminal():
    text = table([["\x1b[31mred\x07\nnext\udc80", "[bold]"]], "wl", headers=["a\tb", "c"])
    assert text.splitlines()[2] == "?[31mred??next?  [bold]"
    assert "a?b" in text
    assert table([["a"]], "l", title="\x1b[2J") == "?[2J\na"
    assert printable("Größe µm 画像") == "Größe µm 画像"


def test_answers_and_warnings_cannot_steer_the_terminal(capsys):
    say("a\x1b[2J\nb\udc80")
    warn("\x9b31m: cannot be read")
    assert capsys.readouterr() == ("a?[2J\nb?\n", "bmis: ?31m: cannot be read\n")


def test_the_width_is_that_of_the_terminal(monkeypatch):
    assert terminal_width() == 140
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "77")
    assert terminal_width() == 77


@pytest.fixture
def _messages(monkeypatch):
    """Messages as the command sets them up, and as they were afterwards."""
    logger = logging.getLogger("bmis")
    before = logger.handlers, logger.level
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    yield
    logger.handlers = before[0]
    logger.setLevel(before[1])


@pytest.mark.usefixtures("_messages")
def test_messages_and_warnings_appear_above_the_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(progress, "_DELAY", 0)
    set_up_messages(verbose=True)
    with progress_bar("training", total=2) as bar:
        bar.update()
        logging.getLogger("bmis.train").info("epoch 1/2")
        warning = UserWarning("smaller batches\x1b")  # pytest keeps those that are raised
        sys.stderr.write(warnings.formatwarning(warning, UserWarning, "a.py", 1))
    written = terminal.getvalue()
    assert "\repoch 1/2\n" in written
    assert "\rbmis: smaller batches?\n" in written
    assert sys.stderr is terminal


def test_errors_are_printable_line_by_line():
    error = BmisError("a\nb\x1b[2J", "\u202ec")
    assert str(error) == "a?b?[2J\n?c"
    assert str(BmisError()) == ""


def test_names_in_warnings_and_logs_make_no_lines_of_their_own(capsys):
    set_up_messages(verbose=True)
    warn("a\nbmis: all is well")
    logging.getLogger("bmis").warning("%s", "b\n\x1b[31m\u202e")
    sys.stderr.write(warnings.formatwarning("c\nd\x07", UserWarning, "", 1))
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["bmis: a?bmis: all is well", "bmis: b??[31m?", "bmis: c d?"]


def test_files_that_failed_alike_are_one_line_with_their_number(capsys):
    alike = [(Path(f"{name}.png"), f"{name}.png: the file is empty (0 bytes)") for name in "abc"]
    assert say_failures([*alike, (Path("d.png"), "d.png: no image")]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "bmis: a.png: the file is empty (0 bytes) (and 2 more like it)",
        "bmis: d.png: no image",
        "bmis: left out: 4 files; the others are done",
    ]
    assert say_failures(alike[:1]) == 2
    assert "left out: 1 file; " in capsys.readouterr().err
    assert say_failures([]) == 0
    assert capsys.readouterr().err == ""
