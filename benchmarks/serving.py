"""What `bmis serve` adds to the network: time of a start and of a request; errors and memory.

    python benchmarks/serving.py [--clients 32] [--seconds 600] [--workers 1] [--threads 2]

A service of the network for colonoscopy runs in a process of its own. Measured are: the time from
its start to its first answer (median of five starts); the time of a request of one 224 x 224 PNG
by one client over one connection, mask as PNG and as JSON; beside it that of the network alone
(normalised floats to logits) and of all that `bmis.load` does with the same bytes (decode, network,
mask), in this process while the service rests. Then many clients ask at the same time; a client
that is sent away (429) waits as long as it is told. Resident memory is sampled all the while
(Linux). Writes ``results/serving_<machine>.json``; ``--dry`` prints it instead, for a busy machine.
"""

import argparse
import http.client
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, short_name
from PIL import Image
from service import ADDRESS, NAME, Server, start

import bmis
from bmis.data.arrays import to_image
from bmis.data.images import encode_mask
from bmis.data.preprocess import normalise
from bmis.runtime.load import load_runtime
from bmis.system.files import output_folder, write_json

RESULTS = Path(__file__).parent / "results"
SIZE = (224, 224)
STARTS, ALONE = 5, 200


def ask(connection: http.client.HTTPConnection, body: bytes, accept: str) -> tuple[int, float]:
    """Send one request; its status, and the seconds after which a client may come again."""
    connection.request("POST", ADDRESS, body, {"Accept": accept})
    answer = connection.getresponse()
    answer.read()
    return answer.status, float(answer.getheader("Retry-After", "0"))


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Milliseconds."""
    p50, p99 = np.percentile(seconds, (50, 99)) * 1000
    return {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2)}


def timed(work: Callable[[], Any], times: int = ALONE) -> dict[str, float]:
    """How long a piece of work takes, after a tenth that does not count."""
    found = []
    for turn in range(times + times // 10):
        start = time.perf_counter()
        work()
        if turn >= times // 10:
            found.append(time.perf_counter() - start)
    return percentiles(found)


def first_answer(body: bytes, options: list[str]) -> float:
    """Seconds from the start of a process to its first answer."""
    found = []
    for _ in range(STARTS):
        with start(*options) as server:
            status, _ = ask(http.client.HTTPConnection(server.host), body, "image/png")
            assert status == 200
            found.append(time.perf_counter() - server.began)
    return round(float(np.median(found)), 2)


def alone(body: bytes, threads: int) -> dict[str, Any]:
    """The same image without a service: the network by itself, and all that `bmis.load` does."""
    options = bmis.RuntimeOptions(threads=threads)
    runtime, info = load_runtime(NAME, options)
    predictor = bmis.Predictor(runtime, info)
    pixels = np.asarray(Image.open(io.BytesIO(body)))
    batch = normalise(pixels, info.input)[None]
    image = Path("serving.png")
    image.write_bytes(body)
    picture, mask = to_image(image, info.input.channels), predictor(image)
    classes = max(2, len(info.classes))
    try:
        return {
            "network": timed(lambda: runtime(batch)),
            "load": timed(lambda: predictor(image)),
            "parts": {
                "decode": timed(lambda: to_image(image, info.input.channels)),
                "network_and_around_it": timed(lambda: predictor(picture)),
                "encode": timed(lambda: encode_mask(mask.labels, classes)),
            },
        }
    finally:
        image.unlink()


def under_load(server: Server, body: bytes, clients: int, seconds: float) -> dict[str, Any]:
    """Many clients at once: what they got, how long they waited, and the memory of the service."""
    statuses: Counter[int] = Counter()
    waited: list[float] = []
    end = time.perf_counter() + seconds

    def client() -> None:
        connection = http.client.HTTPConnection(server.host)
        while time.perf_counter() < end:
            start = time.perf_counter()
            try:
                status, pause = ask(connection, body, "image/png")
            except (OSError, http.client.HTTPException):  # counted; the next request connects anew
                connection.close()
                status, pause = 0, 0.0
            statuses[status] += 1
            if status == 200:
                waited.append(time.perf_counter() - start)
            time.sleep(pause)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    memory = []
    while any(thread.is_alive() for thread in threads):
        memory.append(server.resident())
        time.sleep(min(1.0, seconds / 100))
    half = len(memory) // 2
    return {
        "clients": clients,
        "seconds": seconds,
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "images_per_second": round(len(waited) / seconds, 1),
        **percentiles(waited),
        "resident_mb": round(max(memory) / 2**20, 1),
        "growth_mb": round((max(memory[half:]) - max(memory[:half])) / 2**20, 1),
    }


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All that the record holds."""
    stream = io.BytesIO()
    pixels = bmis.draw_phantom("endoscopy", size=SIZE, seed=0)[0]
    Image.fromarray(pixels).save(stream, "PNG")
    body = stream.getvalue()
    options = ["--workers", str(args.workers), "--threads", str(args.threads)]
    record: dict[str, Any] = {
        "machine": describe(),
        "image_bytes": len(body),
        "workers": args.workers,
        "threads": args.threads,
        "start_to_first_answer_s": first_answer(body, options),
        **alone(body, args.threads),
    }
    with start(*options) as server:
        connection = http.client.HTTPConnection(server.host)
        for kind in ("image/png", "application/json"):
            record[kind] = timed(partial(ask, connection, body, kind))
        record["load_test"] = under_load(server, body, args.clients, args.seconds)
    return record


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dry", action="store_true")
    given = parser.parse_args()
    found = measure(given)
    if given.dry:
        print(json.dumps(found, indent=1))
    else:
        name = f"serving_{short_name()}_{given.workers}x{given.threads}.json"
        write_json(output_folder(RESULTS) / name, found)
