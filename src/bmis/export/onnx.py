"""ONNX graphs: written from a torch network, and turned into the bytes of a bundle."""

from typing import TYPE_CHECKING, Any

import torch
from torch.export import Dim

from bmis.errors import ConfigError, require
from bmis.export.external_calls import wrap_library_errors
from bmis.export.rewrite import rewrite
from bmis.models import SegmentationModel

if TYPE_CHECKING:
    import onnx

OPSET = 18  # the oldest that suffices, so that old runtimes on devices read it too


def to_onnx(
    model: SegmentationModel, size: tuple[int, int], *, any_size: bool = False
) -> "onnx.ModelProto":
    """Write a network as a graph: "image" (N, C, H, W) float32 -> "logits" (N, K, H, W) float32.

    Batch norms are folded and layers rewritten (see ``rewrite``). Nodes carry the names of their
    modules, which ``quantise`` needs and ``serialised`` removes. The model that is given stays as
    it is.

    Args:
        model: The network.
        size: Height and width in pixels.
        any_size: Whether the graph takes every multiple of the model's stride, not only ``size``.

    Raises:
        ConfigError: torch or ONNX cannot write this network as a graph.
        DataError: The model does not take this size.
        MissingExtraError: onnx or onnxscript is not installed.

    Example:
        >>> import bmis
        >>> graph = to_onnx(bmis.load_model("run")[0], (64, 64))
        >>> [value.name for value in (*graph.graph.input, *graph.graph.output)]
        ['image', 'logits']
    """
    require("onnx", extra="export")
    require("onnxscript", extra="export")
    import onnx_ir
    from onnxscript.optimizer import optimize

    from bmis.export.batch_norm import fold_norms

    images = torch.zeros(2, model.in_channels, *size)  # one alone would fix the batch at one
    model.check_input(images)
    shapes = _shapes(model, any_size=any_size)
    with wrap_library_errors("an ONNX graph"):
        exported = _export(rewrite(model), images, shapes)
        graph = exported.graph
        fold_norms(graph)
        optimize(exported)
    graph.outputs[0].name = "logits"  # folding a norm at the very end has removed the name
    sides: tuple[str | int, ...] = ("H", "W") if any_size else size
    for value, channels in (
        (graph.inputs[0], model.in_channels),
        (graph.outputs[0], model.num_classes),
    ):
        value.shape = onnx_ir.Shape(["N", channels, *sides])
    written: onnx.ModelProto = onnx_ir.to_proto(exported)
    return written


def serialised(graph: "onnx.ModelProto") -> bytes:
    """The graph's bytes without what only the export needed, such as paths of source files.

    Example:
        >>> from onnx import helper
        >>> node = helper.make_node("Relu", ["image"], ["logits"], name="relu", doc_string="a.py")
        >>> graph = helper.make_model(helper.make_graph([node], "tiny", [], []))
        >>> b"a.py" in graph.SerializeToString(), b"a.py" in serialised(graph)
        (True, False)
    """
    import onnx

    plain = onnx.ModelProto()
    plain.CopyFrom(graph)
    parts: list[Any] = [plain, plain.graph, *plain.graph.node, *plain.graph.initializer]
    for part in parts:
        part.doc_string = ""
        del part.metadata_props[:]
    del plain.graph.value_info[:]
    for node in plain.graph.node:
        node.name = ""
    return bytes(plain.SerializeToString(deterministic=True))


def _shapes(model: SegmentationModel, *, any_size: bool) -> tuple[dict[int, Any]]:
    sides: dict[int, Any] = {0: Dim("N", min=1)}
    if any_size and model.fixed_size:
        raise ConfigError(
            f"this network takes {'x'.join(map(str, model.fixed_size))} pixels only; "
            "export it without --size any"
        )
    if any_size:
        least = -(-model.smallest // model.stride)
        for axis, name in ((2, "rows"), (3, "columns")):
            side = Dim(name, min=least)
            sides[axis] = model.stride * side if model.stride > 1 else side
    return (sides,)


def _export(model: SegmentationModel, images: torch.Tensor, shapes: tuple[dict[int, Any]]) -> Any:
    """The network as the exporter's own kind of graph (onnx_ir)."""
    with torch.no_grad():  # faster: nothing is traced for gradients
        program = torch.export.export(model, (images,), dynamic_shapes=shapes)
        exported = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["logits"],
            verbose=False,
        )
    assert exported is not None  # for the type checker: only the old exporter returns None
    return exported.model
