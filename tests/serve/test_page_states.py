"""What a person meets on the page who does things in another order, in Chromium."""

import csv
import json
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from bmis import write_phantoms
from bmis.cli.main import main
from bmis.data.images import read_mask
from helpers import dicoms

pytestmark = pytest.mark.slow
TOKEN = "0123456789abcdef"


@pytest.fixture
def photos(tmp_path):
    write_phantoms(tmp_path / "polyps", modality="endoscopy", count=2, size=(96, 128))
    return [str(path) for path in sorted((tmp_path / "polyps" / "images").iterdir())]


@pytest.fixture
def open_page(address, browser):
    """Opens the page as somebody who has given the token; all errors of its scripts fail."""
    errors = []

    @contextmanager
    def begin(*, wide=1280, locale="en-US", ready=True):
        context = browser.new_context(viewport={"width": wide, "height": 800}, locale=locale)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(error))  # noqa: PLW0108  (as above)
        if ready:
            page.add_init_script(f"sessionStorage.setItem('bmis-token', {TOKEN!r})")
        page.goto(address)
        if ready:
            page.locator("body[data-ready]").wait_for(state="attached", timeout=20_000)
        yield page
        context.close()

    yield begin
    assert errors == []


def save(page, button, path):
    with page.expect_download() as waiting:
        page.click(button)
    waiting.value.save_as(path)
    return path


def rows(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def segmented(page, photos, count=1):
    from playwright.sync_api import expect

    page.set_input_files("#files", photos)
    expect(page.locator("#facts table")).to_have_count(count, timeout=30_000)


def paint(page):
    if page.get_attribute("#brush", "aria-pressed") == "false":
        page.click("#brush")
    page.locator("figure canvas").first.scroll_into_view_if_needed()
    box = page.locator("figure canvas").first.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 90, steps=4)
    page.mouse.up()


def test_a_wrong_token_is_called_wrong(open_page):
    from playwright.sync_api import expect

    with open_page(ready=False) as page:
        expect(page.locator("#token-wrong")).to_be_hidden()
        page.fill("#token", "not the token of this service")
        page.click("#token-dialog button")
        expect(page.locator("#token-wrong")).to_have_text("The service does not know this token.")
        page.fill("#token", TOKEN)
        page.click("#token-dialog button")
        expect(page.locator("body[data-ready]")).to_be_attached(timeout=20_000)


def test_an_arrow_key_before_the_first_picture_hides_none(open_page, photos):
    from playwright.sync_api import expect

    with open_page() as page:
        page.keyboard.press("ArrowRight")
        page.set_input_files("#files", photos)
        expect(page.locator("#place")).to_have_text("1 / 2")


def test_a_folder_comes_in_the_order_of_its_names(open_page, tmp_path):
    from playwright.sync_api import expect

    names = [f"{number}.png" for number in (10, 2, 1, 33, 4)]
    (tmp_path / "frames").mkdir()
    for name in names:
        Image.new("RGB", (64, 64)).save(tmp_path / "frames" / name)
    with open_page() as page:
        page.set_input_files("#directory", str(tmp_path / "frames"))
        expect(page.locator("#strip li")).to_have_count(5)
        ordered = ["1.png", "2.png", "4.png", "10.png", "33.png"]
        assert page.locator("#strip li").all_inner_texts() == ordered


@pytest.mark.parametrize(
    ("locale", "text", "area"),
    [
        ("de", "0,5", 0.25),
        ("de", "0,5; 0,25", 0.125),
        ("de", "0.5,0.25", 0.125),
        ("en-US", "0.5, 0.25", 0.125),
        ("en-US", "0,5", None),
        ("de", "0,5 mm", None),
    ],
)
def test_millimetres_are_read_as_they_are_written_in_the_language(
    open_page, photos, tmp_path, locale, text, area
):
    from playwright.sync_api import expect

    with open_page(locale=locale) as page:
        segmented(page, photos[:1])
        page.fill("#spacing", text)
        page.press("#spacing", "Enter")
        if area is None:
            expect(page.locator("#spacing")).to_have_attribute("aria-invalid", "true")
            expect(page.locator("#status")).to_contain_text("0,1; 0,2" if locale == "de" else "0.1")
            return
        expect(page.locator("#facts")).to_contain_text("mm²")
        (row,) = rows(save(page, "#export-csv", tmp_path / "all.csv"))
        assert float(row["area_mm2"]) == pytest.approx(area * float(row["area_px"]))


