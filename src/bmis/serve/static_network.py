"""A network as files that the page without a service runs: by a plan, or by onnxruntime-web."""

import json
from pathlib import Path
from typing import Any

from bmis.bundle import Bundle, Graph
from bmis.data.palette import palette
from bmis.errors import BundleError
from bmis.predict.mask import DOES_NOT_HOLD
from bmis.serve.plan import Plan
from bmis.system.files import write_text
from bmis.wording import counted

ENDINGS = ("json", "md", "bin", "onnx")  # of a network's files; one of the last two


def find_graph(bundle: Bundle) -> Graph:
    """The graph of a bundle that the browser runs: the one that the service would take.

    Raises:
        BundleError: The engine in the browser lacks something that the bundle needs.

    Example:
        >>> from bmis.bundle import read_bundle
        >>> from bmis.pretrained.lookup import find_model_file
        >>> find_graph(read_bundle(find_model_file("nuclei"))).file
        'model.int8.onnx'
    """
    info, serve = bundle.manifest.info, "serve it over HTTP instead"
    if info.input.channels not in (1, 3):
        raise BundleError(
            f"{bundle.path}: takes {counted(info.input.channels, 'channel')}, and pictures in a "
            f"browser have 1 or 3; {serve}"
        )
    if info.postprocessing.flips != "none":
        raise BundleError(
            f"{bundle.path}: averages over flips, which are not done in the browser; {serve}"
        )
    graph = bundle.find("onnx", "int8") or bundle.find("onnx", "float32")
    if graph is None:
        raise BundleError(
            f"{bundle.path}: has no ONNX graph, which is what a browser runs; export it again"
        )
    return graph


def write_network(folder: Path, name: str, bundle: Bundle, computed: Plan | bytes) -> None:
    """Write what computes a network, what the engine must know of it, and its model card.

    Args:
        folder: Where the networks are.
        name: What the page calls it.
        bundle: The network.
        computed: Its plan, or its graph for onnxruntime-web.

    Example:
        >>> import tempfile
        >>> from bmis.bundle import read_bundle
        >>> from bmis.pretrained.lookup import find_model_file
        >>> bundle = read_bundle(find_model_file("nuclei"))
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_network(folder, "nuclei", bundle, Plan((), b""))
        >>> sorted(path.name for path in folder.iterdir())
        ['nuclei.bin', 'nuclei.json', 'nuclei.md']
    """
    manifest = bundle.manifest
    plain = manifest.info.to_dict()
    kept = ("input", "classes", "postprocessing", "confidence", "ood")
    described: dict[str, Any] = {key: plain[key] for key in kept}
    described |= {
        "stride": manifest.stride,
        "does_not_hold": DOES_NOT_HOLD,
        "colours": palette(max(2, len(manifest.info.classes))).tolist(),
        "plan": computed.steps if isinstance(computed, Plan) else None,
    }
    text = json.dumps(described, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    write_text(folder / f"{name}.json", text)
    write_text(folder / f"{name}.md", bundle.card)
    if isinstance(computed, Plan):
        (folder / f"{name}.bin").write_bytes(computed.weights)
    else:
        (folder / f"{name}.onnx").write_bytes(computed)
