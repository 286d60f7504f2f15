"""How long a person waits for the page, with a service behind it and without one.

    python benchmarks/page_times.py

In Chromium (of the system, by playwright), with the network for colonoscopy: from a picture that is
chosen to its measurements on the page, for the first one after the page has opened and for later
ones; pictures a second of a camera, which is the one that Chromium itself draws; and of a DICOM
clip, which the page takes with a service alone. Writes ``results/page_times_<machine>.json``. The
service and the browser share the cores; the machine should do nothing else.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import describe, short_name
from playwright.sync_api import Page, sync_playwright
from service import NAME, start
from static_page import CHROMIUM, handed_out

from bmis import write_phantoms
from bmis.serve.static_page import StaticSettings, write_static_page
from bmis.system.files import output_folder, write_json

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
PICTURES, FRAMES, SECONDS = 12, 60, 10
DONE = "document.querySelectorAll('#strip li').length === {} && !document.querySelector('.working')"


def seconds(do: Callable[[], object]) -> float:
    """How long it takes."""
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun


def choose(page: Page, files: list[Path], known: int) -> float:
    """Choose files one by one; seconds until all are on the page with their masks."""

    def shown() -> None:
        page.set_input_files("#files", [str(file) for file in files])
        page.wait_for_function(DONE.format(known + len(files)))
        page.wait_for_selector("#facts table")

    return seconds(shown)


def use(page: Page, address: str, pictures: list[Path]) -> dict[str, float]:
    """What a person waits for first and later, and pictures a second of a camera."""

    def opened() -> None:
        page.goto(address)
        page.wait_for_selector("body[data-ready]", state="attached")

    ready = seconds(opened)
    waits = [choose(page, [picture], number) for number, picture in enumerate(pictures)]
    page.click("#camera")
    page.wait_for_timeout(1000 * SECONDS)
    told = page.inner_text("#status")
    page.click("#camera")
    return {
        "opened_s": ready,
        "first_picture_s": waits[0],
        "next_picture_s": statistics.median(waits[1:]),
        "camera_pictures_per_second": float(
            next(word for word in told.split() if word[0].isdigit())
        ),
    }


def step_through(page: Page, clip: Path) -> float:
    """Frames a second of a clip, from the choice of its file to the last frame's mask."""
    known = page.locator("#strip li").count()
    begun = time.perf_counter()
    page.set_input_files("#files", str(clip))
    page.wait_for_function(DONE.format(known + FRAMES), timeout=120_000)
    return FRAMES / (time.perf_counter() - begun)


def main() -> None:
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    from helpers import dicoms  # type: ignore[import-not-found]  # (of the tests)

    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as play:
        folder = Path(temporary)
        write_phantoms(folder / "set", modality="endoscopy", count=PICTURES, size=(352, 352))
        pictures = sorted((folder / "set" / "images").iterdir())
        clip = dicoms.write_clip(folder / "clip.dcm", frames=FRAMES, scale=4)
        write_static_page(StaticSettings(str(folder / "page"), (NAME,)))
        browser = play.chromium.launch(executable_path=CHROMIUM, args=CAMERA)
        with start() as server:
            page = browser.new_page(bypass_csp=True)
            found["service"] = use(page, f"http://{server.host}/", pictures)
            found["service"]["clip_frames_per_second"] = step_through(page, clip)
        with handed_out(folder / "page") as address:
            found["browser alone"] = use(browser.new_page(bypass_csp=True), address, pictures)
        found["chromium"] = browser.version
        browser.close()
    found |= {"frames": FRAMES, "machine": describe()}
    print(found)
    write_json(output_folder(RESULTS) / f"page_times_{short_name()}.json", found)


if __name__ == "__main__":
    main()
