"""Bundles of untrained networks: as fast and as large as trained ones will be."""

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bmis.bundle import SUFFIX, Graph, Manifest, write_bundle
from bmis.config import InputSpec, ModelConfig, ModelInfo
from bmis.data.labels import class_names
from bmis.data.palette import palette
from bmis.errors import ConfigError
from bmis.export.ncnn import to_ncnn
from bmis.export.onnx import serialised, to_onnx
from bmis.export.openvino import to_openvino
from bmis.export.quantise import quantise
from bmis.export.validation import ExportedGraph
from bmis.fit.candidates import Candidate
from bmis.fit.device import WayCost, missing_extra, way_sizes, ways_of
from bmis.models import SegmentationModel, build_untrained
from bmis.models.complexity import count_macs
from bmis.profile.bundle import profile_bundle
from bmis.system.files import output_folder
from bmis.system.progress import track

BENCH = (  # what `bmis bench --make` writes: small and large, wide and narrow, early and late maps
    Candidate("bmis_edge", {"width": 16, "stages": 4, "depthwise": True}, (96, 96)),
    Candidate("bmis_edge", {"width": 32}, (160, 160)),
    Candidate("bmis_edge", {"width": 48}, (224, 224)),
    Candidate("bmis_edge", {"width": 64, "finest": 2}, (320, 320)),
    Candidate("bmis", {"widths": [8, 24, 32], "depths": [1, 2]}, (128, 128)),
    Candidate("bmis", {"widths": [16, 32, 48], "depths": [2, 4]}, (224, 224)),
    Candidate("malunet", {}, (224, 224)),
    Candidate("ulite", {}, (160, 160)),
    Candidate("contextnet", {}, (256, 256)),
    Candidate("erfnet", {}, (128, 128)),
    Candidate("mk_unet_t", {}, (192, 192)),
    Candidate("lv_unet", {}, (256, 256)),
)
_log = logging.getLogger("bmis")
_NOTE = "# Untrained\n\nTo measure time and memory. Its masks mean nothing.\n"


@dataclass(frozen=True)
class _Untrained:
    manifest: Manifest
    graphs: tuple[ExportedGraph, ...]

    @property
    def members(self) -> Mapping[str, bytes]:
        """All files of the graphs."""
        return {
            name: content
            for one in self.graphs
            for name, content in zip(one.graph.files, one.contents, strict=True)
        }


def measure_untrained(
    candidate: Candidate,
    *,
    channels: int,
    classes: int,
    threads: int = 1,
    seconds: float = 0.5,
) -> tuple[WayCost, ...]:
    """Export an untrained network in all formats, and measure the bundle on this machine.

    Args:
        candidate: The network and its input size.
        channels: Channels of the image.
        classes: Number of classes, background included.
        threads: How many threads share one call.
        seconds: Least time of each measurement.

    Returns:
        One entry for each engine and precision; milliseconds are those of one call.

    Raises:
        BmisError: The network cannot be exported, or no engine runs it.

    Example:
        >>> candidate = Candidate("bmis_edge", {"width": 16, "stages": 3}, (32, 32))
        >>> ways = measure_untrained(candidate, channels=1, classes=2, seconds=0)
        >>> sorted({way.precision for way in ways})
        ['fp32', 'int8']
    """
    made = _export(candidate, channels, classes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"untrained{SUFFIX}"
        write_bundle(path, made.manifest, made.members, _NOTE)
        profile = profile_bundle(path, batches=(1,), threads=threads, seconds=seconds)
    return ways_of(profile, way_sizes(made.manifest.graphs, made.members.__getitem__))


def make_bench(folder: Path | str) -> list[Path]:
    """Write the bundles that ``bmis bench`` measures on a device.

    Raises:
        DataError: The folder cannot be written.
        MissingExtraError: What an export needs is not installed.

    Example:
        >>> len(BENCH) >= 10  # make_bench("bench") takes some minutes
        True
    """
    out = output_folder(Path(folder))
    paths = []
    for number, candidate in enumerate(track(BENCH, "making bundles"), start=1):
        path = out / f"{number:02}-{candidate.model}-{candidate.size[0]}{SUFFIX}"
        paths.append(path)
        if not path.exists():
            made = _export(candidate, 3, 2)
            write_bundle(path, made.manifest, made.members, _NOTE)
    return paths


def _export(candidate: Candidate, channels: int, classes: int) -> _Untrained:
    """The network in float32 and int8, in the formats of the engines that are installed."""
    model = build_untrained(
        candidate.model, in_channels=channels, num_classes=classes, **candidate.options
    ).eval()
    float_graph = to_onnx(model, candidate.size)
    images = np.random.default_rng(0).standard_normal((2, channels, *candidate.size), np.float32)
    int8_graph = quantise(float_graph, images, lambda int8: 0.0).graph
    size, int8 = candidate.size, serialised(int8_graph)
    graphs = [
        ExportedGraph.of("onnx", "float32", size, (serialised(float_graph),)),
        ExportedGraph.of("onnx", "int8", size, (int8,)),
    ]
    if not missing_extra("openvino int8"):  # what a trained one is exported with
        graphs.append(ExportedGraph.of("openvino", "int8", size, to_openvino(int8)))
    if not missing_extra("ncnn fp32"):
        try:
            graphs.append(ExportedGraph.of("ncnn", "float32", size, to_ncnn(model, size)))
        except ConfigError as error:
            _log.info("%s without ncnn: %s", candidate.model, error)
    return _Untrained(_manifest(candidate, model, [one.graph for one in graphs]), tuple(graphs))


def _manifest(candidate: Candidate, model: SegmentationModel, graphs: list[Graph]) -> Manifest:
    channels, classes = model.in_channels, model.num_classes
    return Manifest(
        ModelInfo(
            ModelConfig(candidate.model, channels, classes, candidate.options),
            InputSpec(candidate.size, channels, resize=candidate.resize),
            class_names(classes),
        ),
        stride=model.stride,
        graphs=tuple(graphs),
        colours=tuple(map(tuple, palette(classes).tolist())),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        macs=count_macs(model, candidate.size),
    )
