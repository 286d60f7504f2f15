"""The files of a source: found once, looked up by the names that annotations give them."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from bmis.data.file_kinds import IMAGE_SUFFIXES, kind_of
from bmis.errors import DataError

_WORDS = (  # "train2017", "valid", "ISIC2018_Task1_Training_Input"
    ("train", re.compile(r"(?<![a-z])train(?:ing)?(?![a-z])")),
    ("val", re.compile(r"(?<![a-z])val(?:id(?:ation)?)?(?![a-z])")),
    ("test", re.compile(r"(?<![a-z])test(?:ing)?(?![a-z])")),
)


@dataclass(frozen=True)
class Tree:
    """All files of a source. Hidden ones, and links that lead out of it, are not among them.

    Attributes:
        root: Folder of the source.
        files: All files, sorted.
        links: Links that lead out of the source. They are never followed.

    Example:
        >>> tree = read_tree(Path("polyps"))
        >>> tree.relative(tree.files[0]), tree.links
        ('dataset.yaml', ())
    """

    root: Path
    files: tuple[Path, ...]
    links: tuple[Path, ...] = ()

    def relative(self, path: Path) -> str:
        """A file as seen from the root, with forward slashes."""
        return path.relative_to(self.root).as_posix()

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        named: defaultdict[str, list[Path]] = defaultdict(list)
        for file in self.files:
            named[file.name].append(file)
        return named

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.relative(file) for file in self.files)

    def ending(self, *suffixes: str) -> list[Path]:
        """The files whose names end so, in small or capital letters."""
        return [file for file in self.files if file.name.lower().endswith(suffixes)]

    def pictures(self, folder: Path | None = None) -> list[Path]:
        """The picture files, of the whole source or directly in one folder."""
        found = self.ending(*IMAGE_SUFFIXES)
        return found if folder is None else [file for file in found if file.parent == folder]

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        """The folders that hold files, and all those above them, sorted."""
        found = {self.root}
        for file in self.files:
            found.update(p for p in file.parents if p.is_relative_to(self.root))
        return tuple(sorted(found))

    def at(self, *parts: str) -> Path | None:
        """The file at a path below the root, unless there is none or the path leads out."""
        joined = os.path.normpath("/".join(parts).replace("\\", "/"))
        name = PurePosixPath(joined.replace(os.sep, "/")).as_posix()
        return self.root / name if name in self._known else None

    def find(self, name: str, beside: Path) -> Path:
        """The file that an annotation names.

        It is looked for beside the annotation, below the root, and anywhere below the root by
        its own name. No file outside of the root is ever touched.

        Args:
            name: Path as the annotation gives it, with slashes of any kind.
            beside: Folder of the annotation.

        Raises:
            DataError: There is no such file below the root, or more than one.
        """
        plain = name.replace("\\", "/")
        for start in (self.relative(beside), "."):
            for below in (".", "images"):
                if found := self.at(start, below, plain):
                    return found
        return self._by_its_own_name(plain)

    def _by_its_own_name(self, plain: str) -> Path:
        parts = PurePosixPath(plain).parts
        there = self._by_name.get(parts[-1], []) if parts else []
        for length in range(len(parts), 0, -1):  # the longest end of the path decides
            same = [file for file in there if file.parts[-length:] == parts[-length:]]
            if len(same) == 1:
                return same[0]
            if same:
                raise DataError(
                    f"names {plain!r}, and {len(same)} files are called so, such as "
                    f"{self.relative(same[0])} and {self.relative(same[1])}; rename them"
                )
        if any(link.name == parts[-1] for link in self.links if parts):
            raise DataError(f"names {plain!r}, a link that leads out of the folder; copy the file")
        leads_out = plain.startswith(("/", "~")) or ".." in parts or plain[1:2] == ":"
        where = "which leads out of the folder" if leads_out else "but there is no such file"
        raise DataError(f"names {plain!r}, {where}; put the image into {self.root}")

    def unread(self, used: Collection[Path]) -> dict[str, int]:
        """How many files of each kind were not used.

        Args:
            used: Files that were read.
        """
        rest = set(self.files) - set(used)
        counts = Counter(kind_of(file) for file in rest)
        if self.links:
            counts["link out of the folder"] = len(self.links)
        return dict(sorted(counts.items()))


def read_tree(root: Path) -> Tree:
    """List the files of a source.

    Raises:
        DataError: There is no such folder.

    Example:
        >>> len(read_tree(Path("polyps")).pictures(Path("polyps/masks")))
        12
    """
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "there is no such folder"
        raise DataError(f"{root}: {problem}; give the folder that holds images and annotations")
    home = root.resolve()
    files, links = [], []
    for file in _walk(root):
        if file.is_symlink() and not file.resolve().is_relative_to(home):
            links.append(file)
        elif file.is_file():
            files.append(file)
    return Tree(root, tuple(sorted(files)), tuple(sorted(links)))


def _walk(root: Path) -> Iterator[Path]:
    """Files and links below the root, without hidden ones; links to folders are not entered."""
    for folder, names, files in os.walk(root):
        linked = [name for name in names if (Path(folder) / name).is_symlink()]
        names[:] = [name for name in names if not name.startswith(".") and name not in linked]
        yield from (Path(folder) / name for name in (*files, *linked) if name[0] != ".")


def split_of(*names: str) -> str | None:
    """The split that names of files or folders speak of; the last word counts.

    Example:
        >>> split_of("annotations", "instances_train2017.json"), split_of("valid"), split_of("a")
        ('train', 'val', None)
    """
    found = None
    for name in names:
        for part in PurePosixPath(name.lower()).parts:
            for split, word in _WORDS:
                if word.search(part):
                    found = split
    return found
