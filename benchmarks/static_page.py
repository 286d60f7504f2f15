"""The page without a service: are its masks those of Python, how large is it, how fast?

    python benchmarks/static_page.py DATA [--times]

Writes the page with ``bmis serve --static`` for the six networks, opens it in Chromium (of the
system, by playwright) and asks its engine for the masks of test images; DATA as for
``five_modalities.py``. Compared are the masks, what the browser decodes of each file, and what
that alone does to the masks of Python, and both masks with those that people drew. Writes
``results/static_page.json``. onnxruntime-web plays a part only if a network needs it.

``--times`` measures instead, one thread each: from a file's bytes to its answer in JSON, and the
network alone. Writes ``results/static_page_times_<machine>.json``. Only a quiet machine gives times
that mean something.
"""

import argparse
import base64
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, short_name
from numpy.typing import NDArray
from playwright.sync_api import Page, sync_playwright
from shipped import NETWORKS, Network

from bmis import open_dataset
from bmis.config import RuntimeOptions
from bmis.data.cases import Case, Dataset, load_case
from bmis.data.images import Image, read_image
from bmis.data.preprocess import fit, normalise
from bmis.importing.run_lengths import decode_runs
from bmis.metrics import score_case
from bmis.predict.load import load_predictor
from bmis.predict.predictor import Predictor
from bmis.runtime.load import load_runtime
from bmis.serve.answers import describe as describe_answer
from bmis.serve.static_page import StaticSettings, write_static_page
from bmis.system.files import output_folder, write_json
from bmis.system.progress import track
from bmis.system.stopwatch import time_calls

RESULTS = Path(__file__).parent / "results"
CHROMIUM = "/usr/bin/chromium"
IMAGES = 17  # of each network: 102 together
TIMED = 20
SIX = [name for name, network in NETWORKS.items() if not network.is_paper]
OPTIONS = RuntimeOptions(engine="onnxruntime", threads=1)
SEGMENT = """async ([name, text, times]) => {
  const { segment } = await import(new URL("local/engine.js", document.baseURI));
  const blob = await (await import(new URL("page/session.js", document.baseURI))).fromBase64(text);
  let answer, seconds = [];
  for (let turn = 0; turn < times; turn++) {
    const begun = performance.now();
    answer = await segment(blob, name);
    seconds.push((performance.now() - begun) / 1e3);
  }
  return [answer.pictures[0], seconds.slice(1)];
}"""
DECODE = """async (text) => {
  const { decode } = await import(new URL("local/decode.js", document.baseURI));
  const blob = await (await import(new URL("page/session.js", document.baseURI))).fromBase64(text);
  const { height, width, channels, pixels } = await decode(blob);
  const parts = [];
  for (let at = 0; at < pixels.length; at += 8192) {
    parts.push(String.fromCharCode(...pixels.subarray(at, at + 8192)));
  }
  return [[height, width, channels], btoa(parts.join(""))];
}"""

NETWORK = """async ([name, shape, times]) => {
  const { openNetwork } = await import(new URL("local/network.js", document.baseURI));
  const { infer } = await openNetwork(name);
  const floats = Float32Array.from({ length: shape[1] * shape[2] * shape[3] }, Math.random);
  const seconds = [];
  for (let turn = 0; turn < times; turn++) {
    const begun = performance.now();
    await infer(floats, ...shape.slice(1));
    seconds.push((performance.now() - begun) / 1e3);
  }
  return seconds.slice(1);
}"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def handed_out(folder: Path) -> Iterator[str]:
    """The address at which a folder can be had."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@contextmanager
def opened(folder: Path) -> Iterator[Page]:
    """The page of a folder in Chromium, ready."""
    with handed_out(folder) as address, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        yield page
        browser.close()


def cases_of(network: Network, root: Path, count: int) -> tuple[Dataset, list[Case]]:
    """Test images, evenly spread."""
    dataset = open_dataset(root / network.modality.data)
    cases = dataset.split("test")
    return dataset, [cases[index] for index in np.linspace(0, len(cases) - 1, count).astype(int)]


def segment(
    page: Page, name: str, path: Path, times: int = 1
) -> tuple[dict[str, Any], list[float]]:
    text = base64.b64encode(path.read_bytes()).decode()
    found, seconds = page.evaluate(SEGMENT, [name, text, times])
    return found, seconds


def labels_of(found: dict[str, Any]) -> NDArray[np.uint8]:
    (region,) = found["regions"]  # the six networks have one class each
    size = (found["height"], found["width"])
    return decode_runs(region["rle"]["counts"], size, by_columns=True).astype(np.uint8)


