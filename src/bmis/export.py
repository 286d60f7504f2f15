"""The verb ``export``: a trained network in, a bundle out that devices run without torch.

Nothing is written unless the graphs' masks are the network's masks (see ``graphs.gate``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bmis.bundle import SUFFIX, Graph, Manifest, write_bundle
from bmis.checkpoint import load_model
from bmis.config import check_choice
from bmis.errors import ConfigError
from bmis.files import output_folder
from bmis.graphs.calibration import read_calibration
from bmis.graphs.card import write_card
from bmis.graphs.gate import check_float, check_int8
from bmis.graphs.onnx_graph import serialised, to_onnx
from bmis.graphs.proof import FORMATS, Made, Proof
from bmis.graphs.quantise import Quantised, quantise
from bmis.origin import find_dataset


@dataclass(frozen=True)
class ExportOptions:
    """What a bundle shall hold.

    Attributes:
        int8: The network in int8 in place of float32.
        keep_float: Both.
        formats: "onnx" and any of "openvino", "executorch" and "litert" beside it.
        any_size: Take every multiple of the network's stride, not only the size of the training.
    """

    int8: bool = False
    keep_float: bool = False
    formats: tuple[str, ...] = ("onnx",)
    any_size: bool = False

    def __post_init__(self) -> None:
        for name in self.formats:
            check_choice("format", name, FORMATS)
        if "onnx" not in self.formats:
            raise ConfigError(f"a bundle always holds onnx, got {', '.join(self.formats)}; add it")
        if self.keep_float and not self.int8:
            raise ConfigError("float is left out only where int8 is asked for; add --int8")


@dataclass(frozen=True)
class Exported:
    """A bundle and what was found on the way.

    Attributes:
        path: The file.
        bytes: Its size.
        manifest: What it says about itself.
        harm: For int8, what quantising each part alone does to the logits (relative).
        kept: For int8, the parts that went back to float, besides what always stays in it.
    """

    path: Path
    bytes: int
    manifest: Manifest
    harm: Mapping[str, float]
    kept: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "path": str(self.path),
            "bytes": self.bytes,
            "graphs": [graph.to_dict() for graph in self.manifest.graphs],
            "quality": self.manifest.quality,
            "harm": dict(self.harm),
            "kept": list(self.kept),
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
        run: Run folder of ``bmis train``, or a ``.safetensors`` file.
        out: The bundle, ``.bmis``; replaced if it is there.
        options: What it shall hold; by default float32 in ONNX.
        data: Dataset folder whose test split proves the graphs, and whose validation split the
            parts that stay in float are chosen by; by default the one of the training.
        calibrate: Dataset folder whose training split int8 ranges are read from; by default
            ``data``.

    Raises:
        ConfigError: An option is wrong, or the network cannot be written as a graph.
        DataError: The images cannot be used, or ``out`` cannot be written.
        BundleError: The run cannot be read, or a graph did not pass the gate.
        MissingExtraError: What a format needs is not installed.
    """
    run, out, options = Path(run), Path(out), options or ExportOptions()
    if out.suffix.lower() != SUFFIX:
        raise ConfigError(f"{out}: a bundle's name ends in {SUFFIX}; name it {out.stem}{SUFFIX}")
    output_folder(out.parent)
    model, info = load_model(run)
    dataset = find_dataset(run, info, data)
    ranges = dataset if calibrate is None else find_dataset(run, info, calibrate)
    proof = Proof(model, info, dataset)
    size = None if options.any_size else info.input.size
    onnx = to_onnx(model, info.input.size, any_size=options.any_size)
    made: list[Made] = []
    if options.keep_float or not options.int8:
        made.append(Made(Graph("model.onnx", "onnx", "float32", size), (serialised(onnx),)))
    found: Quantised | None = None
    if options.int8:
        found = quantise(onnx, read_calibration(ranges, info.input), proof.accepts)
        blank = Graph("model.int8.onnx", "onnx", "int8", size)
        made.append(Made(blank, (serialised(found.graph),)))
    proven = [_prove(proof, part) for part in made]
    manifest = replace(
        proof.manifest,
        graphs=tuple(part.graph for part in proven),
        quality={
            "data": dataset.name,
            "split": proof.split,
            "images": len(proof.cases),
        },
    )
    members = {
        name: content
        for part in proven
        for name, content in zip(part.graph.files, part.contents, strict=True)
    }
    write_bundle(out, manifest, members, write_card(out.stem, manifest, dataset))
    return Exported(
        out,
        out.stat().st_size,
        manifest,
        found.harm if found else {},
        found.kept if found else (),
    )


def _prove(proof: Proof, made: Made) -> Made:
    """The same with the figures of the gate; raises if it does not pass."""
    found = proof.compare(made)
    check = check_float if made.graph.precision == "float32" else check_int8
    check(found, made.graph.file)
    return replace(made, graph=replace(made.graph, check=found.to_dict()))
