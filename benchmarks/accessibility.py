"""The page of `bmis serve` under axe: violations of WCAG 2.2 A and AA in all of its states.

    npm install --prefix web axe-core
    python benchmarks/accessibility.py --axe web/node_modules/axe-core/axe.min.js

A real service, used in the system's Chromium by playwright: empty, with a picture and its mask, two
networks side by side, and while a mask is corrected; light and dark; on a phone (390 px), a desktop
and 4K. Writes ``results/accessibility.json``: violations by state, and whether a page is wider than
its window. axe finds about half of what a person would.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright
from service import NAME, Server

import bmis
from bmis.system.files import output_folder, write_json

RESULTS = Path(__file__).parent / "results"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (390, 1280, 3840)
RUN = """async (tags) => {
  const found = await axe.run({ runOnly: tags });
  return found.violations.map((one) => `${one.id}: ${one.nodes.map((n) => n.target).join(", ")}`);
}"""
SECONDS = 60_000  # milliseconds
SERVED = (NAME, "dermoscopy", "--port", "0", "--threads", "1")


def look(page: Page) -> dict[str, Any]:
    """Violations now, and whether one must scroll sideways."""
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return {"violations": page.evaluate(RUN, TAGS), "scrolls_sideways": wide}


def states(browser: Browser, host: str, axe: str, photo: Path, **look_of: Any) -> dict[str, Any]:
    """All states of the page in one size and colour."""
    context = browser.new_context(locale="en", bypass_csp=True, **look_of)  # to get axe into it
    page, found = context.new_page(), {}
    page.goto(f"http://{host}")
    expect(page.locator("body[data-ready]")).to_be_attached(timeout=SECONDS)
    page.evaluate(axe)
    found["empty"] = look(page)
    page.set_input_files("#files", [str(photo)])
    expect(page.locator("#facts table")).to_have_count(1, timeout=SECONDS)
    found["done"] = look(page)
    page.select_option("#beside", "dermoscopy")
    expect(page.locator("#facts table")).to_have_count(2, timeout=SECONDS)
    found["side by side"] = look(page)
    page.select_option("#beside", "")
    page.locator("body").press("b")
    found["correcting"] = look(page)
    context.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--axe", type=Path, required=True)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    args = parser.parse_args()
    axe, found = args.axe.read_text(encoding="utf-8"), {}
    with tempfile.TemporaryDirectory() as folder, Server(*SERVED) as server:
        bmis.write_phantoms(folder, modality="endoscopy", count=1, size=(96, 128))
        (photo,) = (Path(folder) / "images").iterdir()
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=args.chromium)
            for scheme in ("light", "dark"):
                for width in WIDTHS:
                    window = {"width": width, "height": 900}
                    options = {"viewport": window, "color_scheme": scheme}
                    found[f"{scheme}, {width} px"] = states(
                        browser, server.host, axe, photo, **options
                    )
            version = browser.version
            browser.close()
    package = json.loads((args.axe.parent / "package.json").read_text(encoding="utf-8"))
    about = {"axe": package["version"], "chromium": version, "rules": TAGS}
    write_json(output_folder(RESULTS) / "accessibility.json", {**about, "found": found})
    bad = [one for many in found.values() for one in many.values() if any(one.values())]
    print(f"{len(bad)} states with violations")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
