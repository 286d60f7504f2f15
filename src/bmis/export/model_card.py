"""The model card of a bundle: what it is from, what it can do, what it must not be used for."""

from collections.abc import Mapping
from datetime import date
from importlib.metadata import version

from bmis.bundle import Graph, Manifest
from bmis.data.folder import Dataset

_RULES = {
    "squash": "scaled to {size} pixels, whatever their aspect",
    "letterbox": "scaled to fit {size} pixels, the rest black",
    "native": "judged at their own size in tiles of {size} pixels",
}


def write_card(name: str, manifest: Manifest, dataset: Dataset, notes: str = "") -> str:
    """The card as Markdown.

    Args:
        name: Of the bundle.
        manifest: With the scores in ``quality``.
        dataset: That the scores are of; tells the modality.
        notes: Markdown that ends the card.
    """
    info, told, quality = manifest.info, manifest.info.provenance, manifest.quality
    recipe = told.get("recipe")
    recipe = recipe.get("name") if isinstance(recipe, Mapping) else recipe
    size = "x".join(map(str, info.input.size))
    lines = [
        f"# {name}",
        "",
        "**Not a medical device.** For research and engineering. It has not been assessed for any "
        "diagnostic or therapeutic use; whoever puts it to such a use needs the approval that the "
        "law of their country asks for.",
        "",
        "## What it does",
        "",
        f"Marks {', '.join(info.classes[1:]) or info.classes[0]} in "
        f"{'colour' if info.input.channels == 3 else 'grey'} images"
        f"{f' ({dataset.modality})' if dataset.modality else ''}. Images are "
        f"{_RULES[info.input.resize].format(size=size)}. Use it on images like those it was "
        f"trained on; on others its answer means nothing{_warning(manifest)}.",
        "",
        f"Network: `{info.model.name}`, {manifest.parameters:,} parameters, "
        f"{manifest.macs / 1e9:.3f} GMACs an image.",
        "",
        "## Where it is from",
        "",
        f"- data: {told.get('data', 'not known')}, licence: {told.get('licence') or 'not stated'}",
        f"- recipe: {recipe or 'not known'}, {told.get('epochs', '?')} epochs, "
        f"seed {told.get('seed', '?')}, best epoch {told.get('best_epoch', '?')}",
        f"- exported on {date.today().isoformat()} by bmis {version('bmis')}",
        "",
        "## Scores",
        "",
        f"Means over {quality['images']} images of the split `{quality['split']}` of "
        f"{quality['data']}, at their own size"
        f"{describe_fields_of_view(quality['fields_of_view'])}. "
        "Agreement is the Dice between the graph's masks and those of the trained network.",
        "",
        "| graph | precision | IoU | Dice | agreement | logits off by |",
        "|---|---|--:|--:|--:|--:|",
        f"| trained network | float32 | {manifest.graphs[0].check['iou_torch']:.4f} | | | |",
        *(_row(graph) for graph in manifest.graphs),
        "",
        *((notes.rstrip(), "") if notes else ()),
    ]
    return "\n".join(lines)


def describe_fields_of_view(fields_of_view: int) -> str:
    """How many of the images were counted inside their field of view; nothing of none."""
    return (
        f", {fields_of_view} of them counted inside their field of view" if fields_of_view else ""
    )


def _warning(manifest: Manifest) -> str:
    """How far the network notices that an image is unlike those of its training."""
    rate = manifest.quality.get("false_alarms")
    if manifest.info.ood is None:
        return ", and it does not say so"
    measured = (
        "" if rate is None else f", falsely for {100 * rate:.1f} % of the images scored below"
    )
    return (
        f". `bmis predict` warns of images that look like none of the training images{measured}; "
        "it cannot tell whether the mask of an image that looks familiar is right"
    )


def _row(graph: Graph) -> str:
    check = graph.check
    scores = " | ".join(f"{check[name]:.4f}" for name in ("iou", "dice", "agreement"))
    return f"| {graph.file} | {graph.precision} | {scores} | {check['logits_error']:.1e} |"
