"""What a node keeps: nobody else works on it, and nothing is lost or held up by one that is bad."""

import sqlite3
import stat
import time

import pytest

from bmis.cli.main import main
from bmis.errors import ConfigError, DataError
from bmis.serve.node import outbox as outbox_module
from bmis.serve.node.identity import Identity
from bmis.serve.node.letters import dead_letters
from bmis.serve.node.metrics import NodeMetrics
from bmis.serve.node.outbox import Outbox
from bmis.serve.node.recovery import recover
from bmis.serve.node.rules import Destination
from bmis.serve.node.settings import NodeSettings
from bmis.serve.node.spool import Spool, SpoolFullError
from helpers.pacs import write_rules

PACS = Destination("pacs", aet="PACS", host="127.0.0.1", port=4242)


@pytest.fixture
def kept(spool):
    return Spool(spool, limit=10**9)


def add(spool, uid, series="1.3"):
    """Let an object come."""
    path = spool.arriving / "half"
    path.write_bytes(b"x" * 10)
    return spool.add(Identity(uid, series), path)


def add_results(spool, uids, destination="pacs"):
    """Let results wait, in this order."""
    for uid in uids:
        path = spool.working / "one"
        path.write_bytes(b"x")
        spool.finish([], {uid: path}, [destination], {})
        time.sleep(0.002)


def test_a_spool_is_for_one_node(kept, spool, models, tmp_path, capsys):
    kept.lock()
    with pytest.raises(ConfigError, match="another node works on this spool; stop it"):
        Spool(spool, limit=1).lock()
    rules = write_rules(tmp_path, models[0], {"url": "http://127.0.0.1:1/dicom-web"})
    argv = ["serve", "--dicom", "0", "--peers", "CT1@127.0.0.1", "--rules", str(rules)]
    assert main([*argv, "--spool", str(spool)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"{spool}: another node works on this spool; stop it, or give another "
                         "--spool FOLDER")  # fmt: skip
    assert main(["serve", "--dead-letters", "--spool", str(spool)]) == 0
    kept.unlock()
    kept.lock()
    kept.unlock()


def test_the_folder_of_somebody_else_is_left_alone(tmp_path, kept, spool):
    theirs = tmp_path / "data" / "objects" / "scan.dcm"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"x")
    with pytest.raises(DataError, match=r"holds objects, but not node\.sqlite"):
        Spool(tmp_path / "data", limit=1)
    assert theirs.exists()
    add(kept, "1.2")
    kept.database.close()
    (spool / "node.sqlite").unlink()
    with pytest.raises(DataError, match="bring that back"):
        Spool(spool, limit=1)


def test_a_spool_is_for_its_user_alone(kept, spool):
    for path in (spool, *spool.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_series_that_ends_the_process_is_given_up_and_one_that_fails_is_not(kept):
    add(kept, "1.2", "a")
    add(kept, "1.4", "b")
    for _ in range(5):
        assert kept.take("a")
        kept.give_back(kept.take("b"))
    assert kept.take("a") == {}
    assert len(kept.take("b")) == 1
    (letter,) = dead_letters(kept)
    assert "ended 5 times" in letter.error


def test_what_is_full_says_so_and_takes_the_object_again(spool):
    small = Spool(spool, limit=15)
    assert add(small, "1.2")
    with pytest.raises(SpoolFullError, match="--spool-gb"):
        add(small, "1.4")
    small.finish(["1.2"], {}, [], {})
    assert (small.size(), add(small, "1.4"), add(small, "1.4")) == (0, True, False)


def test_results_of_a_destination_that_is_gone_are_dead_letters_until_it_is_back(kept):
    add_results(kept, ["1.9"])
    recover(kept, ["other"])
    (letter,) = dead_letters(kept)
    assert "no rules name this destination any more" in str(letter)
    assert letter.path.exists()
    recover(kept, ["pacs"])
    make_outbox(kept).retry_all()
    assert dead_letters(kept) == []
    assert kept.count("results", "waiting") == 1


def make_outbox(spool, **settings):
    return Outbox(spool, PACS, NodeSettings(**settings), NodeMetrics(spool))


@pytest.fixture
def line(monkeypatch):
    """A receiver: what it got; it hangs up on what is in ``hated``."""

    class Line:
        got, hated, rounds = [], set(), []

    def send(paths, *_):
        Line.rounds.append(len(paths))
        for path in paths:
            if path in Line.hated:
                yield path, "hung up"
                return
            Line.got.append(path)
            yield path, None

    Line.got, Line.hated, Line.rounds = [], set(), []
    monkeypatch.setattr(outbox_module, "send", send)
    return Line


def test_a_result_that_no_receiver_can_stand_holds_up_no_other(kept, line):
    uids = [f"1.{number}" for number in range(5)]
    add_results(kept, uids)
    line.hated = {kept.path_of_result(uids[0])}
    outbox = make_outbox(kept, retry=0.02)
    for _ in range(3):
        outbox.send_due()
        time.sleep(0.1)
    assert line.got == [kept.path_of_result(uid) for uid in uids[1:]]
    assert not any(path.exists() for path in line.got)
    assert kept.path_of_result(uids[0]).exists()
    assert kept.count("results", "waiting") == 1


def test_all_are_put_off_while_a_receiver_is_away_and_die_in_time(kept, line):
    uids = [f"1.{number}" for number in range(3)]
    add_results(kept, uids)
    line.hated = {kept.path_of_result(uid) for uid in uids}
    outbox = make_outbox(kept, retry=3600)
    assert outbox.send_due()
    assert not outbox.send_due()  # none is due for an hour
    assert line.rounds == [3]
    make_outbox(kept).retry_all()
    assert make_outbox(kept, give_up=0).send_due()
    assert [letter.error for letter in dead_letters(kept)] == ["hung up"] * 3
    text = outbox._metrics.text().decode()
    assert 'bmis_node_results_total{destination="pacs",outcome="failed"} 1.0' in text
    assert "bmis_node_dead_results 3.0" in text


def test_a_database_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "node.sqlite").write_bytes(b"no database at all, but long enough" * 9)
    with pytest.raises(DataError, match="cannot be used"):
        Spool(tmp_path / "s", limit=1)


def test_a_change_that_fails_half_way_is_none(kept, monkeypatch):
    real = kept.database.rows

    def broken(query, values=()):
        if query.startswith("UPDATE objects SET state"):
            raise sqlite3.OperationalError("disk I/O error")
        return real(query, values)

    add(kept, "1.2")
    monkeypatch.setattr(kept.database, "rows", broken)
    path = kept.working / "result"
    path.write_bytes(b"x")
    with pytest.raises(sqlite3.OperationalError):
        kept.finish(["1.2"], {"1.9": path}, ["pacs"], {})
    monkeypatch.undo()
    assert kept.count("results", "waiting") == 0
    assert kept.count("objects", "waiting") == 1
    assert kept.path_of_object("1.2").exists()
    recover(kept, ["pacs"])
    assert not kept.path_of_result("1.9").exists()
