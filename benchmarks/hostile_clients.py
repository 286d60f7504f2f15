"""What hostile clients do to a service and to a DICOM node, and what an honest client sees of it.

    python benchmarks/hostile_clients.py [--only silence guesses ...] [--dry]

A real `bmis serve colonoscopy` with a token, and a real DICOM node, run in processes of their own
(Linux). One attack after the other (`fuzzing/attacks.py`, `fuzzing/associations.py`) is made over
sockets of this machine: 1,000 silent connections, heads and bodies that come byte by byte, bodies
without end, paths, tokens, hostile files, associations that hang. Meanwhile an honest client asks
for a mask each 0.2 s, over a new connection each time; of the node it asks for C-ECHO. Recorded are
the answers to each attack, the latency and answers of the honest client before and meanwhile, and
the most memory and open files of the service. Writes ``results/hostile_clients.json`` after the
service and after the node; a part that it holds is not attacked again.
"""

import argparse
import asyncio
import http.client
import io
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from fuzzing import associations, attacks
from machine import describe
from PIL import Image
from service import ADDRESS, Server, start

import bmis
from bmis.system.files import output_folder, write_json

RESULTS = Path(__file__).parent / "results"
PAUSE, ALONE = 0.2, 5.0  # seconds: between two honest requests, and without an attack


class Honest:
    """A client that asks again and again, and what it saw.

    Args:
        ask: Asks once; what was answered.
        server: Whose memory and files are sampled.
    """

    def __init__(self, ask: Callable[[], str], server: Server) -> None:
        self._ask, self._server, self._ended = ask, server, threading.Event()
        self._seconds: list[float] = []
        self._answers, self._files = Counter[str](), 0

    def _repeat(self) -> None:
        while not self._ended.wait(PAUSE):
            begin = time.perf_counter()
            try:
                answer = self._ask()
            except (OSError, http.client.HTTPException) as error:
                answer = type(error).__name__
            self._seconds.append(time.perf_counter() - begin)
            self._answers[answer] += 1
            self._files = max(self._files, self._server.descriptors())

    @contextmanager
    def asking(self) -> Iterator[None]:
        """It asks for as long as the block runs."""
        thread = threading.Thread(target=self._repeat)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def seen(self) -> dict[str, Any]:
        """What it saw."""
        times = np.array(self._seconds) * 1000
        found: dict[str, Any] = {
            "answers": dict(self._answers),
            "most_open_files": self._files,
        }
        if times.size:  # some attacks end before the first request
            found["p50_ms"] = round(float(np.median(times)), 1)
            found["worst_ms"] = round(float(times.max()), 1)
        return found


def image() -> bytes:
    """What the honest client sends."""
    stream = io.BytesIO()
    Image.fromarray(bmis.draw_phantom("endoscopy", size=(224, 224), seed=0)[0]).save(stream, "PNG")
    return stream.getvalue()


def ask_for_a_mask(host: str, body: bytes) -> str:
    """The status of the answer."""
    connection = http.client.HTTPConnection(host, timeout=90)
    headers = {"Accept": "image/png", "Authorization": f"Bearer {attacks.TOKEN}"}
    try:
        connection.request("POST", ADDRESS, body, headers)
        answer = connection.getresponse()
        return str(answer.status) if answer.read(4) == b"\x89PNG" else f"{answer.status} no mask"
    finally:
        connection.close()


def watch(
    server: Server, ask: Callable[[], str], attack: Callable[[], Counter[str]]
) -> dict[str, Any]:
    """Make an attack while an honest client asks."""
    honest, begin = Honest(ask, server), time.perf_counter()
    with honest.asking():
        answers = attack()
    return {
        "answers": dict(answers.most_common()),
        "seconds": round(time.perf_counter() - begin, 1),
        "honest_client": honest.seen(),
        "alive": server.is_alive,
        "resident_mb": round(server.resident() / 2**20, 1),
        "peak_resident_mb": round(server.peak_resident() / 2**20, 1),
    }


def rest() -> Counter[str]:
    """No attack."""
    time.sleep(ALONE)
    return Counter()


def _run(attack: attacks.Attack, port: int) -> Counter[str]:
    return asyncio.run(attack(port))


def attack_service(work: Path, only: list[str]) -> dict[str, Any]:
    """All attacks on the HTTP service, on one process."""
    (work / "tokens").write_text(f"{attacks.TOKEN}\n", encoding="utf-8")
    options = ("--token-file", str(work / "tokens"), "--threads", "1")
    found, body = {}, image()
    with start(*options, log=work / "service.log") as server:
        port = int(server.host.rpartition(":")[2])
        ask = partial(ask_for_a_mask, server.host, body)
        found["nothing"] = watch(server, ask, rest)
        for one in attacks.ATTACKS:
            name = one.__name__
            if not only or name in only:
                found[name] = watch(server, ask, partial(_run, one, port))
                print(name, json.dumps(found[name]), flush=True)
        found["afterwards"] = watch(server, ask, rest)
    lines = (work / "service.log").read_text(encoding="utf-8").splitlines()
    errors = [line for line in map(json.loads, lines) if line["level"] == "error"]
    return {"attacks": found, "faults_in_the_log": errors}


def attack_node(work: Path, only: list[str]) -> dict[str, Any]:
    """All attacks on the DICOM node, on one process."""
    found: dict[str, Any] = {}
    with (
        associations.receiver() as receiver,
        Server(*associations.arguments(work, receiver.port), log=work / "node.log") as node,
    ):
        port = int(node.host.rpartition(":")[2])
        ask = partial(associations.echo, port)
        found["nothing"] = watch(node, ask, rest)
        for one in associations.ATTACKS:
            name = one.__name__
            if not only or name in only:
                time.sleep(ALONE)  # until the node has ended what was before
                found[name] = watch(node, ask, partial(one, port))
                print(name, json.dumps(found[name]), flush=True)
        found["afterwards"] = watch(node, ask, rest)
        results = associations.send_and_wait(port, receiver)
    lines = (work / "node.log").read_text(encoding="utf-8").splitlines()
    failed = Counter(str(line.get("error")) for line in map(json.loads, lines)
                     if line["event"] == "failed")  # fmt: skip
    return {"attacks": found, "honest_series_answered": results, "faults_in_the_log": dict(failed)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], help="these attacks alone")
    parser.add_argument("--dry", action="store_true", help="print the record, write none")
    args = parser.parse_args()
    file = output_folder(RESULTS) / "hostile_clients.json"
    kept = not args.dry and not args.only
    record = json.loads(file.read_text(encoding="utf-8")) if kept and file.exists() else {}
    for part, attack in (("service", attack_service), ("node", attack_node)):
        if part not in record:
            with tempfile.TemporaryDirectory(prefix="bmis-hostile-") as folder:
                record[part] = {**attack(Path(folder), args.only), "machine": describe()}
        if kept:
            write_json(file, record)
    if not kept:
        print(json.dumps(record, indent=1))
    alive = all(
        one["alive"] for part in ("service", "node") for one in record[part]["attacks"].values()
    )
    return 0 if alive and not record["service"]["faults_in_the_log"] else 1


if __name__ == "__main__":
    sys.exit(main())
