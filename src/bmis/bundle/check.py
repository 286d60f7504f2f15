"""Checks that a graph is what its manifest promises, before an engine sees the graph."""

from collections.abc import Callable

from bmis.bundle.manifest import Graph, Manifest
from bmis.bundle.ncnn_scan import scan_ncnn
from bmis.bundle.onnx_scan import scan_onnx
from bmis.bundle.openvino_scan import scan_ir
from bmis.bundle.operators import onnx, openvino
from bmis.bundle.operators.values import Computation
from bmis.bundle.work import count_work
from bmis.errors import BundleError

_OPSET = 18  # of ``export.onnx``
_MAGIC = {"executorch": b"ET12", "litert": b"TFL3"}  # at byte 4; no engine of bmis loads these


def check_graph(
    graph: Graph, manifest: Manifest, read: Callable[[str], bytes]
) -> Computation | None:
    """Raise ``BundleError`` unless a graph takes and gives what the manifest says, and no more.

    Args:
        graph: One of ``manifest.graphs``.
        manifest: The manifest, for the channels and classes.
        read: Gives the content of a file of the bundle.

    Returns:
        What the graph computes, to be followed at other sizes by ``count_work``; None for formats
        that no engine of bmis loads.

    Example:
        >>> from bmis.bundle import read_bundle
        >>> from bmis.pretrained.lookup import find_model_file
        >>> bundle = read_bundle(find_model_file("nuclei"))
        >>> check_graph(bundle.manifest.graphs[0], bundle.manifest, lambda name: b"damaged")
        Traceback (most recent call last):
        bmis.errors.BundleError: model.int8.onnx is cut short or damaged; export it again
    """
    data, found = read(graph.file), None
    try:
        if graph.format == "onnx":
            found = _check_onnx(data, graph, manifest)
        elif graph.format == "openvino":
            found = _check_openvino(data, read(graph.files[1]), graph, manifest)
        elif graph.format == "ncnn":
            found = _check_ncnn(data, read(graph.files[1]), graph)
        elif data[4:8] != _MAGIC[graph.format]:
            raise BundleError(f"is not a file of {graph.format}")
        if found:
            _check_work(found, manifest)
    except BundleError as error:
        raise BundleError(f"{graph.file} {error}; export it again") from error
    return found


def _check_onnx(data: bytes, graph: Graph, manifest: Manifest) -> Computation:
    found = scan_onnx(data)
    if found.opset != _OPSET:
        raise BundleError(f"uses operators of version {found.opset}, bmis writes {_OPSET}")
    for what, values, name in (
        ("input", found.inputs, "image"),
        ("output", found.outputs, "logits"),
    ):
        if [(value.name, value.element) for value in values] != [(name, 1)]:
            names = ", ".join(value.name[:40] for value in values[:4])
            raise BundleError(f"must have one {what}, {name!r} in float32, but has {names!r}")
    _check_precision(graph, "DequantizeLinear" in found.operators)
    _check_shapes(graph, manifest, found.inputs[0].dims, found.outputs[0].dims)
    return Computation(found.nodes, found.constants, "image", "logits", onnx.OPERATORS)


def _check_openvino(data: bytes, weights: bytes, graph: Graph, manifest: Manifest) -> Computation:
    found = scan_ir(data, weights)
    for what, values, layer in (
        ("input", found.inputs, "Parameter"),
        ("output", found.outputs, "Result"),
    ):
        if [kind for kind, _ in values] != ["f32"] or found.layers[layer] != 1:
            kinds = ", ".join(kind[:40] for kind, _ in values[:4])
            raise BundleError(f"must have one {what} in float32, but has {kinds!r}")
    _check_precision(graph, "FakeQuantize" in found.layers)
    _check_shapes(graph, manifest, found.inputs[0][1], found.outputs[0][1])
    ends = found.ends["Parameter"], found.ends["Result"]
    return Computation(tuple(found.nodes), found.constants, *ends, openvino.OPERATORS)


def _check_ncnn(data: bytes, weights: bytes, graph: Graph) -> Computation:
    if graph.size is None:
        raise BundleError("takes one size only, which its manifest does not name")
    return scan_ncnn(data, weights)


def _check_work(found: Computation, manifest: Manifest) -> None:
    """Follow an image of the network's size through the graph."""
    spec, classes = manifest.info.input, manifest.info.model.num_classes
    logits = count_work(found, (spec.channels, *spec.size)).logits
    wanted = (1, classes, *spec.size)
    if logits != wanted:
        raise BundleError(f"gives {_shown(logits)} where its manifest says {_shown(wanted)}")


def _check_precision(graph: Graph, quantised: bool) -> None:
    if quantised != (graph.precision == "int8"):
        raise BundleError(f"is not in {graph.precision}")


def _check_shapes(
    graph: Graph, manifest: Manifest, image: tuple[int | None, ...], logits: tuple[int | None, ...]
) -> None:
    """Batches of any number; a size that is fixed only where the manifest says so."""
    size = graph.size or (None, None)
    wanted = (None, manifest.info.input.channels, *size)
    if image != wanted:
        raise BundleError(f"takes {_shown(image)} where its manifest says {_shown(wanted)}")
    wanted = (None, manifest.info.model.num_classes, *size)
    fits = len(logits) == 4 and logits[:2] == wanted[:2]
    if not fits or any(side not in (None, w) for side, w in zip(logits[2:], size, strict=True)):
        raise BundleError(f"gives {_shown(logits)} where its manifest says {_shown(wanted)}")


def _shown(dims: tuple[int | None, ...]) -> str:
    return " x ".join("any" if side is None else str(side) for side in dims[:6]) or "no shape"
