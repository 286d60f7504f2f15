"""The networks that may be the best: which, with which options, at which input sizes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from bmis.compare.methods import make_variant
from bmis.config import InputSize, Resize, Settings
from bmis.fit.facts import DataFacts
from bmis.fit.operations import at_size, count_operations
from bmis.models import build_untrained, find_method
from bmis.models.catalogue import read_catalogue
from bmis.predict.tiling import round_up, starts
from bmis.system.progress import track

Network = tuple[str, dict[str, Any]]  # name and options
OWN = ("bmis_edge", "bmis")  # of which many widths and depths are tried
_BMIS = (  # widths and depths
    ((8, 24, 32), (1, 2)),
    ((16, 32, 48), (2, 4)),
    ((16, 48, 64), (3, 4)),
    ((16, 64, 96), (5, 4)),
)
_EDGE_WIDTHS = (16, 32, 48, 64)
_EDGE_DEFAULTS = {"width": 48, "finest": 4, "depthwise": False, "stages": 5}  # not named


@dataclass(frozen=True)
class Candidate(Settings):
    """A network with its options, at one input size.

    Attributes:
        model: Name of the network.
        options: Arguments of its constructor.
        size: Height and width of its input.
        resize: How images get that size.

    Example:
        >>> Candidate("bmis_edge", {"width": 32}, (128, 128)).name
        'bmis_edge:width=32 at 128'
    """

    model: str
    options: dict[str, Any] = field(default_factory=dict)
    size: InputSize = (224, 224)
    resize: Resize = "squash"

    @property
    def network(self) -> str:
        """Its name with options, without the size."""
        return make_variant(self.model, self.options).text

    @property
    def name(self) -> str:
        """Network and size, for people."""
        sides = dict.fromkeys(map(str, self.size))
        return f"{self.network} at {'x'.join(sides)}"

    def tiles(self, image: tuple[int, int], stride: int) -> int:
        """How many times the network is called for an image of this size."""
        if self.resize != "native":
            return 1
        pairs = zip(image, self.size, strict=True)
        down, across = (
            starts(max(round_up(length, stride), window), window, stride=stride)
            for length, window in pairs
        )
        return len(down) * len(across)


@dataclass(frozen=True)
class Counted(Settings):
    """A candidate and what it computes for one image.

    Attributes:
        candidate: The candidate.
        operations: See ``operations.count_operations``; of one call.
        parameters: Weights of the network.
        tiles: Calls for the median image of the data.

    Example:
        >>> Counted(Candidate("unet"), {"dense": 3.0}, 100, 1).work
        3.0
    """

    candidate: Candidate
    operations: dict[str, float]
    parameters: int
    tiles: int

    @property
    def work(self) -> float:
        """Millions of multiplications for one image."""
        kinds = ("dense", "dilated", "pointwise", "depthwise", "products")
        return self.tiles * sum(self.operations.get(kind, 0.0) for kind in kinds)


@dataclass(frozen=True)
class Counts(Settings):
    """All candidates, and the networks that cannot be one.

    Attributes:
        candidates: The candidates.
        refused: Why a network cannot be one, by its name.

    Example:
        >>> Counts((), {"mine": "takes 30x30 pixels only"}).refused["mine"]
        'takes 30x30 pixels only'
    """

    candidates: tuple[Counted, ...]
    refused: dict[str, str] = field(default_factory=dict)


def list_networks() -> list[Network]:
    """BMIS Edge and BMIS in many sizes, and every other light network that is installed.

    Example:
        >>> names = [name for name, _ in list_networks()]
        >>> names[0], names.count("bmis"), "malunet" in names
        ('bmis_edge', 4, True)
    """
    others = [
        (entry.name, dict[str, Any]())
        for entry in read_catalogue("light")
        if entry.installed and entry.family not in OWN
    ]
    return [*_edge_networks(), *_bmis_networks(), *others]


def _edge_networks() -> Iterator[Network]:
    for width, finest, depthwise in product(_EDGE_WIDTHS, (2, 4), (False, True)):
        for stages in (4, 5) if width <= 32 else (5,):
            options = {"width": width, "finest": finest, "depthwise": depthwise, "stages": stages}
            yield "bmis_edge", {k: v for k, v in options.items() if v != _EDGE_DEFAULTS[k]}


def _bmis_networks() -> Iterator[Network]:
    for widths, depths in _BMIS:
        yield "bmis", {"widths": list(widths), "depths": list(depths)}


def count_candidates(networks: Iterable[Network], facts: DataFacts) -> Counts:
    """Follow every network once, and say what it does at each size that makes sense.

    A network that cannot be built for these data, or does not run at small sizes, is refused.

    Args:
        networks: Names and options.
        facts: What is known of the data.

    Example:
        >>> from bmis import open_dataset
        >>> from bmis.fit.facts import read_facts
        >>> facts = read_facts(open_dataset("polyps"))
        >>> found = count_candidates([("bmis_edge", {"width": 16})], facts)
        >>> [(one.candidate.name, one.tiles) for one in found.candidates]
        [('bmis_edge:width=16 at 96', 1)]
    """
    found, refused = list[Counted](), dict[str, str]()
    listed = list(networks)
    for name, options in track(listed, "following networks", total=len(listed)):
        try:
            found += _count(name, options, facts)
        except Exception as error:  # a plugin's network raises what it likes
            reason = " ".join(str(error).split()) or type(error).__name__
            refused[make_variant(name, options).text] = reason
    return Counts(tuple(found), refused)


def _count(name: str, options: dict[str, Any], facts: DataFacts) -> Iterator[Counted]:
    """One network at all sizes that it takes."""
    followed = _Followed(name, options, facts.channels, len(facts.classes))
    for side in facts.sides:
        one = Candidate(name, options, (side, side), facts.resize)
        if followed.model.valid_size(side, side) == one.size:
            yield followed.count(one, one.tiles(facts.size, followed.model.stride))


def count_one(candidate: Candidate, *, channels: int, classes: int) -> Counted:
    """What one call of a candidate computes.

    Raises:
        BmisError: The network is not known or cannot be built, or does not run at small sizes.

    Example:
        >>> count_one(Candidate("bmis_edge", {"width": 16}), channels=3, classes=2).parameters > 1e5
        True
    """
    return _Followed(candidate.model, candidate.options, channels, classes).count(candidate, 1)


class _Followed:
    """A network that was followed once, so that it can be counted at every size."""

    def __init__(self, name: str, options: dict[str, Any], channels: int, classes: int) -> None:
        args = {"in_channels": channels, "num_classes": classes, **options}
        self.model = build_untrained(name, **args).eval()
        self._both = count_operations(self.model)
        self._parameters = sum(parameter.numel() for parameter in self.model.parameters())

    def count(self, candidate: Candidate, tiles: int) -> Counted:
        operations = at_size(self._both, candidate.size)
        return Counted(candidate, operations, self._parameters, tiles)


def group_of(candidate: Candidate) -> str:
    """What variants of one network share: BMIS Edge in all widths is one group, for instance.

    Example:
        >>> group_of(Candidate("bmis_tiny")), group_of(Candidate("mk_unet_s"))
        ('bmis', 'mk_unet')
    """
    family = find_method(candidate.model).family
    return family if family not in ("monai", "smp", "torchvision") else candidate.model


def evenly(items: Sequence[Any], count: int) -> list[Any]:
    """Some of many, evenly spread, the last among them.

    Example:
        >>> evenly([1, 2, 3, 4, 5], 3), evenly([1, 2], 3), evenly([1, 2, 3], 1)
        ([1, 3, 5], [1, 2], [3])
    """
    if len(items) <= count:
        return list(items)
    if count == 1:
        return [items[-1]]
    return [items[round(n * (len(items) - 1) / (count - 1))] for n in range(count)]
