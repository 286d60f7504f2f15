"""The command ``export``: a trained network in, a bundle out that devices run without torch.

Nothing is written unless the graphs' masks are the network's masks (see ``export.gate``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmis.bundle import SUFFIX, Manifest, write_bundle
from bmis.config import ModelInfo
from bmis.data.cases import Dataset
from bmis.errors import ConfigError
from bmis.evaluate.training_data import find_training_data, open_training_data
from bmis.export.after_network import AfterNetwork
from bmis.export.calibration import read_calibration
from bmis.export.gate import check_float, check_int8
from bmis.export.model_card import write_card
from bmis.export.ncnn import to_ncnn
from bmis.export.onnx import serialised, to_onnx
from bmis.export.ood import learn_ood_reference
from bmis.export.openvino import quantise_by_nncf, to_openvino
from bmis.export.quantise import TARGET, Images, Quantised, quantise
from bmis.export.settings import ExportOptions
from bmis.export.tune import Tuned
from bmis.export.validation import FIXED, ExportedGraph, Validator
from bmis.models import SegmentationModel
from bmis.models.checkpoint import read_checkpoint
from bmis.pretrained.lookup import find_model_file, is_shipped
from bmis.system.files import output_folder
from bmis.train.sources import find_source

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Exported:
    """The result of ``export_run``.

    Attributes:
        path: The bundle.
        bytes: Size of the bundle.
        manifest: Manifest of the bundle.
        sensitivity: For int8, the relative error of the logits with only this part quantised, for
            each part.
        kept: For int8, the parts that stay in float, besides those that always do.
        tries: For int8, how many parts were in float in each try, and the share of the gate's
            allowances that the try used on validation images.
        tuned: The post-processing that was chosen and all that was tried, if that was asked for.

    Example:
        >>> import bmis
        >>> done = bmis.export_run("run", "lesion.bmis", data="polyps")
        >>> [graph.file for graph in done.manifest.graphs]
        ['model.onnx']
    """

    path: Path
    bytes: int
    manifest: Manifest
    sensitivity: Mapping[str, float]
    kept: tuple[str, ...]
    tries: tuple[tuple[int, float], ...]
    tuned: Tuned | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "path": str(self.path),
            "bytes": self.bytes,
            "graphs": [graph.to_dict() for graph in self.manifest.graphs],
            "quality": self.manifest.quality,
            "sensitivity": dict(self.sensitivity),
            "kept": list(self.kept),
            "tries": [{"in_float": count, "allowance_used": used} for count, used in self.tries],
            "postprocessing": self.manifest.info.postprocessing.changes(),
            "tuned": None if self.tuned is None else self.tuned.to_dict(),
        }


def export_run(
    run: Path | str,
    out: Path | str,
    options: ExportOptions | None = None,
    *,
    data: Path | str | None = None,
    calibrate: Path | str | None = None,
) -> Exported:
    """Write a trained network as a bundle.

    Args:
        run: Run folder of ``bmis train``, a ``.safetensors`` file, or the name of a network that
            comes with the package, with ``data``.
        out: The bundle, ``.bmis``; replaced if it is there.
        options: What the bundle holds; by default float32 in ONNX.
        data: Dataset folder, by default that of the training. Its test split validates the graphs;
            on its validation split the parts that stay in float and the post-processing are
            chosen, and the expected Dice is calibrated.
        calibrate: Dataset folder whose training split int8 ranges are read from; by default
            ``data``.

    Raises:
        ConfigError: An option is wrong, or the network cannot be written as a graph.
        DataError: The images cannot be used, or ``out`` cannot be written.
        BundleError: The run cannot be read, or a graph did not pass the gate.
        MissingExtraError: A library that a format needs is not installed.

    Example:
        >>> import bmis
        >>> done = bmis.export_run("run", "lesion.bmis", data="polyps")
        >>> bmis.load("lesion.bmis")("photo.png").labels.shape
        (64, 64)
    """
    run, out, options = Path(run), Path(out), options or ExportOptions()
    if out.suffix.lower() != SUFFIX:
        raise ConfigError(f"{out}: a bundle's name ends in {SUFFIX}; name it {out.stem}{SUFFIX}")
    output_folder(out.parent)
    model, info = read_checkpoint(_weights(run, data))
    dataset = _dataset(run, info, data)
    validator = Validator(model, info, dataset)
    after = AfterNetwork(info, dataset, options)
    size = _size(options, info)
    graph = to_onnx(model, info.input.size, any_size=size is None)
    exported, quantised = [], None
    if options.keep_float or not options.int8:
        exported += _export_float(graph, options.formats, size)
        exported += _export_fixed(model, options.formats, info.input.size)
    if options.int8:
        ranges = dataset if calibrate is None else _dataset(run, info, calibrate)
        images = read_calibration(ranges, info.input)
        quantised = quantise(
            graph, images, lambda int8: validator.allowance_used(_onnx_int8(int8, size))
        )
        exported.append(_onnx_int8(quantised.graph, size))
        if "openvino" in options.formats:
            exported.append(_openvino_int8(graph, exported[-1], images, validator))
    validated = [_validate(validator, one) for one in exported]
    *_, preferred = (one for one in validated if one.graph.format == "onnx")  # int8 if it is there
    after.settle(validator.load(preferred))
    return _write(out, validator, validated, quantised, after, options.notes)


def _weights(run: Path, data: Path | str | None) -> Path:
    """The weights to export. A network that comes with the package is a bundle already."""
    weights = find_source(run)
    if is_shipped(weights) and data is None:
        raise ConfigError(
            f"{run}: comes with bmis as a bundle, {find_model_file(run)}; copy that, or name the "
            "images that validate other graphs with --data DATA"
        )
    return weights


def _size(options: ExportOptions, info: ModelInfo) -> tuple[int, int] | None:
    """The only size that the graphs take, None for any."""
    own = info.input.size
    if options.size not in (None, "any", own):
        raise ConfigError(
            f"size {options.size}: the network was trained at {own[0]}x{own[1]} and is right only "
            "there; leave --size out, give any, or train at the other size"
        )
    return None if options.size == "any" else own


def _dataset(run: Path, info: ModelInfo, data: Path | str | None) -> Dataset:
    return open_training_data(find_training_data(run, info, data=data), info)


def _export_float(
    graph: "onnx.ModelProto", formats: Sequence[str], size: tuple[int, int] | None
) -> list[ExportedGraph]:
    content = serialised(graph)
    exported = [ExportedGraph.of("onnx", "float32", size, (content,))]
    if "openvino" in formats:
        exported.append(ExportedGraph.of("openvino", "float32", size, to_openvino(content)))
    return exported


def _export_fixed(
    model: SegmentationModel, formats: Sequence[str], size: tuple[int, int]
) -> list[ExportedGraph]:
    """The formats that take one size only, written straight from the network."""
    exported = [
        ExportedGraph.of(name, "float32", size, (kind.write(model, size),))
        for name, kind in FIXED.items()
        if name in formats
    ]
    if "ncnn" in formats:
        exported.append(ExportedGraph.of("ncnn", "float32", size, to_ncnn(model, size)))
    return exported


def _onnx_int8(graph: "onnx.ModelProto", size: tuple[int, int] | None) -> ExportedGraph:
    return ExportedGraph.of("onnx", "int8", size, (serialised(graph),))


def _openvino_int8(
    graph: "onnx.ModelProto", ours: ExportedGraph, images: Images, validator: Validator
) -> ExportedGraph:
    """Our int8 graph or NNCF's: the faster one if both meet the target, else the nearer one."""
    makers = (to_openvino(ours.contents[0]), quantise_by_nncf(serialised(graph), images))
    both = [ExportedGraph.of("openvino", "int8", ours.graph.size, files) for files in makers]
    used = [validator.allowance_used(one) for one in both]
    costs = used if max(used) > TARGET else [validator.seconds(one, images[:1]) for one in both]
    return both[costs.index(min(costs))]


