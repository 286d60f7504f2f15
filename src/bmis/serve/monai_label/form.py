"""Forms (``multipart/form-data``): what a client sent taken apart, and an answer put together."""

from contextlib import closing
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO, cast

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from bmis.data.formats.dicom import SUFFIXES
from bmis.serve.refusals import Refused

_KIND = "multipart/form-data"
_MOST = 5000  # parts
_LARGEST_FIELD = 2**16  # bytes
_CHUNK = 2**20


@dataclass(frozen=True)
class Form:
    """What came in a form.

    Attributes:
        fields: Values by their names.
        files: Files in their order, each with the name of its field.

    Example:
        >>> Form(files=[("file", Path("form/0000.dcm"))]).named("file")
        [PosixPath('form/0000.dcm')]
    """

    fields: dict[str, str] = field(default_factory=dict)
    files: list[tuple[str, Path]] = field(default_factory=list)

    def named(self, name: str) -> list[Path]:
        """The files of a field."""
        return [path for given, path in self.files if given == name]


def read_form(body: Path, content_type: str, folder: Path) -> Form:
    """Take a form apart; its files get names of our own.

    Args:
        body: The form.
        content_type: The header, which says what divides its parts.
        folder: Where its files go; must not be there.

    Raises:
        Refused: It is no form, or damaged, or has too many parts.

    Example:
        >>> content, kind = write_form([("params", None, b"{}"), ("file", "a.png", b"PNG")])
        >>> size = Path("body").write_bytes(content)
        >>> form = read_form(Path("body"), kind, Path("files"))
        >>> form.fields, form.files[0][1].read_bytes()
        ({'params': '{}'}, b'PNG')
    """
    kind, options = parse_options_header(content_type)
    if kind != _KIND.encode() or not options.get(b"boundary"):
        raise Refused(415, f"the body is no form; send {_KIND}")
    folder.mkdir()
    parts = _Parts(folder)
    try:
        parser = MultipartParser(options[b"boundary"], parts.callbacks)
        with closing(parts), body.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                parser.write(chunk)
    except FormParserError:  # its words are those of the client
        raise Refused(400, "the form cannot be read; send it again") from None
    if not parts.ended:
        raise Refused(400, "the form ends early; send it again")
    return parts.form


class _Parts:
    """Collects the parts of a form as they come: fields in memory, files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.form, self.ended = Form(), False
        self._folder, self._count = folder, 0
        self._headers: dict[bytes, bytes] = {}
        self._header, self._value = b"", b""
        self._name, self._sink = "", cast(BinaryIO, BytesIO())
        self.callbacks: Any = {
            f"on_{event}": getattr(self, f"_{event}")
            for event in ("part_begin", "header_field", "header_value", "header_end",
                          "headers_finished", "part_data", "part_end", "end")
        }  # fmt: skip

    def close(self) -> None:
        self._sink.close()

    def _part_begin(self) -> None:
        self._headers = {}
        self._count += 1
        if self._count > _MOST:
            raise Refused(413, f"the form has more than {_MOST} parts; send fewer at a time")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def _headers_finished(self) -> None:
        _, given = parse_options_header(self._headers.get(b"content-disposition"))
        if b"name" not in given:
            raise FormParserError("a part has no name")
        self._name, file = _text(given[b"name"]), given.get(b"filename")
        if file is None:
            self._sink = BytesIO()
            return
        # DICOM without its mark is known by its name alone
        suffix = Path(_text(file)).suffix.lower()
        target = self._folder / f"{self._count:04d}{suffix if suffix in SUFFIXES else ''}"
        self.form.files.append((self._name, target))
        self._sink = target.open("xb")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._sink.write(data[start:end])
        if isinstance(self._sink, BytesIO) and self._sink.tell() > _LARGEST_FIELD:
            raise Refused(413, f"a field of the form has more than {_LARGEST_FIELD} bytes")

    def _part_end(self) -> None:
        if isinstance(self._sink, BytesIO):
            self.form.fields[self._name] = _text(self._sink.getvalue())
        self._sink.close()

    def _end(self) -> None:
        self.ended = True


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def write_form(parts: list[tuple[str, str | None, bytes]]) -> tuple[bytes, str]:
    r"""Put a form together.

    Args:
        parts: Name, name of the file if it is one, and content of each.

    Returns:
        The form, and the header that says what divides its parts.

    Example:
        >>> content, kind = write_form([("params", None, b"{}")])
        >>> kind.partition("=")[0], content.count(b"\r\n")
        ('multipart/form-data; boundary', 6)
    """
    boundary = token_hex(16)
    body = b""
    for name, file, content in parts:
        called = "" if file is None else f'; filename="{file}"'
        kind = "application/json" if file is None else "application/octet-stream"
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{called}\r\n'
        body += f"{head}Content-Type: {kind}\r\n\r\n".encode() + content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"{_KIND}; boundary={boundary}"
