"""Damaged, foreign and oversized files: one line that names the file, the problem and a fix."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from bmis.data.formats.raster import decode, read_header
from bmis.data.images import image_size, read_image, read_mask
from bmis.errors import DataError
from helpers.folders import picture, save

READERS = [image_size, read_image, read_mask]
NOISE = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)


def png_header(width, height):
    """The start of a PNG file that claims to be this large."""
    chunks = b"\x89PNG\r\n\x1a\n"
    claimed = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    for kind, body in ((b"IHDR", claimed), (b"IDAT", zlib.compress(b"\0" * 99)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(body)) + kind + body
        chunks += struct.pack(">I", zlib.crc32(kind + body))
    return chunks


def encoded(form, **options):
    stream = io.BytesIO()
    Pillow.fromarray(NOISE).save(stream, form, **options)
    return stream.getvalue()


def refused(read, path):
    with pytest.raises(DataError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "text.png",
            b"just some words",
            "not an image .* convert it to PNG, JPEG, BMP, TIFF",
        ),
        ("short.png", b"a", "not an image"),
        ("zero.jpg", b"", "the file is empty .0 bytes.; copy it again"),
        ("huge.png", png_header(60000, 60000), "60000 x 60000 .* limit of 268 million"),
        ("long.png", png_header(1, 2**31 - 1), "limit of 268 million"),
        ("stub.png", encoded("PNG")[:20], "truncated or damaged .*; copy it again or remove it"),
        ("stub.jpg", encoded("JPEG")[:50], "truncated or damaged"),
        ("stub.tif", encoded("TIFF")[:9], "truncated or damaged"),
        ("stub.bmp", encoded("BMP")[:20], "truncated or damaged"),
        ("stub.npy", b"\x93NUMPY\1\0", "truncated or damaged"),
        ("stub.gif", encoded("GIF")[:30], "truncated or damaged"),
        ("stub.webp", encoded("WEBP")[:30], "truncated or damaged"),
        ("a.wav.webp", b"RIFF\x24\0\0\0WAVEfmt ", "not an image"),
    ],
)
@pytest.mark.filterwarnings("ignore:Truncated File Read")
def test_files_that_are_no_images_are_refused_in_one_line(tmp_path, read, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    refused(read, path)
    with pytest.raises(DataError, match=message):
        read(path)


@pytest.mark.parametrize("read", READERS)
def test_missing_files_and_folders(tmp_path, read):
    assert "No such file" in refused(read, tmp_path / "none.png")
    (tmp_path / "folder.png").mkdir()
    assert "cannot be read" in refused(read, tmp_path / "folder.png")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("GIF", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_truncated_pixels_are_never_filled_in(tmp_path, form, options, share):
    content = encoded(form, **options)
    path = tmp_path / f"cut.{form.lower()}"
    path.write_bytes(content[: int(len(content) * share)])
    assert "truncated or damaged" in refused(read_image, path)


def test_a_truncated_array_file(tmp_path):
    np.save(tmp_path / "a.npy", NOISE)
    path = tmp_path / "cut.npy"
    path.write_bytes((tmp_path / "a.npy").read_bytes()[:5000])
    assert "truncated or damaged" in refused(read_image, path)


def test_a_pickle_is_not_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("code ran",))

    np.save(tmp_path / "a.npy", np.array([Bomb()], object), allow_pickle=True)
    for read in READERS:
        message = refused(read, tmp_path / "a.npy")
        assert "Python objects, which are not read because they can run code" in message


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[0.5, np.nan], [np.inf, 1]]), "infinity \\(2 values\\); replace them"),
        (np.zeros((3, 24, 32), np.uint8), r"shape \(3, 24, 32\); save it as \(H, W\)"),
        (np.zeros((4, 4), complex), "holds complex128; save integers"),
        (np.zeros(9, np.uint8), r"shape \(9,\)"),
        (np.zeros((0, 9), np.uint8), "has no pixels"),
    ],
)
def test_arrays_that_are_no_images(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=message):
        read_image(tmp_path / "a.npy")


def test_nan_in_a_float_tiff(tmp_path):
    pixels = np.ones((8, 8), np.float32)
    pixels[2, 3] = np.nan
    assert "holds NaN or infinity (1 value)" in refused(
        read_image, save(tmp_path / "a.tif", pixels)
    )


def test_many_pages_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "p.tif", np.zeros((4, 9, 9), np.uint8), photometric="minisblack")
    message = refused(read_image, tmp_path / "p.tif")
    assert "holds 4 pictures (pages or frames)" in message
    assert "write `channels: 4` into dataset.yaml" in message


def test_a_large_header_within_the_limit_passes_without_a_warning(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png_header(16000, 16000))  # Pillow itself warns from 89 million pixels
    assert image_size(path) == (16000, 16000)


def test_the_content_counts_not_the_name(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded("BMP"))
    np.testing.assert_array_equal(read_image(path).pixels, NOISE)


@pytest.mark.parametrize(
    ("pixels", "channels"), [(picture(0), 3), (picture(0, grey=True), 1), (NOISE[..., 0] > 99, 1)]
)
def test_the_header_tells_grey_from_colour(tmp_path, pixels, channels):
    assert read_header(save(tmp_path / "a.png", pixels)).channels == channels


def with_orientation(orientation):
    exif = Pillow.Exif()
    exif[0x112] = orientation
    return exif


def with_xmp(orientation):
    text = f'<rdf:Description tiff:Orientation="{orientation}"/>'
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{text}</x:xmpmeta>'.encode()


def save_with_notes(path, **notes):
    if path.suffix == ".png" and "xmp" in notes:
        more = PngInfo()
        more.add_itxt("XML:com.adobe.xmp", notes.pop("xmp").decode())
        notes["pnginfo"] = more
    Pillow.fromarray(NOISE).save(path, **notes)
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("exif", [False, True])
def test_the_orientation_in_xmp_counts_with_and_without_exif(tmp_path, suffix, exif):
    notes = {"exif": Pillow.Exif()} if exif else {}
    if exif:
        notes["exif"][0x131] = "a camera"
        notes["exif"] = notes["exif"].tobytes()
    path = save_with_notes(tmp_path / f"a.{suffix}", xmp=with_xmp(6), **notes)
    assert image_size(path) == read_image(path).pixels.shape[:2] == (120, 90)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_exif_counts_more_than_xmp(tmp_path, suffix):
    notes = {"exif": with_orientation(1).tobytes(), "xmp": with_xmp(6)}
    path = save_with_notes(tmp_path / f"a.{suffix}", **notes)
    assert image_size(path) == read_image(path).pixels.shape[:2] == (90, 120)


@pytest.mark.parametrize("form", ["jpg", "png"])
def test_broken_exif_does_not_spoil_the_pixels(tmp_path, form):
    path = save(tmp_path / f"a.{form}", NOISE, exif=b"Exif\0\0II*\0\xff\xff", quality=100)
    assert image_size(path) == read_image(path).pixels.shape[:2] == (90, 120)


def test_exif_that_cannot_be_written_back_still_turns_the_image(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", NOISE, exif=with_orientation(6).tobytes())

    def broken(*_args, **_options):
        raise struct.error("required argument is not an integer")

    monkeypatch.setattr(Pillow.Exif, "tobytes", broken)  # Pillow trips over odd tags there
    np.testing.assert_array_equal(read_image(path).pixels, np.rot90(NOISE, -1))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_an_orientation_that_does_not_exist_leaves_the_image_alone(tmp_path, suffix):
    exif = with_orientation(9)
    exif = exif if suffix == "tif" else exif.tobytes()
    path = save(tmp_path / f"a.{suffix}", NOISE, exif=exif)
    assert image_size(path) == (90, 120)
    np.testing.assert_array_equal(read_image(path).pixels, NOISE)


def test_exif_behind_the_pixels_of_a_png_counts_for_neither_size_nor_pixels(tmp_path):
    body = with_orientation(6).tobytes().removeprefix(b"Exif\0\0")
    late = struct.pack(">I", len(body)) + b"eXIf" + body
    late += struct.pack(">I", zlib.crc32(b"eXIf" + body))
    content = encoded("PNG")
    end = content.index(b"IEND") - 4
    path = tmp_path / "a.png"
    path.write_bytes(content[:end] + late + content[end:])
    assert image_size(path) == (90, 120)
    np.testing.assert_array_equal(read_image(path).pixels, NOISE)


def test_a_turned_palette_image_keeps_its_indices(tmp_path):
    indices = NOISE[..., 0] // 64
    image = Pillow.fromarray(indices)
    image.putpalette([9, 9, 9, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.save(tmp_path / "m.png", exif=with_orientation(6).tobytes())
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), np.rot90(indices, -1))


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, -1), (8, 1), (9, 0)])
def test_tiff_in_colour_with_many_bits_is_turned_too(tmp_path, orientation, turns):
    path = tmp_path / "a.tif"
    deep = NOISE.astype(np.uint16) * 257
    tag = (274, "H", 1, orientation, True)
    tifffile.imwrite(path, deep, photometric="rgb", extratags=[tag])
    wanted = np.rot90(deep, turns)
    assert image_size(path) == wanted.shape[:2]
    np.testing.assert_array_equal(decode(path).array, wanted)


def test_a_damaged_page_behind_the_first_is_one_line(tmp_path):
    data = bytearray(encoded("TIFF"))
    start = struct.unpack_from("<I", data, 4)[0]
    entries = struct.unpack_from("<H", data, start)[0]
    struct.pack_into("<I", data, start + 2 + 12 * entries, len(data))  # where the next page begins
    (tmp_path / "a.tif").write_bytes(bytes(data) + b"\1\0" + b"\0" * 16)
    assert "truncated or damaged" in refused(decode, tmp_path / "a.tif")
