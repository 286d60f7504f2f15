"""The deployable file: one zip with the network's graphs, all that goes with them, and a card.

``docs/reference/bundle.md`` describes the format. A bundle is untrusted input: ``read_bundle``
checks all of it before anything is loaded, and nothing is ever unpacked to disk.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from bmis.bundle.archive import Archive, pack
from bmis.bundle.check import check_graph
from bmis.bundle.manifest import (
    CARD,
    MANIFEST,
    TEXT_LIMIT,
    Graph,
    Manifest,
    Member,
    dump_manifest,
    parse_manifest,
)
from bmis.bundle.operators.values import Computation
from bmis.bundle.work import Work, count_work
from bmis.errors import BundleError, ConfigError, printable
from bmis.system.files import atomic

SUFFIX = ".bmis"


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle that was read and checked: every part is as its manifest promises.

    Attributes:
        path: The file.
        manifest: What it says about itself.
        card: The model card, Markdown, for people to read.
        digest: SHA-256 of the whole file, in hexadecimal.
        members: Hash and length of every member except the manifest.
        computations: What each graph computes, by its file; see ``check.check_graph``.

    Example:
        >>> from bmis.pretrained.lookup import find_model_file
        >>> bundle = read_bundle(find_model_file("nuclei"))
        >>> bundle.find("onnx", "int8").file
        'model.int8.onnx'
        >>> bundle.find("onnx", "float32") is None
        True
    """

    path: Path
    manifest: Manifest
    card: str
    digest: str
    members: Mapping[str, Member]
    computations: Mapping[str, Computation | None]

    def find(self, format: str, precision: str) -> Graph | None:
        """The graph of this format and precision; None where the bundle has none."""
        kinds = {(graph.format, graph.precision): graph for graph in self.manifest.graphs}
        return kinds.get((format, precision))

    def count_work(self, graph: Graph, size: tuple[int, int]) -> Work:
        """What a graph takes for an image of a height and width.

        Raises:
            BundleError: More than networks take; or an operator does not fit this size.
            ConfigError: No engine of bmis runs this format.
        """
        found = self.computations[graph.file]
        if found is None:
            raise ConfigError(f"{self.path}: no engine of bmis runs {graph.file}; use its own")
        with _named(self.path):
            try:
                return count_work(found, (self.manifest.info.input.channels, *size))
            except BundleError as error:
                raise BundleError(f"{graph.file} {error}; use another size") from error

    def read(self, file: str) -> bytes:
        """The content of a member: the very bytes that ``read_bundle`` checked.

        Raises:
            BundleError: There is no such member, or the file was changed since it was checked.
        """
        with _opened(self.path) as stream:
            data = Archive(stream).read(file)
            if file not in self.members or _promise(data) != self.members[file]:
                raise BundleError(f"{file} was changed while it was in use; load it again")
            return data


def write_bundle(path: Path, manifest: Manifest, members: Mapping[str, bytes], card: str) -> None:
    """Write a bundle, whole or not at all; the same content gives the same bytes.

    A bundle that could not be read back is not written.

    Args:
        path: The file to write; ends in ``.bmis``.
        manifest: The manifest, whose ``graphs`` name the members.
        members: Every file of every graph, by its name in the bundle.
        card: The model card, Markdown.

    Raises:
        BundleError: Members that do not fit the manifest; see ``read_bundle``.
        ConfigError: The manifest holds more than plain finite values.
        DataError: The file cannot be written.

    Example:
        >>> from bmis.pretrained.lookup import find_model_file
        >>> bundle = read_bundle(find_model_file("nuclei"))
        >>> members = {"model.int8.onnx": bundle.read("model.int8.onnx")}
        >>> write_bundle(Path("copy.bmis"), bundle.manifest, members, bundle.card)
        >>> read_bundle(Path("copy.bmis")).manifest == bundle.manifest
        True
    """
    files = {CARD: card.encode(), **members}
    promises = {name: _promise(data) for name, data in files.items()}
    data = pack({MANIFEST: dump_manifest(manifest, promises), **files})
    with _named(path):
        _check(BytesIO(data), path)
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def read_bundle(path: Path) -> Bundle:
    """Check a bundle from one end to the other; nothing of it is run or unpacked to disk.

    Raises:
        BundleError: No such file, not a bundle, damaged, changed, of a newer version, larger than
            a bundle can be, or with a graph that is not what the manifest promises.

    Example:
        >>> read_bundle(Path("photo.png"))
        Traceback (most recent call last):
        bmis.errors.BundleError: photo.png: not a whole zip file; copy or export it again
    """
    with _opened(path) as stream:
        return _check(stream, path)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A file to read; every error becomes a ``BundleError`` in one line with its name."""
    with _named(path):
        try:
            if not path.is_file():  # a pipe would wait for ever
                raise BundleError("no such file; name a .bmis file of `bmis export`")
            with path.open("rb") as stream:
                yield stream
        except OSError as error:
            raise BundleError(f"cannot be read ({error.strerror}); check its rights") from error


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except BundleError as error:
        text = " ".join(str(error).split())[:400]  # a foreign file's words may be in it
        raise BundleError(f"{path}: {printable(text)}") from error


def _check(stream: BinaryIO, path: Path) -> Bundle:
    archive = Archive(stream)
    if MANIFEST not in archive.sizes:
        raise BundleError("a zip, but not a bundle of bmis; name a file of `bmis export`")
    _check_text_size(archive, MANIFEST)
    manifest, members = parse_manifest(archive.read(MANIFEST))
    _check_names(archive, manifest, members)
    for name, promised in members.items():
        if archive.sizes[name] != promised.bytes or _hash(archive.chunks(name)) != promised.sha256:
            raise BundleError(f"{name} is not what the manifest promises; copy or export it again")
    found = {graph.file: check_graph(graph, manifest, archive.read) for graph in manifest.graphs}
    _check_text_size(archive, CARD)
    try:
        card = archive.read(CARD).decode()
    except UnicodeDecodeError as error:
        raise BundleError(f"{CARD} is not UTF-8 text; export it again") from error
    stream.seek(0)
    digest = _hash(iter(lambda: stream.read(1 << 20), b""))
    return Bundle(path, manifest, card, digest, members, found)


def _check_text_size(archive: Archive, name: str) -> None:
    if archive.sizes[name] > TEXT_LIMIT:
        raise BundleError(
            f"{name} has {archive.sizes[name]} bytes, the limit is {TEXT_LIMIT}; export it again"
        )


def _check_names(archive: Archive, manifest: Manifest, members: Mapping[str, Member]) -> None:
    """The zip, the list in its manifest and the graphs must all name the same files."""
    wanted = {CARD, *(file for graph in manifest.graphs for file in graph.files)}
    if not manifest.graphs:
        raise BundleError("has no graph of a network; export it again")
    there = set(archive.sizes) - {MANIFEST}
    for name in sorted(wanted - (there & set(members))):
        raise BundleError(f"has no {name}, which its manifest names; export it again")
    for name in sorted((there | set(members)) - wanted):
        raise BundleError(f"{name!r} belongs to no graph of it; export it again, or update bmis")


def _promise(data: bytes) -> Member:
    return Member(sha256(data).hexdigest(), len(data))


def _hash(chunks: Iterator[bytes]) -> str:
    digest = sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
