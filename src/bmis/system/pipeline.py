"""Read, work and write at the same time, with a fixed number of items in memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_THREADS = 4  # decoding releases the interpreter's lock
_Item = TypeVar("_Item")
_Read = TypeVar("_Read")
_Done = TypeVar("_Done")


def stream(
    items: Iterable[_Item],
    read: Callable[[_Item], _Read],
    work: Callable[[list[_Read]], Sequence[_Done]],
    write: Callable[[_Done], None],
    *,
    batch: int,
) -> None:
    """Take items through three stages, in order.

    ``read`` runs in a thread of its own and keeps one batch ahead, ``work`` runs in the caller's
    thread, ``write`` in a third. At most ``2 * batch`` items are read and not yet worked on, and
    as many wait to be written, however many there are in all.

    Args:
        items: What ``read`` gets, one by one.
        read: Makes of an item what ``work`` gets.
        work: Makes of at most ``batch`` of them any number of results.
        write: Gets every result.
        batch: Size of the lists that ``work`` gets, at least 1.

    Raises:
        BaseException: Whatever a stage raises, or an interrupt. The items in hand are finished, all
            that wait are dropped and both threads have ended before it is raised.

    Example:
        >>> stream(["2", "3", "4"], int, lambda pair: [sum(pair)], print, batch=2)
        5
        4
    """
    reader, writer = ThreadPoolExecutor(1, "bmis-reader"), ThreadPoolExecutor(1, "bmis-writer")
    reading: deque[Future[_Read]] = deque()
    writing: deque[Future[None]] = deque()
    waiting = iter(items)
    try:
        while True:
            for item in islice(waiting, 2 * batch - len(reading)):
                reading.append(reader.submit(read, item))
            if not reading:
                break
            group = [reading.popleft().result() for _ in range(min(batch, len(reading)))]
            for done in work(group):
                while len(writing) >= 2 * batch:
                    writing.popleft().result()
                writing.append(writer.submit(write, done))
        while writing:
            writing.popleft().result()
    finally:
        for pool in (reader, writer):
            pool.shutdown(wait=True, cancel_futures=True)


def each(function: Callable[[_Item], _Done], items: Sequence[_Item]) -> Iterator[_Done]:
    """``function`` of each item in order, by a few threads that never run far ahead.

    If it raises, all threads have ended before the error reaches the caller. A caller that stops
    early does not wait for the items in hand.

    Example:
        >>> list(each(abs, [-1, 2, -3]))
        [1, 2, 3]
    """
    pool, wait = ThreadPoolExecutor(_THREADS), True
    waiting = iter(items)
    try:
        ahead = deque(pool.submit(function, item) for item in islice(waiting, 4 * _THREADS))
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(pool.submit(function, item) for item in islice(waiting, 1))
    except GeneratorExit:
        wait = False  # the garbage collector may close this from one of the pool's own threads
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=True)
