"""How many workers cameras need: a queue simulated event by event, and checked on a real service.

    python benchmarks/cameras.py [--cameras 100] [--service-ms 10] [--live 20]

Each camera sends so many frames a second, at its own phase and with a tenth of jitter. Workers take
them in the order in which they come; a frame for which there is no place is dropped, as the service
answers 429. A frame is late whose answer comes when the next one is due. All frames take the same
time; ``--service-ms`` says which, so that the table is the same on all machines: measure yours with
`benchmarks/serving.py`. `tests/serve/test_cameras.py` holds the simulation against the theory of
queues. With ``--live`` cameras ask a real service for so many seconds, at 60 percent of what it
can do, and the same frames are simulated with the times that one client saw before; both are
recorded. Writes ``results/cameras.json``, or ``results/cameras_live_<machine>.json``.
"""

import argparse
import http.client
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, short_name
from service import ADDRESS, start

from bmis.system.files import output_folder, write_json

RESULTS = Path(__file__).parent / "results"
SECONDS, SEED = 120.0, 0  # of the simulation
RATES, WORKERS, PLACES = (1, 5, 10, 25), (1, 2, 4, 8, 16, 32), 16
JITTER, LIVE_CAMERAS, LIVE_LOAD = 0.1, 8, 0.6


@dataclass(frozen=True)
class Outcome:
    """What became of the frames. Waits are seconds from a frame's arrival to its turn."""

    frames: int
    waits: list[float]
    times: list[float]

    @property
    def dropped(self) -> float:
        """The share for which there was no place."""
        return 1 - len(self.waits) / self.frames

    def late(self, period: float) -> float:
        """The share of all frames that were answered after a period."""
        return sum(one > period for one in self.times) / self.frames


def simulate(
    arrivals: Sequence[float], service: Iterable[float], *, workers: int, places: int
) -> Outcome:
    """Let frames pass through a queue.

    Args:
        arrivals: When they come, in order, in seconds.
        service: Seconds that each takes.
        workers: How many are computed at a time.
        places: How many may wait or be computed at a time.
    """
    free, ends = [0.0] * workers, list[float]()
    waits, times = [], []
    for now, seconds in zip(arrivals, service, strict=False):
        while ends and ends[0] <= now:
            heappop(ends)
        if len(ends) >= places:
            continue
        begin = max(now, heappop(free))
        end = begin + seconds
        heappush(free, end)
        heappush(ends, end)
        waits.append(begin - now)
        times.append(end - now)
    return Outcome(len(arrivals), waits, times)


def frames(cameras: int, rate: float, seconds: float, seed: int = SEED) -> list[float]:
    """When the frames of cameras come, in order."""
    rng = np.random.default_rng(seed)
    count = int(seconds * rate)
    phases = rng.uniform(0, 1, (cameras, 1))
    jitter = rng.uniform(-JITTER / 2, JITTER / 2, (cameras, count))
    return sorted(((np.arange(count) + phases + jitter) / rate).ravel().clip(0).tolist())


def described(found: Outcome, period: float) -> dict[str, Any]:
    """Plain numbers."""
    p50, p99 = np.percentile(found.waits, (50, 99)) * 1000
    return {
        "dropped": round(found.dropped, 4),
        "late": round(found.late(period), 4),
        "wait_p50_ms": round(float(p50), 1),
        "wait_p99_ms": round(float(p99), 1),
    }


def table(cameras: int, service: float) -> list[dict[str, Any]]:
    """Outcomes by frames a second and workers, each of which has its own places."""
    rows = []
    for rate in RATES:
        arrivals = frames(cameras, rate, SECONDS)
        for workers in WORKERS:
            places = max(PLACES, 2 * workers)
            found = simulate(arrivals, cycle([service]), workers=workers, places=places)
            load = cameras * rate * service / workers
            row = {"frames_per_second": rate, "workers": workers, "places": places}
            rows.append({**row, "load": round(load, 3), **described(found, 1 / rate)})
            if not found.dropped and not found.late(1 / rate):
                break  # more of them change nothing
    return rows


def ask(host: str, body: bytes) -> float | None:
    """Seconds to an answer; None if there was no place."""
    connection, begin = http.client.HTTPConnection(host), time.perf_counter()
    try:
        connection.request("POST", ADDRESS, body, {"Accept": "image/png"})
        answer = connection.getresponse()
        answer.read()
        return time.perf_counter() - begin if answer.status == 200 else None
    finally:
        connection.close()


def live(seconds: float, body: bytes) -> dict[str, Any]:
    """Cameras that ask a real service, and the same frames in the simulation."""
    with start("--threads", "1", "--queue", str(PLACES)) as server:
        alone = [found for _ in range(120) if (found := ask(server.host, body))][20:]
        rate = LIVE_LOAD / float(np.mean(alone)) / LIVE_CAMERAS
        arrivals = frames(LIVE_CAMERAS, rate, seconds)
        answers: list[float | None] = []

        def send(at: float, begin: float) -> None:
            time.sleep(max(0.0, begin + at - time.perf_counter()))
            answers.append(ask(server.host, body))

        begin = time.perf_counter() + 0.5
        threads = [threading.Thread(target=send, args=(at, begin)) for at in arrivals]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    drawn = np.random.default_rng(SEED).choice(alone, len(arrivals)).tolist()
    simulated = simulate(arrivals, drawn, workers=1, places=PLACES)
    taken = [found for found in answers if found is not None]
    return {
        "cameras": LIVE_CAMERAS,
        "frames_per_second": round(rate, 2),
        "one_client_ms": round(float(np.mean(alone)) * 1000, 2),
        "real": _times(taken, len(arrivals)),
        "simulated": _times(simulated.times, len(arrivals)),
        "machine": describe(),
    }


def _times(seconds: list[float], count: int) -> dict[str, float]:
    p50, p99 = np.percentile(seconds, (50, 99)) * 1000
    dropped = 1 - len(seconds) / count
    return {
        "dropped": round(dropped, 4),
        "answer_p50_ms": round(float(p50), 1),
        "answer_p99_ms": round(float(p99), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cameras", type=int, default=100)
    parser.add_argument("--service-ms", type=float, default=10.0)
    parser.add_argument("--live", type=float, metavar="SECONDS", help="ask a real service instead")
    parser.add_argument("--dry", action="store_true", help="print the record, write none")
    args = parser.parse_args()
    if args.live:
        from hostile_clients import image

        name, record = f"cameras_live_{short_name()}.json", live(args.live, image())
    else:
        rows = table(args.cameras, args.service_ms / 1000)
        about = {"cameras": args.cameras, "service_ms": args.service_ms, "seconds": SECONDS}
        name, record = "cameras.json", {**about, "seed": SEED, "rows": rows}
    if args.dry:
        print(record)
    else:
        write_json(output_folder(RESULTS) / name, record)


if __name__ == "__main__":
    main()