def test_what_is_corrected_belongs_to_the_network_whose_mask_it_was(open_page, photos, tmp_path):
    from playwright.sync_api import expect

    with open_page() as page:
        segmented(page, photos)
        page.click("#brush")
        page.click("#save")
        expect(page.locator("#status")).to_contain_text("Nothing is corrected yet")
        paint(page)
        expect(page.locator("figcaption")).to_have_text("colonoscopy: corrected by hand")
        page.select_option("#model", "dermoscopy")
        expect(page.locator("figcaption")).not_to_contain_text("Waiting", timeout=30_000)
        expect(page.locator("figcaption")).not_to_contain_text("corrected")
        page.locator("#strip button").nth(1).click()
        expect(page.locator("#facts table")).to_have_count(1, timeout=30_000)
        paint(page)
        with zipfile.ZipFile(save(page, "#save", tmp_path / "dermoscopy.zip")) as archive:
            assert sum("masks/" in name for name in archive.namelist()) == 1
            assert b"lesion" in archive.read("dataset.yaml")
        answers = json.loads(save(page, "#export-json", tmp_path / "j").read_text(encoding="utf-8"))
        assert [answer["corrected"] for answer in answers] == [False, True]
        table = rows(save(page, "#export-csv", tmp_path / "all.csv"))
        assert [row["corrected"] for row in table] == ["false", "true"]
        page.select_option("#model", "colonoscopy")
        page.locator("#strip button").nth(0).click()
        expect(page.locator("figcaption")).to_have_text("colonoscopy: corrected by hand")


def test_what_is_corrected_can_be_trained_on(open_page, photos, tmp_path, capsys):
    with open_page() as page:
        segmented(page, [*photos, photos[0]])
        for number in range(3):
            page.locator("#strip button").nth(number).click()
            page.locator("#facts table").wait_for()
            paint(page)
        with zipfile.ZipFile(save(page, "#save", tmp_path / "corrected.zip")) as archive:
            archive.extractall(tmp_path / "corrected")
    pytest.importorskip("torch", reason="torch is not installed")
    recipe = ["--epochs", "1", "--size", "32", "--out", str(tmp_path / "run")]
    assert main(["train", str(tmp_path / "corrected"), *recipe]) == 0, capsys.readouterr().err
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_contour_and_fill_hold_for_what_is_corrected_too(open_page, photos, tmp_path):
    with open_page() as page:
        segmented(page, photos)
        paint(page)
        mask = read_mask(save(page, "#export-mask", tmp_path / "mask.png"))
        shown = {}
        for name in ("both", "contour", "nothing"):
            path = save(page, "#export-overlay", tmp_path / f"{name}.png")
            shown[name] = np.asarray(Image.open(path).convert("RGB")).astype(int)
            page.click("#fill" if name == "both" else "#contour")
    assert np.array_equal(shown["nothing"], np.asarray(Image.open(photos[0]).convert("RGB")))
    changed = np.abs(shown["contour"] - shown["nothing"]).max(axis=2) > 0
    filled = np.abs(shown["both"] - shown["nothing"]).max(axis=2) > 0
    assert 0 < changed.sum() < filled.sum()
    inside = mask.astype(bool)
    edge = inside & ~(np.roll(inside, 1, 0) & np.roll(inside, -1, 0))
    assert changed[edge].mean() > 0.95
    assert filled[inside].mean() > 0.95


