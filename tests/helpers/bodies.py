"""What tests send to a service: the bytes of images and of zips."""

import gzip
import io
import struct
import zipfile
import zlib

import nibabel
import numpy as np
from PIL import Image

from helpers.folders import picture

SEGMENT = "/v1/segment/two"


def png(seed=0, size=(40, 56)):
    """An image."""
    stream = io.BytesIO()
    Image.fromarray(picture(seed, size)).save(stream, "PNG")
    return stream.getvalue()


def huge_png(width, height):
    """A small PNG that claims a size, with a right checksum."""
    body = png()
    head = b"IHDR" + struct.pack(">II", width, height) + body[24:29]
    return body[:12] + head + struct.pack(">I", zlib.crc32(head)) + body[33:]


def nifti(shape=(40, 48, 3), size=None):
    """A volume of zeros, compressed; so many bytes of it."""
    volume = nibabel.Nifti1Image(np.zeros(shape, np.uint8), np.eye(4))
    return gzip.compress(volume.to_bytes()[:size])


def zipped(files):
    """A zip of files by their names."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def encrypted():
    """A zip that says of its file that it is encrypted."""
    body = bytearray(zipped({"a.png": png()}))
    body[body.index(b"PK\1\2") + 8] |= 1
    return bytes(body)
