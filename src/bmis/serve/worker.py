"""What computes: a few threads behind a bounded queue."""

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from bmis.serve.gate import Gate
from bmis.serve.refusals import Refused

_T = TypeVar("_T")
_MEMORY = 0.2  # weight of the newest time in the mean


class Worker:
    """Computes in threads of its own, a few requests at a time, while others wait.

    Args:
        threads: Requests that are computed at a time.
        places: Requests that are computed or wait.

    Attributes:
        gate: The places.

    Example:
        >>> worker = Worker(threads=1, places=4)
        >>> asyncio.run(worker.do(lambda: 2 + 3, seconds=10, after=lambda: None))
        5
        >>> worker.close()
    """

    def __init__(self, threads: int, places: int) -> None:
        self.gate = Gate(places)
        self._pool = ThreadPoolExecutor(threads, "bmis-serve")
        self._threads, self._mean = threads, 0.0

    @property
    def retry_after(self) -> int:
        """Seconds after which there will be a place, by the time that others took."""
        return max(1, math.ceil(self._mean * self.gate.taken / self._threads))

    async def do(self, work: Callable[[], _T], *, seconds: float, after: Callable[[], None]) -> _T:
        """Let a thread do something, and wait for it.

        Args:
            work: What is done. It cannot be stopped once it has begun.
            seconds: How long the caller waits.
            after: Called when the work has ended or was dropped, with a result or without.

        Raises:
            Refused: All places are taken, or the time is over.
        """
        try:
            self.gate.enter(retry_after=self.retry_after)
        except Refused:
            after()
            raise
        future = self._pool.submit(self._timed, work)
        future.add_done_callback(lambda _: self._leave(after))
        return await self._result(future, seconds)

    async def _result(self, future: Future[_T], seconds: float) -> _T:
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(asyncio.wrap_future(future))
        except TimeoutError:
            raise Refused(
                503,
                f"no answer within {seconds:g} seconds; try again, or send a smaller image",
                retry_after=self.retry_after,
            ) from None
        finally:
            future.cancel()  # of a client that is gone or waited too long, if it has not begun

    def _timed(self, work: Callable[[], _T]) -> _T:
        start = time.perf_counter()
        try:
            return work()
        finally:
            self._mean += _MEMORY * (time.perf_counter() - start - self._mean)

    def _leave(self, after: Callable[[], None]) -> None:
        self.gate.leave()
        after()

    def close(self) -> None:
        """Finish all that was begun or waits, and end."""
        self._pool.shutdown(wait=True)
