"""The list of the trained networks that come with the package; needs no torch."""

from dataclasses import asdict, dataclass
from typing import Any

from bmis.bundle import read_bundle
from bmis.pretrained.lookup import FOLDER, shipped_names


@dataclass(frozen=True)
class Pretrained:
    """One of them.

    Attributes:
        name: To use in place of a path.
        marks: The classes that it finds.
        channels: 1 (grey) or 3 (RGB).
        data: What it was trained on.
        images: Of the test split that it was scored on.
        iou: Mean over them, of the graph that is used by default.
        dice: Likewise.
        bytes: Size of the bundle.
        precision: Of that graph.
        licence: Of the training images, as far as known.
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

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def read_pretrained() -> list[Pretrained]:
    """All of them, by name.

    Raises:
        BundleError: A file was damaged since it was installed.
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
    )
