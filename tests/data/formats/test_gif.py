"""GIF and WEBP: one picture a file, greys and colours as shown, damage never passed over."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from bmis.data.formats.gif import count_frames
from bmis.data.images import image_size, read_image, read_mask
from bmis.errors import DataError
from helpers.folders import blob, picture, save

READERS = [image_size, read_image, read_mask]
GREY = np.random.default_rng(0).integers(0, 256, (30, 40), np.uint8)


def encoded(*arrays, form="GIF", **options):
    first, *others = map(Pillow.fromarray, arrays)
    stream = io.BytesIO()
    first.save(stream, form, save_all=bool(others), append_images=others, **options)
    return stream.getvalue()


@pytest.mark.parametrize("value", [1, 2, 255])
def test_greys_of_a_gif_count_and_not_the_numbers_of_its_palette(tmp_path, value):
    path = save(tmp_path / "a.gif", blob(0, value=value))
    np.testing.assert_array_equal(read_mask(path), blob(0, value=value))


def test_a_mask_in_colours_is_refused_as_gif_too(tmp_path):
    path = save(tmp_path / "a.gif", picture(0) // 128 * 255)
    with pytest.raises(DataError, match="a mask in colours"):
        read_mask(path)


@pytest.mark.parametrize(
    ("name", "pixels", "options"),
    [
        ("a.gif", GREY, {}),
        ("a.webp", picture(0), {"lossless": True}),
        ("a.webp", np.dstack([picture(0), picture(1)[..., :1]]), {"lossless": True, "exact": True}),
    ],
)
def test_pixels_come_back_as_they_were(tmp_path, name, pixels, options):
    path = save(tmp_path / name, pixels, **options)
    wanted = pixels[..., None] if pixels.ndim == 2 else pixels[..., :3]
    np.testing.assert_array_equal(read_image(path).pixels, wanted)
    assert image_size(path) == pixels.shape[:2]


def test_a_webp_is_turned_as_it_says(tmp_path):
    exif = Pillow.Exif()
    exif[274] = 6
    path = save(tmp_path / "a.webp", picture(0), lossless=True, exif=exif.tobytes())
    np.testing.assert_array_equal(read_image(path).pixels, np.rot90(picture(0), -1))
    assert image_size(path) == (32, 24)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_a_film_is_refused_and_its_pictures_counted(tmp_path, read, form):
    path = tmp_path / f"a.{form.lower()}"
    path.write_bytes(encoded(GREY, 255 - GREY, GREY, form=form))
    with pytest.raises(DataError, match=r"holds 3 pictures \(pages or frames\)"):
        read(path)


def test_no_part_of_a_film_passes_for_a_picture(tmp_path):
    whole = encoded(GREY, 255 - GREY)
    path = tmp_path / "a.gif"
    for length in range(13, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"truncated or damaged|holds 2 pictures"):
            read_image(path)


def test_frames_are_counted_where_zeros_lie_between_them():
    content = encoded(GREY, 255 - GREY)
    assert content.endswith(b"\0;")
    stream = io.BytesIO(content[:-1] + b"\0\0;")
    stream.seek(5)
    assert count_frames(Path("a.gif"), stream) == 2
    assert stream.tell() == 5


@pytest.mark.parametrize("read", READERS)
def test_a_gif_of_a_huge_screen_or_frame_is_refused(tmp_path, read):
    content = bytearray(encoded(GREY))
    frame = content.index(b"\x2c\0\0\0\0" + struct.pack("<HH", 40, 30))
    for at in (6, frame + 5):
        claimed = content.copy()
        claimed[at : at + 4] = struct.pack("<HH", 65535, 65535)
        (tmp_path / "a.gif").write_bytes(claimed)
        with pytest.raises(DataError, match=r"a\.gif: .*(limit of 268 million|too many pixels)"):
            read(tmp_path / "a.gif")


@pytest.mark.parametrize("read", READERS)
def test_a_webp_that_would_fill_memory_is_refused_by_its_header(tmp_path, read):
    """A few bytes stand for 9000 x 9000 pixels, which the decoder needs 18 bytes each for."""
    claimed = struct.pack("<I", (9000 - 1) | (9000 - 1) << 14)
    content = bytearray(encoded(picture(0), form="WEBP", lossless=True))
    at = content.index(b"VP8L") + 9
    content[at : at + 4] = claimed
    (tmp_path / "a.webp").write_bytes(content)
    with pytest.raises(DataError, match="9000 x 9000 pixels are more than the limit of 67 million"):
        read(tmp_path / "a.webp")


@pytest.mark.parametrize("form", ["GIF", "WEBP"])
def test_flipped_bytes_are_read_or_refused_in_one_line(tmp_path, form):
    whole = encoded(GREY, form=form)
    path = tmp_path / f"a.{form.lower()}"
    rng = np.random.default_rng(0)
    for _ in range(300):
        content = bytearray(whole)
        content[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        try:
            read_image(path)
        except DataError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
