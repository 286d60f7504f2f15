"""Three stages at the same time, in order, with few items in hand, and no thread left behind."""

import threading
import time

import pytest

from bmis.errors import DataError
from bmis.system.pipeline import each, stream


def run(count=20, batch=3, read=lambda n: n, work=list, write=None):
    done = []
    stream(range(count), read, work, write or done.append, batch=batch)
    return done


def no_thread_is_left():
    return [t.name for t in threading.enumerate() if t.name.startswith("bmis-")] == []


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 20])
@pytest.mark.parametrize("batch", [1, 3, 50])
def test_everything_arrives_once_and_in_order(count, batch):
    assert run(count, batch) == list(range(count))
    assert no_thread_is_left()


def test_work_gets_full_batches_and_may_drop_items():
    sizes = []

    def work(group):
        sizes.append(len(group))
        return [item for item in group if item % 2]

    assert run(10, 4, work=work) == [1, 3, 5, 7, 9]
    assert sizes == [4, 4, 2]


@pytest.mark.parametrize("slow", ["read", "work", "write"])
def test_few_items_are_in_hand_whichever_stage_is_slow(slow):
    read, written, most, lock = [], [], [0], threading.Lock()

    def count(items, item, stage):
        if slow == stage:
            time.sleep(0.002)
        with lock:
            items.append(item)
            most[0] = max(most[0], len(read) - len(written))

    def work(group):
        if slow == "work":
            time.sleep(0.002)
        return group

    stream(
        range(60),
        lambda item: count(read, item, "read") or item,
        work,
        lambda item: count(written, item, "write"),
        batch=2,
    )
    assert written == list(range(60))
    assert most[0] <= 4 + 2 + 4  # read ahead, worked on, waiting to be written


def test_the_three_stages_overlap():
    """Item 0 is written, 1 worked on and 2 read at one time: one after the other would hang."""
    meet = threading.Barrier(3, timeout=10)
    written = []

    def read(item):
        if item == 2:
            meet.wait()
        return item

    def work(group):
        if group == [1]:
            meet.wait()
        return group

    def write(item):
        if item == 0:
            meet.wait()
        written.append(item)

    run(5, 1, read, work, write)
    assert written == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("stage", ["read", "work", "write"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_stops_all_without_a_thread_left(stage, error):
    calls = []

    def fail(value):
        calls.append(value)
        if len(calls) == 3:
            raise error("here")
        return value

    with pytest.raises(error, match="here"):
        run(1000, 2, **{stage: fail})
    assert len(calls) <= 12
    assert no_thread_is_left()


def test_after_an_error_what_waits_is_dropped():
    read = []

    def slowly(item):
        time.sleep(0.005)
        read.append(item)
        return item

    def fail(_):
        raise ValueError("here")

    with pytest.raises(ValueError, match="here"):
        run(1000, 20, read=slowly, work=fail)
    assert 20 <= len(read) < 35  # of the 40 that were asked for
    assert no_thread_is_left()


def test_results_keep_the_order_and_errors_come_through():
    assert list(each(lambda x: x * x, range(100))) == [x * x for x in range(100)]

    def fail(item):
        if item == 7:
            raise DataError("seven")
        return item

    with pytest.raises(DataError, match="seven"):
        list(each(fail, range(100)))


def test_work_does_not_run_far_ahead_of_its_use():
    started = []
    lock = threading.Lock()

    def note(item):
        with lock:
            started.append(item)

    work = each(note, range(1000))
    next(work)
    work.close()
    assert len(started) < 100


def test_a_thread_of_its_own_may_close_it():
    begin, ended, errors = threading.Event(), threading.Event(), []

    def close(item):
        if item == 1:
            begin.wait(30)
            try:
                work.close()
            except RuntimeError as error:
                errors.append(error)
            ended.set()
        return item

    work = each(close, range(3))
    next(work)
    begin.set()
    assert ended.wait(30)
    assert errors == []
