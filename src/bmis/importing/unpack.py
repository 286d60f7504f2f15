"""Images that lie inside other files of a source, written as files of their own for the import.

These are the pages of TIFF, GIF and WEBP, where an image and its mask have equally many, and the
images that files of LabelMe hold themselves. The readers of formats see a folder of links to the
source, in which these images take their place; so they need not know of any of this.
"""

import shutil
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from errno import EINVAL, ENAMETOOLONG
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from bmis.data.formats.limits import MAX_PAGES
from bmis.data.formats.pixels import DecodedImage
from bmis.data.formats.raster import count_pages, decode
from bmis.data.pairs import without_mask_suffix
from bmis.data.splits import SPLITS
from bmis.errors import DataError
from bmis.importing.labelme import embedded_image
from bmis.importing.mask_folders import IMAGE_FOLDERS, MASK_FOLDERS
from bmis.importing.pictures import white_is_zero
from bmis.importing.tree import Tree
from bmis.importing.write_case import ImportedCase
from bmis.system.files import output_folder
from bmis.system.pipeline import each
from bmis.system.progress import track
from bmis.system.reading import inside
from bmis.wording import counted

_OF_PAGES = (".tif", ".tiff", ".gif", ".webp")
_NO_NAME = (ENAMETOOLONG, EINVAL)


@dataclass
class Unpacked:
    """A source whose inner images are files.

    Attributes:
        tree: What the readers of formats read.
        source: The folder that it stands for.
        origins: Where a file really lies that was written, by its place below the root.
        stacks: The file that a page was in, by the place of the page below the root.
        damaged: What could not be unpacked.

    Example:
        >>> tree = Tree(Path("view"), ())
        >>> view = Unpacked(tree, Path("in"), {"a-001.png": "a.tif (page 1)"})
        >>> view.in_words("view/a-001.png: is cut; see view/b.png")
        'in/a.tif (page 1): is cut; see in/b.png'
    """

    tree: Tree
    source: Path
    origins: dict[str, str] = field(default_factory=dict)
    stacks: dict[str, str] = field(default_factory=dict)
    damaged: list[DataError] = field(default_factory=list)

    def in_words(self, text: str) -> str:
        """A text with the files named as the source names them."""
        for place, origin in self.origins.items():
            text = text.replace(str(self.tree.root / place), str(self.source / origin))
        return text.replace(str(self.tree.root), str(self.source))

    def restore(self, cases: Sequence[ImportedCase]) -> list[ImportedCase]:
        """The cases with their files named as the source names them; a stack becomes a group."""
        grouped = self._enough(cases)
        return [self._restored(case, grouped=grouped) for case in cases]

    def _enough(self, cases: Sequence[ImportedCase]) -> bool:
        """Whether each split can have a stack of its own."""
        return len({self.stacks.get(case.image, case.image) for case in cases}) >= len(SPLITS)

    def _restored(self, case: ImportedCase, *, grouped: bool) -> ImportedCase:
        stack = self.stacks.get(case.image)
        group = str(PurePosixPath(stack).with_suffix("")) if stack and grouped else None
        return replace(
            case,
            image=self.origins.get(case.image, case.image),
            annotation=self.origins.get(case.annotation, case.annotation),
            copied=case.copied and stack is None,
            group=case.group or group,
        )

    def notes(self, cases: Sequence[ImportedCase]) -> tuple[str, ...]:
        """What was decided about inner images, of cases as they were before ``restore``."""
        notes = []
        if stacks := sorted({*self.stacks.values()}):
            files = counted(len(stacks), "file")
            splits = (
                "the pages of a file are a group"
                if self._enough(cases)
                else "too few files to be groups, so scores of neighbouring pages come out too good"
            )
            notes.append(
                f"every page is an image of its own, in {files} such as {stacks[0]}; {splits}"
            )
        if inner := len(self.origins) - len(self.stacks):
            notes.append(f"images that only files of LabelMe hold: {inner}")
        return tuple(notes)


@contextmanager
def unpacked(tree: Tree, folder: Path) -> Iterator[Unpacked]:
    """The source with its inner images as files; the source itself is not changed.

    Args:
        tree: The source.
        folder: A new folder for the links and images. It is removed when the block ends, and is
            made only if there is anything to unpack.

    Raises:
        DataError: The folder cannot be written.

    Example:
        >>> from bmis.importing.tree import read_tree
        >>> with unpacked(read_tree(Path("polyps")), Path("work")) as view:
        ...     view.tree.root.name, view.origins
        ('polyps', {})
    """
    stacks = _stacks(tree)
    inner = [path for path in tree.ending(".json") if embedded_image(tree, path)]
    view = Unpacked(tree, tree.root)
    if not stacks and not inner:
        yield view
        return
    try:
        output_folder(folder.parent)
        folder.mkdir()
        files = [*_write_pages(view, folder, stacks), *_write_embedded(view, folder, inner)]
        # the links come last, so that nothing is ever written through one into the source
        files += _link(tree, folder, {file for stack in stacks for file in stack.files})
        view.tree = Tree(folder, tuple(sorted(files)), tree.links)
        yield view
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{folder.parent}: cannot be written ({reason})") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class _Stack:
    """An image and its masks, with as many pages each."""

    files: tuple[Path, ...]
    pages: int