def test_a_segmentation_says_that_it_lacks_what_was_corrected(open_page, tmp_path):
    from playwright.sync_api import expect

    clip = dicoms.write_clip(tmp_path / "clip.dcm")
    with open_page() as page:
        segmented(page, [str(clip)])
        save(page, "#export-seg", tmp_path / "before.dcm")
        expect(page.locator("#status")).not_to_contain_text("corrected by hand")
        paint(page)
        save(page, "#export-seg", tmp_path / "after.dcm")
        expect(page.locator("#status")).to_contain_text("corrected by hand")


def test_who_chooses_a_picture_again_asks_again_when_the_service_was_away(open_page, photos):
    from playwright.sync_api import expect

    with open_page() as page:
        page.route("**/v1/segment/**", lambda route: route.abort())
        page.set_input_files("#files", photos)
        expect(page.locator("figcaption")).to_contain_text("cannot be reached")
        page.unroute("**/v1/segment/**")
        page.locator("#strip button").nth(0).click()
        expect(page.locator("#facts table")).to_have_count(1, timeout=30_000)


def test_forgetting_all_stops_the_camera(open_page):
    from playwright.sync_api import expect

    with open_page() as page:
        page.click("#camera")
        expect(page.locator("#status")).to_contain_text("pictures a second", timeout=30_000)
        page.select_option("#language", "de")
        expect(page.locator("#camera")).to_have_text("Kamera anhalten")
        page.click("#clear")
        expect(page.locator("#camera")).to_have_text("Kamera benutzen")
        page.wait_for_timeout(1000)
        expect(page.locator("#work")).to_be_hidden()
        expect(page.locator("#status")).to_have_text("")


def test_names_in_the_strip_are_those_of_series_and_files_and_two_lines_long(open_page, tmp_path):
    from playwright.sync_api import expect

    series = sorted(map(str, dicoms.write_ct(tmp_path / "ct").iterdir()))
    series.append(str(dicoms.write_clip(tmp_path / "clip.dcm")))
    Image.new("RGB", (64, 64)).save(tmp_path / "colonoscopy_0001.png")
    with open_page() as page:
        page.set_input_files("#files", [*series, str(tmp_path / "colonoscopy_0001.png")])
        expect(page.locator("#strip li")).to_have_count(8, timeout=30_000)
        names = page.locator("#strip span").all()
        shown = [name.text_content() for name in names]
        kinds = sorted(name.partition("-")[0] for name in shown[:-1])
        assert kinds == ["CT"] * 4 + ["US"] * 3, shown
        assert all("/000" in name for name in shown[:-1]), shown
        for name in names:
            assert name.evaluate("node => node.scrollHeight <= node.clientHeight"), shown


def test_files_that_are_no_pictures_are_told(open_page, tmp_path):
    from playwright.sync_api import expect

    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.4")
    with open_page(locale="de") as page:
        page.set_input_files("#files", [str(tmp_path / "report.pdf")])
        expect(page.locator("#status")).to_have_text("Unter diesen Dateien ist kein Bild")


def test_on_a_phone_names_are_whole_and_what_happens_is_in_sight(open_page, photos):
    with open_page(wide=390) as page:
        segmented(page, photos)
        for name in ("#model", "#beside"):
            assert page.locator(name).bounding_box()["width"] > 240  # "breast-ultrasound-bmis" fits
        box = page.locator("#status").bounding_box()
        assert 0 < box["y"] + box["height"] <= 801
        assert page.evaluate("document.documentElement.scrollHeight") > 1000


@pytest.mark.parametrize("beside", [False, True])
def test_pictures_shrink_with_the_window(open_page, tmp_path, beside):
    from playwright.sync_api import expect

    Image.fromarray(np.zeros((300, 400), np.uint8)).save(tmp_path / "large.png")
    with open_page() as page:
        segmented(page, [str(tmp_path / "large.png")])
        if beside:
            page.select_option("#beside", index=1)
            expect(page.locator("#facts table")).to_have_count(2, timeout=30_000)
        page.set_viewport_size({"width": 390, "height": 800})
        page.wait_for_function("document.documentElement.scrollWidth <= innerWidth", timeout=5000)
        for canvas in page.locator("figure canvas").all():
            box = canvas.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390
