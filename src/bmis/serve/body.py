"""How the body of a request is received: counted while it comes, kept in a file of its own."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bmis.serve.refusals import Refused
from bmis.system.temporary import remove_remains, temporary_name

_NAME = "body"
_FAIR = 2.0  # seconds that a body has to come whoever else waits


class Arrivals:
    """Bodies on their way: so many at a time. Whoever sends slowly makes room for others.

    Args:
        places: How many there may be.
        seconds: How long each may take.

    Example:
        >>> async def arrive():
        ...     arrivals = Arrivals(places=1, seconds=60)
        ...     async with arrivals.place():
        ...         async with arrivals.place():
        ...             pass
        >>> asyncio.run(arrive())
        Traceback (most recent call last):
        bmis.serve.refusals.Refused: all 1 places are taken; try again later
    """

    def __init__(self, places: int, seconds: float) -> None:
        self._places, self._seconds = places, seconds
        self._begun: dict[asyncio.Timeout, float] = {}  # oldest first

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for as long as the block runs.

        Raises:
            Refused: There is none; or the block took too long, or too long for those who wait.
        """
        now = asyncio.get_running_loop().time()
        if len(self._begun) >= self._places:
            self._make_room(now)
        try:
            async with asyncio.timeout(self._seconds) as limit:
                self._begun[limit] = now
                yield
        except TimeoutError:
            raise Refused(
                408,
                f"the body did not come within {self._seconds:g} seconds; send it again"
                if limit in self._begun
                else "the body came too slowly, and others wait; send it again faster",
            ) from None
        finally:
            self._begun.pop(limit, None)

    def _make_room(self, now: float) -> None:
        oldest, begun = next(iter(self._begun.items()))
        if now - begun < _FAIR:
            raise Refused(
                429, f"all {self._places} places are taken; try again later", retry_after=1
            )
        del self._begun[oldest]
        oldest.reschedule(now)


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


def check_plain(headers: Mapping[str, str]) -> None:
    """Refuse a body that was packed on its way, as curl and programs do who mean well.

    Raises:
        Refused: It says that it is compressed.

    Example:
        >>> check_plain({"content-encoding": "gzip"})
        Traceback (most recent call last):
        bmis.serve.refusals.Refused: the body is packed (Content-Encoding: gzip); send it as it is
    """
    packed = headers.get("content-encoding", "identity")
    if packed.strip().lower() not in ("", "identity"):
        message = f"the body is packed (Content-Encoding: {packed[:40]}); send it as it is"
        raise Refused(415, message)


def check_no_form(headers: Mapping[str, str]) -> None:
    """Refuse a form, in which `curl -F` and browsers wrap a file.

    Raises:
        Refused: The body is one.

    Example:
        >>> check_no_form({"content-type": "multipart/form-data; boundary=x"})
        Traceback (most recent call last):
        bmis.serve.refusals.Refused: the body is a form; send the bytes of the file alone: curl ...
    """
    if headers.get("content-type", "").strip().lower().startswith("multipart/"):
        message = "the body is a form; send the bytes of the file alone: curl --data-binary @FILE"
        raise Refused(415, message)


async def receive(
    chunks: AsyncIterator[bytes], folder: Path, *, limit: int, dicom: bool = False
) -> Path:
    """Write a body into a file of a folder, and count its bytes while they come.

    Args:
        chunks: The body, whatever it said of its length.
        folder: Where the file goes.
        limit: Bytes that it may have.
        dicom: Whether the sender calls it DICOM, which a file without its mark is read as then.

    Returns:
        The file.

    Raises:
        Refused: It is empty or too long.

    Example:
        >>> async def chunks():
        ...     yield b"P5 1 1 255 0"
        >>> folder = private_folder()
        >>> asyncio.run(receive(chunks(), folder, limit=100)).read_bytes()
        b'P5 1 1 255 0'
        >>> remove(folder)
    """
    path = folder / (f"{_NAME}.dcm" if dicom else _NAME)
    size = 0
    with path.open("wb") as stream:
        async for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise _too_long(limit)
            stream.write(chunk)
    if not size:
        raise Refused(400, "the body is empty; send the bytes of an image, a DICOM file or a zip")
    return path


def _too_long(limit: int) -> Refused:
    return Refused(413, f"the body has more than {limit} bytes; send a smaller image")
