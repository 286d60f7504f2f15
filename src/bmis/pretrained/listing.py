"""The list of the trained networks that come with the package; needs no torch."""

from dataclasses import asdict, dataclass
from typing import Any

from bmis.bundle import read_bundle
from bmis.pretrained.lookup import FOLDER, shipped_names


@dataclass(frozen=True)
class Pretrained:
    """A trained network that comes with the package.

    Attributes:
        name: Its name, to use in place of a path.
        marks: The classes that it finds.
        channels: Channels of the images: 1 is grey, 3 is RGB.
        data: What it was trained on.
        images: Number of images in the test split that it was scored on.
        iou: Mean IoU over these images, of the graph that is used by default.
        dice: Mean Dice over these images, of the same graph.
        bytes: Size of the bundle.
        precision: Precision of that graph, "float32" or "int8".
        licence: Licence of the training images, as far as known.
        worst_change: Largest loss of the mean Dice when the test images are changed as images from
            elsewhere are, a negative number; None where that was not measured.

    Example:
        >>> network = read_pretrained()[0]
        >>> network.name, network.marks
        ('breast-ultrasound', ('tumour',))
    """

    name: str
    marks: tuple[str, ...]
    channels: int
    data: str
    images: int
    iou: float
    dice: float
    bytes: int
    precision: str
    licence: str
    worst_change: float | None

    def to_dict(self) -> dict[str, Any]:
        """All attributes as plain values for JSON."""
        return asdict(self)


def read_pretrained() -> list[Pretrained]:
    """All trained networks that come with the package, in alphabetical order.

    Raises:
        BundleError: A file was damaged since it was installed.

    Example:
        >>> [network.name for network in read_pretrained()][-1]
        'nuclei-bmis'
    """
    return [_read(name) for name in shipped_names()]


def _read(name: str) -> Pretrained:
    path = FOLDER / f"{name}.bmis"
    manifest = read_bundle(path).manifest
    graph = min(manifest.graphs, key=lambda graph: graph.precision != "int8")
    info = manifest.info
    return Pretrained(
        name,
        info.classes[1:],
        info.input.channels,
        manifest.quality["data"],
        manifest.quality["images"],
        graph.check["iou"],
        graph.check["dice"],
        path.stat().st_size,
        graph.precision,
        info.provenance["licence"],
        manifest.quality.get("worst_change", {}).get("change"),
    )
