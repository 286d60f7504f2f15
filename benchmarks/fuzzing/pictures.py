"""Pictures of many formats, damaged as bytes and as the structures that their formats are."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import tifffile
from PIL import Image, ImageOps

from bmis.data.file_kinds import IMAGE_SUFFIXES
from fuzzing.edits import NUMBERS, edit_bytes
from fuzzing.material import BUNDLE, DATA
from fuzzing.mutant import Mutant

_SIDE = (24, 20)


def picture(random: Random, material: Path, folder: Path) -> Mutant:
    """A damaged picture beside a good one, given to ``predict``."""
    images, out = folder / "images", folder / "out"
    images.mkdir()
    name = _write(random, images, "bad")
    good = next((material / DATA / "images").iterdir())
    (images / "good.png").write_bytes(good.read_bytes())
    command = ["predict", str(material / BUNDLE), str(images), "--out", str(out)]
    command += ["--engine", "onnxruntime", "--threads", "1"]
    if random.random() < 0.3:
        command.append("--overlay")
    return Mutant([command], (out / "good.png", out / "measurements.csv"), name)


def _write(random: Random, folder: Path, stem: str) -> str:
    """One damaged picture; it is named for what it was."""
    name, data, how = damaged_picture(random)
    suffix = name.rpartition(".")[2]
    suffix = random.choice(("png", "tif", "jpg", "gif", "npy")) if random.random() < 0.1 else suffix
    suffix = suffix if f".{suffix}" in IMAGE_SUFFIXES else "png"
    (folder / f"{stem}.{suffix}").write_bytes(data)
    return f"{name} {how}"


def damaged_picture(random: Random) -> tuple[str, bytes, str]:
    """What a picture was, its bytes now, and what was done to it."""
    name, data = random.choice(_pictures())
    return name, *damage(random, name, data)


def sound_picture(random: Random) -> bytes:
    """A picture as it was."""
    return random.choice(_pictures())[1]


def damaged_mask(random: Random, file: Path) -> str:
    """Replace a mask by a damaged picture."""
    file.unlink()
    return _write(random, file.parent, file.stem)


def damage(random: Random, name: str, data: bytes) -> tuple[bytes, str]:
    """Damage a picture by the structure of its format where that is known, or as bytes."""
    by_structure = _STRUCTURES.get(name.rpartition(".")[2])
    if by_structure is None or random.random() < 0.4:
        return edit_bytes(random, data), "bytes"
    return by_structure(random, data), "structure"


@cache
def _pictures() -> tuple[tuple[str, bytes], ...]:
    """Sound pictures by name."""
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (*_SIDE, 3), np.uint8)
    grey, deep = colour[..., 0], rng.integers(0, 65536, _SIDE, np.uint16)
    image = Image.fromarray(colour)
    alpha = Image.fromarray(rng.integers(0, 256, (*_SIDE, 4), np.uint8))
    exif = Image.Exif()
    exif[274] = 6
    found = [
        ("rgb.png", _saved(image, "PNG")),
        ("grey.png", _saved(Image.fromarray(grey), "PNG")),
        ("deep.png", _saved(Image.fromarray(deep), "PNG")),
        ("bits.png", _saved(Image.fromarray(grey > 99), "PNG")),
        ("alpha.png", _saved(alpha, "PNG")),
        ("palette.png", _saved(image.quantize(16), "PNG", transparency=3)),
        ("exif.png", _saved(image, "PNG", exif=exif)),
        ("rgb.jpg", _saved(image, "JPEG", exif=exif)),
        ("grey.jpg", _saved(Image.fromarray(grey), "JPEG")),
        ("progressive.jpg", _saved(image, "JPEG", progressive=True)),
        ("cmyk.jpg", _saved(image.convert("CMYK"), "JPEG")),
        ("rgb.bmp", _saved(image, "BMP")),
        ("palette.bmp", _saved(image.quantize(16), "BMP")),
        ("rgb.gif", _saved(image, "GIF")),
        ("grey.gif", _saved(Image.fromarray(grey), "GIF", interlace=0)),
        ("frames.gif", _saved(image, "GIF", save_all=True, append_images=[ImageOps.invert(image)])),
        ("lossy.webp", _saved(image, "WEBP", exif=exif)),
        ("lossless.webp", _saved(image, "WEBP", lossless=True)),
        ("alpha.webp", _saved(alpha, "WEBP")),
        ("rgb.ppm", _saved(image, "PPM")),
        ("rgb.tga", _saved(image, "TGA")),
        ("rgb.jp2", _saved(image, "JPEG2000")),
        ("array.npy", _array(colour)),
        ("float.npy", _array(grey.astype(np.float32) / 255)),
        *((f"{key}.tif", _saved(image, "TIFF", compression=key)) for key in _COMPRESSIONS),
        ("bits.tif", _saved(Image.fromarray(grey > 99), "TIFF", compression="group4")),
        ("deep.tif", _saved(Image.fromarray(deep), "TIFF", compression="tiff_lzw")),
        ("lab.tif", _saved(image.convert("LAB"), "TIFF")),
        ("deep-rgb.tif", _tiff(np.stack([deep] * 3, -1), photometric="rgb")),
        ("planar.tif", _tiff(np.stack([deep] * 3), photometric="rgb", planarconfig="separate")),
        ("tiles.tif", _tiff(np.tile(deep, (3, 3)), tile=(16, 16), compression="zlib")),
        ("float.tif", _tiff(grey.astype(np.float64), bigtiff=True)),
        ("pages.tif", _tiff(np.stack([grey] * 3), photometric="minisblack")),
        ("imagej.tif", _tiff(np.stack([grey] * 3), imagej=True, metadata={"unit": "um"})),
        ("ome.tif", _tiff(np.stack([deep] * 3), ome=True, bigtiff=True)),
    ]
    return tuple(found)


_COMPRESSIONS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _array(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _tiff(array: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **options)
    return stream.getvalue()


def _png(random: Random, data: bytes) -> bytes:
    """Chunks changed, dropped, doubled or moved, with right checksums."""
    chunks, at = [], 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append([data[at + 4 : at + 8], data[at + 8 : at + 8 + length]])
        at += length + 12
    how, index = random.randrange(5), random.randrange(len(chunks))
    if how == 0:
        del chunks[index]
    elif how == 1:
        chunks.insert(index, chunks[random.randrange(len(chunks))])
    elif how == 2 and chunks[index][0] == b"IDAT":
        raw = zlib.decompress(chunks[index][1])
        chunks[index][1] = zlib.compress(
            raw * 9999 if random.random() < 0.1 else raw[: len(raw) // 2]
        )
    else:
        index = 0 if random.random() < 0.5 else index
        chunks[index][1] = edit_bytes(random, chunks[index][1], most=2)
    return data[:8] + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def _tif(random: Random, data: bytes) -> bytes:
    """Entries of the directory changed: tag, type, count and value."""
    out = bytearray(data)
    if out[2] != 42:  # BigTIFF
        return edit_bytes(random, data)
    order = "<" if out[:2] == b"II" else ">"
    (start,) = struct.unpack(f"{order}I", out[4:8])
    (count,) = struct.unpack(f"{order}H", out[start : start + 2])
    for _ in range(random.randint(1, 2)):
        at = start + 2 + 12 * random.randrange(count)
        how = random.randrange(5)
        if how == 0:
            struct.pack_into(f"{order}H", out, at, random.randrange(254, 340))
        elif how == 1:
            struct.pack_into(f"{order}H", out, at + 2, random.randrange(0, 19))
        elif how == 2:
            struct.pack_into(f"{order}I", out, at + 4, int(random.choice(NUMBERS[:15])) % 2**32)
        else:
            struct.pack_into(f"{order}I", out, at + 8, int(random.choice(NUMBERS[:15])) % 2**32)
    return bytes(out)


def _npy(random: Random, data: bytes) -> bytes:
    """The words of the header changed."""
    (length,) = struct.unpack("<H", data[8:10])
    header = data[10 : 10 + length].decode("latin1")
    old, new = random.choice(
        [
            *(
                ("(24, 20", shape)
                for shape in ("(-1, 20", "(2**31, 9**9", "(0, 20", "(10**6, 10**6")
            ),
            *(("'|u1'", kind) for kind in ("'|O'", "'<c16'", "'<M8[s]'", "'<U9'", "[('a','<i4')]")),
            *(("'<f4'", kind) for kind in ("'>f2'", "'<f8'", "'<i8'", "'|b1'", "'<f16'")),
            *(("False", value) for value in ("True", "[[[[]]]]" * 9, "__import__('os')")),
            ("{", "{" * 200),
            ("}", "\0}"),
        ]
    )
    header = header.replace(old, new)
    return data[:8] + struct.pack("<H", len(header)) + header.encode("latin1") + data[10 + length :]


def _jpg(random: Random, data: bytes) -> bytes:
    """The first rows alone, or a segment of another length or size of image."""
    if random.random() < 0.3:
        return data[: random.randrange(len(data) // 2, len(data))]
    frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    out = bytearray(data)
    struct.pack_into(">H", out, frame + random.choice((2, 5, 7)), random.choice((0, 1, 9, 65535)))
    return bytes(out)


def _gif(random: Random, data: bytes) -> bytes:
    """Size or flags of the screen or of the first picture changed, or pictures cut off."""
    picture = data.find(b"\x2c\0\0\0\0")
    if random.random() < 0.2:
        return data[: random.randrange(picture, len(data))] + random.choice((b"", b";", b"\0;"))
    out = bytearray(data)
    at = random.choice((6, 8, picture + 1, picture + 5, picture + 7))
    if random.random() < 0.3:
        out[random.choice((10, picture + 9, picture + 10))] = random.randrange(256)
    else:
        struct.pack_into("<H", out, at, random.choice((0, 1, 9, 4095, 65535)))
    return bytes(out)


def _webp(random: Random, data: bytes) -> bytes:
    """Size of the file, of a part or of the picture changed."""
    out = bytearray(data)
    at = random.choice((4, 16, 20, 21, 24, 26))
    struct.pack_into("<I", out, at, int(random.choice(NUMBERS[:15])) % 2**32)
    return bytes(out)


_STRUCTURES: dict[str, Callable[[Random, bytes], bytes]] = {
    "png": _png,
    "tif": _tif,
    "npy": _npy,
    "jpg": _jpg,
    "gif": _gif,
    "webp": _webp,
}
