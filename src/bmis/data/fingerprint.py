"""Short texts that tell two states of a data set apart: how it is divided, and what it holds."""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b, sha256
from pathlib import Path

from bmis.data.cases import Case, Dataset
from bmis.errors import DataError
from bmis.system.reading import once_per_file, open_file, split_inside

_DIGITS = 16  # of a fingerprint, in hexadecimal
PARTS = ("images", "masks", "fields of view", "classes, channels or spacing")


def split_fingerprint(cases: Iterable[Case]) -> str:
    """The same for the same ids, splits and choice of images with a field of view.

    Example:
        >>> from bmis import open_dataset
        >>> cases = open_dataset("polyps").cases
        >>> split_fingerprint(cases) == split_fingerprint(reversed(cases))
        True
        >>> split_fingerprint(cases) == split_fingerprint(cases[1:])
        False
    """
    lines = sorted(
        f"{case.id}\t{case.split}" + ("" if case.field_of_view is None else "\tfov")
        for case in cases
    )
    return sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:_DIGITS]


def content_fingerprints(dataset: Dataset) -> dict[str, str]:
    """A fingerprint of each of ``PARTS``: what the files hold, and what is declared of them.

    The files are hashed as they are, not their pixels: that costs no decoding, and no version of a
    decoder can change it. So equal fingerprints mean equal pixels. An image that was saved anew
    counts as another one, even if its pixels stayed.

    Raises:
        DataError: A file cannot be read.

    Example:
        >>> from bmis import open_dataset
        >>> before = content_fingerprints(open_dataset("polyps"))
        >>> mask = open_dataset("polyps").cases[0].masks[0]
        >>> _ = mask.write_bytes(open_dataset("polyps").cases[1].masks[0].read_bytes())
        >>> after = content_fingerprints(open_dataset("polyps"))
        >>> [part for part in PARTS if before[part] != after[part]]
        ['masks']
    """
    files: tuple[list[tuple[str, Path]], ...] = ([], [], [])
    for case in dataset.cases:
        files[0].append((case.id, case.image))
        files[1].extend((case.id, mask) for mask in case.masks)
        files[2].extend((case.id, path) for path in (case.field_of_view,) if path)
    facts: tuple[object, ...] = (dataset.classes, dataset.channels, dataset.spacing)
    coding = dataset.coding
    if coding.ignore is not None:  # fingerprints of earlier versions know of none
        facts += (coding.ignore,)
    if coding.threshold is not None or coding.first:
        facts += (coding.threshold, coding.first)
    declared = repr(facts).encode()
    parts = [_hash(_describe(listed)) for listed in files] + [_hash([declared])]
    return dict(zip(PARTS, parts, strict=True))


def changed_parts(before: object, now: Mapping[str, str]) -> list[str]:
    """The ``PARTS`` that are known to differ; what ``before`` does not know is not among them.

    Args:
        before: What a record holds as its ``content``, of any type.
        now: What ``content_fingerprints`` gives.

    Example:
        >>> changed_parts({"images": "a1", "masks": "b2"}, {"images": "a1", "masks": "c3"})
        ['masks']
    """
    known = before if isinstance(before, dict) else {}
    return [part for part in PARTS if part in known and known[part] != now.get(part)]


def _hash(pieces: Iterable[bytes]) -> str:
    digest = blake2b()
    for piece in pieces:
        digest.update(piece + b"\n")
    return digest.hexdigest()[:_DIGITS]


def _describe(files: Iterable[tuple[str, Path]]) -> Iterator[bytes]:
    """Id and hash of each file; its name counts only where an image has several masks."""
    for name, path in sorted(files):
        yield f"{name}\t{file_fingerprint(path)}".encode(errors="surrogateescape")


def file_fingerprint(path: Path) -> str:
    """The same for files that hold the same bytes, and for the same picture inside such files.

    Raises:
        DataError: The file cannot be read.

    Example:
        >>> file_fingerprint(Path("photo.png")) == file_fingerprint(Path("photo.png"))
        True
    """
    file, place = split_inside(path)
    return _hash_file(file) + place


@once_per_file
def _hash_file(path: Path) -> str:
    digest = blake2b()
    with open_file(path) as stream:
        try:
            while piece := stream.read(2**20):
                digest.update(piece)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); copy it again") from error
    return digest.hexdigest()[:_DIGITS]
