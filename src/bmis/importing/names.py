"""Names of imported images: one id for each, and the patients that they show."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from bmis.importing.tree import Tree

# "p03_frame12", "TCGA_17_5", "1234_left": a name with a number, then which picture of it
_PICTURE_OF = re.compile(
    r"(?P<group>.*\d.*?)[-_ .](?:(?:frame|slice|img|image|view|visit|scan|cut|z|t|s)?[-_ ]?\d+|"
    r"left|right|l|r|od|os)",
    re.IGNORECASE,
)


def unique_ids(tree: Tree, images: Sequence[Path]) -> list[str]:
    """An id for each image: the name of its file, with its folders where two share a name.

    Example:
        >>> tree = Tree(Path("."), ())
        >>> unique_ids(tree, [Path("a/1.png"), Path("b/1.png"), Path("b/2.png")])
        ['a_1', 'b_1', '2']
    """
    shared = _shared(image.stem for image in images)
    ids = [
        _plain("_".join(Path(tree.relative(image)).with_suffix("").parts))
        if image.stem.casefold() in shared
        else _plain(image.stem)
        for image in images
    ]
    again = _shared(ids)  # a.png and a.jpg in one folder
    return [
        f"{name}_{image.suffix[1:].lower()}" if name.casefold() in again else name
        for name, image in zip(ids, images, strict=True)
    ]


def _shared(names: Iterable[str]) -> set[str]:
    """Names that come twice, also where capital letters make no difference."""
    counts = Counter(name.casefold() for name in names)
    return {name for name, count in counts.items() if count > 1}


def _plain(name: str) -> str:
    """A name that tables and all systems keep: printable, no space or dot at its ends."""
    printable = "".join(c if c.isprintable() and c not in '<>:"/\\|?*' else "_" for c in name)
    return printable.strip(" .") or "image"


def propose_groups(ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The ids of each patient, where names say which picture of which patient they are.

    Returns:
        Ids by group; empty unless there are several groups and most images share theirs.

    Example:
        >>> propose_groups(["p1_01", "p1_02", "p2_01", "p2_02"])
        {'p1': ('p1_01', 'p1_02'), 'p2': ('p2_01', 'p2_02')}
        >>> propose_groups(["c01", "c02", "c03"])
        {}
    """
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in ids:
        match = _PICTURE_OF.fullmatch(name)
        groups[match["group"] if match else name].append(name)
    several = sum(len(members) for members in groups.values() if len(members) > 1)
    if len(groups) < 2 or 2 * several <= len(ids):
        return {}
    return {group: tuple(members) for group, members in sorted(groups.items())}
