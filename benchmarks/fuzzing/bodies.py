"""Bodies of requests: pictures, DICOM, NIfTI, and zips, sound ones and damaged ones."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from fuzzing.clinical import damaged_file
from fuzzing.edits import edit_bytes
from fuzzing.pictures import damaged_picture, sound_picture

_NOWHERE = Path("/nowhere")  # there are no DICOM files but those of packages


def body(random: Random) -> bytes:
    """What a client may send to have it segmented."""
    return random.choice(_KINDS)(random)


def _picture(random: Random) -> bytes:
    return damaged_picture(random)[1]


def _clinical(random: Random) -> bytes:
    return damaged_file(random, _NOWHERE)[1]


def _zip(random: Random) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(random.randint(0, 3)):
            make = random.choice((_picture, _clinical, sound_picture))
            archive.writestr(random.choice(_NAMES).format(number), make(random))
    content = stream.getvalue()
    return edit_bytes(random, content) if random.random() < 0.5 else content


def _nothing(random: Random) -> bytes:
    return random.randbytes(random.randint(0, 64))


_NAMES = ("{}.png", "a/{}.dcm", "../../{}.nii", "{}", "/etc/{}", "C:\\{}.tif", "{}\x1b[2J", "é{}")
_KINDS: tuple[Callable[[Random], bytes], ...] = (
    *(sound_picture, _picture, _picture, _clinical, _clinical, _zip, _zip, _nothing),
)
