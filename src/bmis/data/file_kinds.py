"""What kind of file something is: an image by its name, a companion of images, or a foreign kind.

A file is known by its first bytes where it is opened, and by its name where it is only counted.
"""

from dataclasses import dataclass
from pathlib import Path

from bmis.errors import DataError
from bmis.system.reading import first_bytes

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".npy")
_SUPERPIXELS = "_superpixels"  # ISIC puts these beside its images; they are no images or masks
_COMPANIONS = (
    *(".txt", ".md", ".rst", ".html", ".htm", ".css", ".pdf", ".doc", ".docx", ".odt", ".tex"),
    *(".csv", ".tsv", ".xls", ".xlsx", ".ods", ".json", ".jsonl", ".yaml", ".yml", ".xml", ".toml"),
    *(".ini", ".cfg", ".log", ".names", ".data", ".url", ".lnk", ".md5", ".sha1", ".sha256"),
    *(".py", ".ipynb", ".sh", ".js", ".m", ".r"),
)
_COMPANION_NAMES = (
    *("readme", "license", "licence", "copying", "notice", "authors", "citation", "changelog"),
    *("manifest", "checksums", "makefile", "thumbs.db", "desktop.ini"),
)
KIND_SHOWS = 352
"""First bytes of a file in which each known kind shows."""


class NotAnImageError(DataError):
    """The first bytes of a file are those of no image format that is read.

    Example:
        >>> raise NotAnImageError("notes.png: not an image; convert it to PNG")
        Traceback (most recent call last):
        bmis.data.file_kinds.NotAnImageError: notes.png: not an image; convert it to PNG
    """


@dataclass(frozen=True)
class FileKind:
    """A kind of file that is not read.

    Attributes:
        name: What it is called where files are counted.
        title: What it is called in sentences, with its article.
        fix: What to do with such a file.
        suffixes: Ends of names that such files have, in small letters.
        starts: Places in the file and the bytes there, any of which shows the kind.

    Example:
        >>> foreign_kind(Path("scan.nii.gz")).title
        'a NIfTI volume'
    """

    name: str
    title: str
    fix: str
    suffixes: tuple[str, ...]
    starts: tuple[tuple[int, bytes], ...] = ()


_EXPORT = "export it as PNG or TIFF"
_SLICES = "save its slices as PNG or TIFF"
_KINDS = (
    FileKind("DICOM", "a DICOM file", _EXPORT, (".dcm", ".dicom", ".ima"), ((128, b"DICM"),)),
    FileKind(
        "NIfTI",
        "a NIfTI volume",
        _SLICES,
        (".nii", ".nii.gz"),
        ((344, b"n+1\0"),),
    ),
    FileKind(
        "half of a volume",
        "half of a volume in two files (.hdr and .img)",
        "save it as one file (.nii.gz)",
        (".hdr",),
        ((344, b"ni1\0"), (4, b"ni2\0")),
    ),
    FileKind("volume", "a volume", _SLICES, (".nrrd", ".nhdr", ".mha", ".mhd"), ((0, b"NRRD"),)),
    FileKind(
        "HEIC",
        "a HEIC picture",
        "save it as PNG",
        (".heic", ".heif"),
        tuple((4, b"ftyp" + brand) for brand in (b"heic", b"heix", b"mif1", b"msf1")),
    ),
    FileKind("AVIF", "an AVIF picture", "save it as PNG", (".avif",), ((4, b"ftypavi"),)),
    FileKind(
        "JPEG 2000",
        "a JPEG 2000 picture",
        "save it as PNG",
        (".jp2", ".j2k", ".jpx"),
        ((0, b"\0\0\0\x0cjP  "), (0, b"\xff\x4f\xff\x51")),
    ),
    FileKind(
        "video",
        "a video",
        "save its frames as PNG",
        (".mp4", ".avi", ".mov", ".mkv", ".mpg", ".mpeg", ".wmv", ".webm", ".m4v"),
        ((4, b"ftyp"), (8, b"AVI LIST"), (0, b"\x1a\x45\xdf\xa3")),
    ),
    FileKind(
        "archive",
        "an archive",
        "unpack it",
        (".zip", ".tar", ".tar.gz", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar"),
        ((0, b"PK\3\4"), (0, b"\x1f\x8b"), (0, b"7z\xbc\xaf\x27\x1c"), (0, b"Rar!")),
    ),
    FileKind("slide", "a slide", "cut tiles out of it", (".svs", ".ndpi", ".mrxs", ".scn")),
    FileKind(
        "microscopy file",
        "a microscopy file",
        _EXPORT,
        (".czi", ".lif", ".nd2", ".oib", ".oif", ".lsm", ".ims", ".vsi"),
    ),
)


def foreign_kind(path: Path, start: bytes = b"") -> FileKind | None:
    r"""The kind of a file that is not read as an image, if it is one that is known.

    Args:
        path: The file, for its name.
        start: Its first bytes; they count where the name says nothing.

    Example:
        >>> foreign_kind(Path("a.png"), b"PK\3\4").fix
        'unpack it'
        >>> foreign_kind(Path("a.png")) is None
        True
    """
    name = path.name.lower()
    named = [(len(end), kind) for kind in _KINDS for end in kind.suffixes if name.endswith(end)]
    if named:
        return max(named, key=lambda one: one[0])[1]  # .nii.gz is no archive
    shown = (k for k in _KINDS if any(start[at:].startswith(part) for at, part in k.starts))
    return next(shown, None)


def kind_of(path: Path) -> str:
    """What a file is called where files are counted: a known kind, or its suffix in capitals.

    Only files without a suffix are opened: DICOM files often have none.

    Example:
        >>> [kind_of(Path(name)) for name in ("a.dcm", "a.nii.gz", "a.png", "notes")]
        ['DICOM', 'NIfTI', 'PNG', 'file without a suffix']
    """
    suffix = path.suffix.lower()
    named = suffix and not suffix[1:].isdecimal()  # "1.2.840.113619.2": the UID of a DICOM file
    kind = foreign_kind(path, b"" if named else first_bytes(path, KIND_SHOWS))
    if kind:
        return kind.name
    return suffix[1:].upper() if named else "file without a suffix"


def is_image_name(path: Path) -> bool:
    """Whether a file is an image or a mask by its name. Superpixels of ISIC are neither.

    Example:
        >>> [is_image_name(Path(name)) for name in ("a.TIF", "a.dcm", "a_superpixels.png")]
        [True, False, False]
    """
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.stem.endswith(_SUPERPIXELS)


def is_companion(path: Path) -> bool:
    """Whether a file belongs beside images and holds none.

    Such files are hidden ones, texts, tables, documents and scripts by their suffix, LICENSE and
    the like by their name, copies that editors leave, and superpixels of ISIC.

    Example:
        >>> [is_companion(Path(name)) for name in ("splits.csv", "Thumbs.db", "LICENSE", "a.dcm")]
        [True, True, True, False]
    """
    name = path.name.lower()
    named = name in _COMPANION_NAMES or name.startswith(".") or name.endswith("~")
    return named or path.suffix.lower() in _COMPANIONS or path.stem.endswith(_SUPERPIXELS)