def decoded(page: Page, path: Path) -> NDArray[np.uint8]:
    shape, text = page.evaluate(DECODE, base64.b64encode(path.read_bytes()).decode())
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape)


def dice(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    score = score_case(one, other, 2, distances=False).mean["dice"]
    return 1.0 if score is None else score


def compare(page: Page, name: str, dataset: Dataset, cases: list[Case]) -> dict[str, Any]:
    """What both sides say of the same files."""
    predictor = load_predictor(name, OPTIONS)
    channels = predictor.info.input.channels
    pixels = pixels_differ = other_pixels = furthest = 0
    masks, decodings, scores, expected = [], [], [0.0], [0.0]
    browser_right, service_right = [], []
    for case in track(cases, name):
        path, (_, truth) = case.image, load_case(case, dataset)
        own, found = predictor(read_image(path, channels=channels)), segment(page, name, path)[0]
        labels = labels_of(found)
        masks.append(dice(labels, own.labels))
        browser_right.append(dice(labels, truth))
        service_right.append(dice(own.labels, truth))
        pixels += labels.size
        pixels_differ += int((labels != own.labels).sum())
        seen, stored = decoded(page, path), read_image(path, channels=3).pixels
        apart = np.abs(seen.astype(int) - stored)
        other_pixels += int(apart.any(2).sum())
        furthest = max(furthest, int(apart.max()))
        decodings.append(dice(predictor(seen).labels, own.labels))
        scores.append(abs(found["ood_score"] - (own.ood_score or 0)))
        expected.append(abs((found["expected_dice"] or 0) - (own.expected_dice or 0)))
    return {
        "images": len(cases),
        "mean_dice_of_both_masks": float(np.mean(masks)),
        "least_dice_of_both_masks": min(masks),
        "mean_dice_browser_to_truth": float(np.mean(browser_right)),
        "mean_dice_service_to_truth": float(np.mean(service_right)),
        "share_of_pixels_that_differ": pixels_differ / pixels,
        "decoded_pixels_that_differ": other_pixels,
        "furthest_decoded_value": furthest,
        "least_dice_by_decoding_alone": min(decodings),
        "furthest_ood_score": max(scores),
        "furthest_expected_dice": max(expected),
    }


def time_both(page: Page, name: str, path: Path) -> dict[str, Any]:
    """Seconds of one file, from its bytes to its answer in JSON, and of the network alone."""
    predictor: Predictor = load_predictor(name, OPTIONS)
    runtime, info = load_runtime(name, OPTIONS)

    def answer() -> Any:
        image: Image = read_image(path, channels=info.input.channels)
        return describe_answer(path.name, predictor(image), info)

    frame, _ = fit(read_image(path, channels=info.input.channels).pixels, info.input)
    floats = normalise(frame[: info.input.size[0], : info.input.size[1]], info.input)[None]
    _, seconds = segment(page, name, path, times=1 + TIMED)
    alone = page.evaluate(NETWORK, [name, list(floats.shape), 1 + TIMED])
    return {
        "size": list(read_image(path).pixels.shape[:2]),
        "browser_seconds": float(np.median(seconds)),
        "native_seconds": float(np.median(time_calls(answer, seconds=2.0))),
        "browser_network_seconds": float(np.median(alone)),
        "native_network_seconds": float(
            np.median(time_calls(lambda: runtime(floats), seconds=1.0))
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--times", action="store_true", help="measure times instead")
    parser.add_argument("--images", type=int, default=IMAGES, help="of each network")
    parser.add_argument("--dry", action="store_true", help="print the record, write nothing")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "page"
        written = write_static_page(StaticSettings(str(out), tuple(SIX)))
        sizes = {**asdict(written), "with_one": written.with_one}
        del sizes["out"]
        with opened(out) as page:
            found: dict[str, Any] = {}
            for name in SIX:
                count = 1 if args.times else args.images
                dataset, cases = cases_of(NETWORKS[name], args.data, count)
                found[name] = (
                    time_both(page, name, cases[0].image)
                    if args.times
                    else compare(page, name, dataset, cases)
                )
                print(name, found[name])
            chromium = page.context.browser.version if page.context.browser else None
    record = {"chromium": chromium, "bytes": sizes, "networks": found, "machine": describe()}
    if args.dry:
        return
    place = f"static_page_times_{short_name()}" if args.times else "static_page"
    write_json(output_folder(RESULTS) / f"{place}.json", record)


if __name__ == "__main__":
    main()
