"""How the body of a request is received: counted while it comes, kept in a file of its own."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from bmis.serve.refusals import Refused
from bmis.system.temporary import remove_remains, temporary_name

_NAME = "body"


def private_folder() -> Path:
    """A new folder for one request, below ``TMPDIR``; only this user can look into it.

    What services left there that were killed is removed once.

    Example:
        >>> folder = private_folder()
        >>> oct(folder.stat().st_mode)[-3:]
        '700'
        >>> shutil.rmtree(folder)
    """
    root = Path(tempfile.gettempdir())
    remove_remains(root)
    folder = root / temporary_name("")
    folder.mkdir(mode=0o700)
    return folder


def remove(folder: Path) -> None:
    """Remove the folder of a request with all that is in it.

    Example:
        >>> folder = private_folder()
        >>> remove(folder)
        >>> folder.exists()
        False
    """
    shutil.rmtree(folder, ignore_errors=True)


def check_length(headers: Mapping[str, str], limit: int) -> None:
    """Refuse a body that says itself that it is too long, before any of it is read.

    Raises:
        Refused: It has more bytes than the limit.

    Example:
        >>> check_length({"content-length": "99"}, limit=50)
        Traceback (most recent call last):
        bmis.serve.refusals.Refused: the body has more than 50 bytes; send a smaller image
    """
    declared = headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > limit):
        raise _too_long(limit)


async def receive(
    chunks: AsyncIterator[bytes], folder: Path, *, limit: int, seconds: float, dicom: bool = False
) -> Path:
    """Write a body into a file of a folder, and count its bytes while they come.

    Args:
        chunks: The body, whatever it said of its length.
        folder: Where the file goes.
        limit: Bytes that it may have.
        seconds: How long it may take.
        dicom: Whether the sender calls it DICOM, which a file without its mark is read as then.

    Returns:
        The file.

    Raises:
        Refused: It is empty, too long, or takes too long.

    Example:
        >>> async def chunks():
        ...     yield b"P5 1 1 255 0"
        >>> folder = private_folder()
        >>> asyncio.run(receive(chunks(), folder, limit=100, seconds=5)).read_bytes()
        b'P5 1 1 255 0'
        >>> remove(folder)
    """
    path = folder / (f"{_NAME}.dcm" if dicom else _NAME)
    size = 0
    try:
        with path.open("wb") as stream:
            async with asyncio.timeout(seconds):
                async for chunk in chunks:
                    size += len(chunk)
                    if size > limit:
                        raise _too_long(limit)
                    stream.write(chunk)
    except TimeoutError:
        raise Refused(
            408, f"the body did not come within {seconds:g} seconds; send it again"
        ) from None
    if not size:
        raise Refused(400, "the body is empty; send the bytes of an image, a DICOM file or a zip")
    return path


def _too_long(limit: int) -> Refused:
    return Refused(413, f"the body has more than {limit} bytes; send a smaller image")