def _validate(validator: Validator, exported: ExportedGraph) -> ExportedGraph:
    """The graph with the figures of the gate; raises ``BundleError`` if it does not pass."""
    found = validator.compare(exported)
    check = check_float if exported.graph.precision == "float32" else check_int8
    check(found, exported.graph.file)
    return replace(exported, graph=replace(exported.graph, check=found.to_dict()))


def _write(
    out: Path,
    validator: Validator,
    validated: Sequence[ExportedGraph],
    quantised: Quantised | None,
    after: AfterNetwork,
    notes: str,
) -> Exported:
    dataset = validator.dataset
    ood, false_alarms = learn_ood_reference(dataset, validator.cases, after.info)
    manifest = validator.manifest(
        [one.graph for one in validated],
        data=dataset.name,
        split=validator.split,
        images=len(validator.cases),
        fields_of_view=sum(case.field_of_view is not None for case in validator.cases),
        false_alarms=false_alarms,
        **after.quality,
    )
    manifest = replace(manifest, info=replace(after.info, ood=ood))
    members = {
        name: content
        for one in validated
        for name, content in zip(one.graph.files, one.contents, strict=True)
    }
    write_bundle(out, manifest, members, write_card(out.stem, manifest, dataset, notes))
    size = out.stat().st_size
    if quantised is None:
        return Exported(out, size, manifest, {}, (), (), after.tuned)
    found = quantised.sensitivity, quantised.kept, quantised.tries
    return Exported(out, size, manifest, *found, after.tuned)
