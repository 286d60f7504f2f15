"""The page: its files by themselves, and used in a browser as a person would."""

import csv
import json
import re
import zipfile

import numpy as np
import pytest

from bmis import write_phantoms
from bmis.cli.main import main
from bmis.data.images import read_mask
from bmis.predict.mask import DOES_NOT_HOLD
from bmis.serve.app import PAGE
from helpers import dicoms
from helpers.bodies import png

LOCAL = PAGE.parent / "local"  # what `bmis serve --static` adds
LANGUAGES = ("en", "de", "zh")
SCRIPTS = sorted([*PAGE.glob("*.js"), *LOCAL.glob("*.js")])
HTML = (PAGE / "index.html").read_text(encoding="utf-8")


def words(language):
    return json.loads((PAGE / "texts" / f"{language}.json").read_text(encoding="utf-8"))


def test_all_languages_have_the_words_that_the_page_uses_and_no_other():
    source = HTML + "".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    used = set(re.findall(r'data-(?:text|label)="(\w+)"|\bsay\("(\w+)"', source))
    names = {name for pair in used for name in pair if name}
    for language in LANGUAGES:
        found = words(language)
        assert set(found) == names, language
        for name, text in found.items():
            assert re.findall(r"\{\w+\}", text) == re.findall(r"\{\w+\}", words("en")[name]), name


def test_the_page_says_of_the_expected_dice_what_all_say():
    assert words("en")["dice_does_not_hold"] == DOES_NOT_HOLD


def test_the_page_loads_nothing_from_elsewhere_and_holds_no_script_or_style_itself():
    for path in (*PAGE.rglob("*.*"), *LOCAL.glob("*.js")):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|\beval\(|innerHTML|insertAdjacentHTML", text), path.name
        assert len(text.splitlines()) < 300, path.name
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)", HTML)


def test_the_files_of_the_page_are_served_with_their_types(client):
    kinds = {"main.js": "javascript", "style.css": "text/css", "texts/zh.json": "application/json"}
    for name, kind in kinds.items():
        assert kind in client.get(f"/page/{name}").headers["content-type"]
    assert client.get("/").text == HTML


@pytest.mark.slow
@pytest.mark.parametrize("wide", [1280, 390])
def test_a_person_uses_the_page(address, browser, tmp_path, wide, capsys):
    from playwright.sync_api import expect

    write_phantoms(tmp_path / "polyps", modality="endoscopy", count=2, size=(96, 128))
    photos = sorted((tmp_path / "polyps" / "images").iterdir())
    clip = dicoms.write_clip(tmp_path / "clip.dcm")
    (tmp_path / "broken.png").write_bytes(png()[:90])
    errors = []
    page = browser.new_context(viewport={"width": wide, "height": 900}, locale="de").new_page()
    page.on("pageerror", lambda error: errors.append(error))  # noqa: PLW0108  (it sets a mark)

    def save(button, name):
        with page.expect_download() as waiting:
            page.click(button)
        waiting.value.save_as(tmp_path / name)
        return tmp_path / name

    page.goto(address)
    page.fill("#token", "0123456789abcdef")
    page.click("#token-dialog button")
    expect(page.locator("body[data-ready]")).to_be_attached(timeout=20_000)
    page.set_input_files("#files", [str(path) for path in (*photos, clip, tmp_path / "broken.png")])
    expect(page.locator("#strip li")).to_have_count(6, timeout=30_000)
    expect(page.locator("figcaption")).to_contain_text("colonoscopy:")
    expect(page.locator("#facts table")).to_have_count(1, timeout=30_000)
    expect(page.locator("#place")).to_have_text("1 / 6")

    page.select_option("#beside", "dermoscopy")
    expect(page.locator("#facts table")).to_have_count(2, timeout=30_000)
    page.keyboard.press("r")
    expect(page.locator("#rim")).to_have_attribute("aria-pressed", "true")
    page.select_option("#beside", "")
    page.locator("body").press("ArrowRight")
    expect(page.locator("#place")).to_have_text("2 / 6")

    before = read_mask(save("#export-mask", "before.png"))
    page.locator("body").press("b")
    page.locator("figure canvas").scroll_into_view_if_needed()
    box = page.locator("figure canvas").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 80, box["y"] + 60, steps=4)
    page.mouse.up()
    expect(page.locator("#facts .warning").first).to_contain_text("Von Hand")
    with zipfile.ZipFile(save("#save", "corrected.zip")) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "corrected")
    main(["inspect", str(tmp_path / "corrected"), "--json"])
    inspected = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in inspected["classes"]] == ["background", "polyp"]
    (problem,) = inspected["problems"]  # a single image, that is
    assert "cannot be divided" in problem["message"]
    (corrected,) = (tmp_path / "corrected" / "masks").iterdir()
    after = read_mask(save("#export-mask", "after.png"))
    assert np.array_equal(after, read_mask(corrected))
    assert np.count_nonzero(after > before) > 20

    for line in page.locator("#strip button").all():
        line.click()
    expect(page.locator("figcaption")).to_contain_text("truncated", timeout=30_000)
    table = save("#export-csv", "all.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(table.splitlines()))
    assert [row["picture"] for row in rows][2:] == [f"clip.dcm 000{n}" for n in (1, 2, 3)]
    assert all(float(row["area_mm2"]) >= 0 for row in rows[2:])
    assert len(json.loads(save("#export-json", "all.json").read_text(encoding="utf-8"))) == 5
    page.locator("#strip button").nth(2).click()
    assert save("#export-seg", "seg.dcm").read_bytes()[128:132] == b"DICM"

    across = page.evaluate("document.documentElement.scrollWidth")
    assert across <= wide
    page.select_option("#language", "zh")
    expect(page.locator("#open")).to_have_text(words("zh")["open"])
    page.click("#clear")
    expect(page.locator("#work")).to_be_hidden()
    page.click("#camera")
    expect(page.locator("#status")).to_contain_text(words("zh")["frames"][:2], timeout=30_000)
    page.click("#camera")
    assert errors == []
