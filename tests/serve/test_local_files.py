"""What the engine in the browser reads of files, against what Python reads; in Chromium."""

import base64
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image as Pillow

from bmis.data.channels import to_channels
from bmis.data.images import read_image
from helpers.bodies import png
from helpers.folders import picture
from helpers.javascript import array, running

pytestmark = pytest.mark.slow
RNG = np.random.default_rng(0)
DECODE = "part.decode(new Blob([Uint8Array.from(atob(given.text), (one) => one.charCodeAt(0))]))"
REFUSED = f"{DECODE}.then(() => 'opened', (error) => error.message)"


@pytest.fixture(scope="module")
def js():
    with running() as run:
        yield run


def saved(pixels, kind, **options):
    stream = io.BytesIO()
    Pillow.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def chunk(name, content):
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def interlaced(pixels):
    """A PNG with transparency whose rows come in seven passes, which Pillow does not write."""
    rows = b""
    for top, left, down, across in (
        *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
        *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
    ):
        part = pixels[top::down, left::across]
        if part.size:
            rows += b"".join(b"\0" + row.tobytes() for row in part)
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 6, 0, 0, 1)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def by_every_filter(pixels, rows=None):
    """A PNG with transparency whose rows take turns in how they are told from their neighbours."""
    values = pixels.reshape(len(pixels), -1).astype(int)
    padded = np.pad(values, ((1, 0), (4, 0)))
    left, above, corner = padded[1:, :-4], padded[:-1, 4:], padded[:-1, :-4]
    near = [np.abs(left + above - corner - one) for one in (left, above, corner)]
    paeth = np.choose(np.argmin(near, 0), [left, above, corner])
    guesses = [np.zeros_like(left), left, above, (left + above) // 2, paeth]
    data = b"".join(
        bytes([row % 5]) + ((values[row] - guesses[row % 5][row]) % 256).astype(np.uint8).tobytes()
        for row in range(rows or len(values))
    )
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 6, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def files():
    colour, grey = picture(1, (37, 53)), picture(1, (37, 53))[..., 0]
    alpha = np.dstack([colour, RNG.integers(0, 256, grey.shape, np.uint8)])
    deep = (grey.astype(np.uint16) * 200 + RNG.integers(0, 99, grey.shape)).astype(np.uint16)
    turned = Pillow.Exif()
    turned[0x112] = 6
    palette = Pillow.fromarray(colour).quantize(16)
    of_palette, clear = io.BytesIO(), io.BytesIO()
    palette.save(of_palette, "PNG", bits=4)
    palette.save(clear, "PNG", bits=4, transparency=3)
    return {
        "colour.png": saved(colour, "PNG"),
        "grey.png": saved(grey, "PNG"),
        "bits.png": saved(grey > 99, "PNG"),
        "palette.png": of_palette.getvalue(),
        "clear.png": clear.getvalue(),
        "alpha.png": saved(alpha, "PNG"),
        "grey-alpha.png": saved(alpha[..., 2:], "PNG"),
        "deep.png": saved(deep, "PNG"),
        "even.png": saved(np.full_like(deep, 700), "PNG"),
        "interlaced.png": interlaced(alpha),
        "filters.png": by_every_filter(alpha),
        "colour.jpg": saved(colour, "JPEG"),
        "grey.jpg": saved(grey, "JPEG"),
        "turned.jpg": saved(colour, "JPEG", exif=turned),
        "progressive.jpg": saved(colour, "JPEG", progressive=True),
        "colour.bmp": saved(colour, "BMP"),
        "lossless.webp": saved(colour, "WEBP", lossless=True),
        "colour.gif": saved(grey, "GIF"),
    }


@pytest.mark.parametrize(("name", "content"), files().items(), ids=files())
def test_files_are_read_as_python_reads_them(js, tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    wanted = read_image(path, channels=3).pixels
    found = js("decode", DECODE, text=base64.b64encode(content).decode())
    pixels = np.array(found["pixels"], np.uint8).reshape(*wanted.shape[:2], found["channels"])
    assert np.array_equal(to_channels(pixels, 3), wanted)


def film(kind):
    first, *others = [Pillow.fromarray(picture(seed, (20, 30))) for seed in range(3)]
    stream = io.BytesIO()
    first.save(stream, kind, save_all=True, append_images=others)
    return stream.getvalue()


def broken():
    colour = picture(1, (60, 80))
    clear = np.dstack([colour, np.full((60, 80), 9, np.uint8)])
    whole = saved(clear, "PNG")
    wrong = whole.replace(zlib_of(whole), zlib_of(whole)[:-9] + bytes(9))
    return {
        "film.gif": (film("GIF"), "several"),
        "film.png": (film("PNG"), "several"),
        "film.webp": (film("WEBP"), "several"),
        "cut.png": (png()[:-40], "damaged"),
        "cut.jpg": (saved(colour, "JPEG")[:900], "damaged"),
        "cut.gif": (film("GIF")[:300], "several"),
        "wrong.png": (wrong, "damaged"),
        "short.png": (by_every_filter(clear, rows=50), "damaged"),
        "clear.webp": (saved(clear, "WEBP", lossless=True), "see_through"),
        "colour.tif": (saved(colour, "TIFF"), "not_here"),
        "study.dcm": (bytes(128) + b"DICM", "not_here"),
        "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_here"),
        "empty.png": (b"", "not_here"),
    }


def zlib_of(data):
    """The compressed rows of a PNG."""
    start = data.index(b"IDAT") + 4
    return data[start : data.index(b"IEND") - 8]


@pytest.mark.parametrize(("content", "why"), broken().values(), ids=broken())
def test_what_cannot_be_read_right_is_refused(js, content, why):
    assert js("decode", REFUSED, text=base64.b64encode(content).decode()) == why


def test_files_without_their_end_are_told_whatever_the_browser_makes_of_them(js):
    for kind, name in (("jpeg", "JPEG"), ("gif", "GIF")):
        content = saved(picture(1, (60, 80))[..., 0], name)
        for cut in (0, 2, 40):
            given = array(np.frombuffer(content[: len(content) - cut], np.uint8))
            assert js("decode", f"part.isCut('{kind}', given.it)", it=given) == bool(cut), (
                kind,
                cut,
            )