def _stacks(tree: Tree) -> list[_Stack]:
    alike: defaultdict[tuple[str, ...], dict[Path, int]] = defaultdict(dict)
    for file in tree.pictures():
        folders = (part.lower() for part in PurePosixPath(tree.relative(file)).parts[:-1])
        place = [part for part in folders if part not in (*IMAGE_FOLDERS, *MASK_FOLDERS)]
        pages = count_pages(file) if file.suffix.lower() in _OF_PAGES else 1
        alike[*place, without_mask_suffix(file.stem)[0]][file] = pages
    found = []
    for files in alike.values():
        pages, *others = files.values()
        free = not any(tree.at(tree.relative(_page(file, 0, pages))) for file in files)
        if 1 < pages <= MAX_PAGES and others and {*others} == {pages} and free:
            found.append(_Stack(tuple(files), pages))
    return found


def _page(file: Path, page: int, pages: int) -> Path:
    """The place of a page: ``a-001.png`` of ``a.tif``, ``a-001_mask.png`` of ``a_mask.tif``."""
    name, suffix = without_mask_suffix(file.stem)
    digits = max(3, len(str(pages)))
    return file.with_name(f"{name}-{page + 1:0{digits}}{suffix}.png")


def _link(tree: Tree, folder: Path, left_out: Collection[Path]) -> list[Path]:
    """Links to the files of the source, or copies where there are no links."""
    made = []
    for file in tree.files:
        if file in left_out:
            continue
        link = folder / tree.relative(file)
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            link.symlink_to(file.absolute())
        except OSError:  # Windows lets only some users make links
            shutil.copyfile(file, link)
        made.append(link)
    return made


def _write_pages(view: Unpacked, folder: Path, stacks: Sequence[_Stack]) -> list[Path]:
    """Write all pages; where one is damaged, those that belong to it are left out too."""

    def write(one: tuple[_Stack, int]) -> list[Path]:
        stack, page = one
        made: list[Path] = []
        for file in stack.files:
            target = folder / view.tree.relative(_page(file, page, stack.pages))
            origin = f"{view.tree.relative(file)} (page {page + 1})"
            source = inside(file, page + 1)
            try:
                path = _write_page(target, decode(source), inverted=white_is_zero(file))
            except DataError as error:
                reason = str(error).partition(f"{source}: ")[2] or str(error)
                view.damaged.append(DataError(f"{view.source / origin}: {reason}"))
                return []
            made.append(path)
            name = path.relative_to(folder).as_posix()
            view.stacks[name], view.origins[name] = view.tree.relative(file), origin
        return made

    pages = [(stack, page) for stack in stacks for page in range(stack.pages)]
    written = list(track(each(write, pages), "unpacking pages", total=len(pages)))
    view.damaged.sort(key=str)
    return [path for made in written for path in made]


def _write_page(target: Path, page: DecodedImage, *, inverted: bool) -> Path:
    """Write what a file of this page alone would hold; the suffix becomes that of the format."""
    target.parent.mkdir(parents=True, exist_ok=True)
    array = page.array[..., 0] if page.array.shape[2:] == (1,) else page.array
    if inverted and array.dtype in (np.bool_, np.uint8):
        import tifffile  # rarely needed, and it takes a tenth of the start of a command

        stored = 255 - (array * np.uint8(255) if array.dtype == np.bool_ else array)
        target = target.with_suffix(".tif")
        tifffile.imwrite(target, stored, photometric="miniswhite")
    elif array.dtype in (np.bool_, np.uint8) or (array.dtype == np.uint16 and array.ndim == 2):
        image = Image.fromarray(array.astype(array.dtype.newbyteorder("="), copy=False))
        if page.palette is not None:
            image.putpalette(page.palette.tobytes())
        image.save(target)
    else:
        target = target.with_suffix(".npy")
        np.save(target, array)
    return target


def _write_embedded(view: Unpacked, folder: Path, holders: Sequence[Path]) -> list[Path]:
    """Write the images of files of LabelMe; of two that have the same place the first counts."""
    made = []
    for path in holders:
        found = embedded_image(view.tree, path)
        if found is None or found[0] in view.origins:
            continue
        place, content = found
        target = folder / place
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_NAME:
                raise
            continue  # no file can have this name; the reader says that there is none
        view.origins[place] = f"{view.tree.relative(path)} (imageData)"
        made.append(target)
    return made
