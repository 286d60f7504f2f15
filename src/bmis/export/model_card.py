"""The model card of a bundle: its origin, what it can do, and what it must not be used for."""

from collections.abc import Mapping
from datetime import date
from importlib.metadata import version
from typing import Any

from bmis.bundle import Graph, Manifest
from bmis.data.cases import Dataset
from bmis.wording import counted, image_kind

_NOT_A_DEVICE = (
    "**Not a medical device.** For research and engineering. It has not been assessed for any "
    "diagnostic or therapeutic use; whoever puts it to such a use needs the approval that the "
    "law of their country asks for."
)
_RULES = {
    "squash": "scaled to {size} pixels, whatever their aspect",
    "letterbox": "scaled to fit {size} pixels, the rest black",
    "native": "segmented at their own size in tiles of {size} pixels",
}


def write_card(name: str, manifest: Manifest, dataset: Dataset, notes: str = "") -> str:
    """The card as Markdown.

    Args:
        name: Name of the bundle.
        manifest: Manifest of the bundle, with the scores in ``quality``.
        dataset: Data set of the scores.
        notes: Markdown that ends the card.

    Example:
        >>> import bmis
        >>> from bmis.bundle import read_bundle
        >>> from bmis.pretrained.lookup import find_model_file
        >>> manifest = read_bundle(find_model_file("colonoscopy")).manifest
        >>> card = write_card("colonoscopy", manifest, bmis.open_dataset("polyps"))
        >>> card.splitlines()[0]
        '# colonoscopy'
    """
    sections = (
        [f"# {name}", "", _NOT_A_DEVICE],
        ["## What it does", "", *_purpose(manifest, dataset)],
        ["## Where it is from", "", *_origin(manifest.info.provenance)],
        ["## Scores", "", *_scores(manifest)],
        _after(manifest),
        [notes.rstrip()] if notes else [],
    )
    return "\n".join(line for lines in sections if lines for line in (*lines, ""))


def _purpose(manifest: Manifest, dataset: Dataset) -> list[str]:
    info = manifest.info
    rule = _RULES[info.input.resize].format(size="x".join(map(str, info.input.size)))
    modality = f" ({dataset.modality})" if dataset.modality else ""
    kind = image_kind(info.input.channels)
    return [
        f"Marks {', '.join(info.classes[1:]) or info.classes[0]} in "
        f"{kind} images{modality}. Images are {rule}. "
        "Use it on images like those it was trained on; on others its answer means nothing"
        f"{_warning(manifest)}.",
        "",
        f"Network: `{info.model.name}`, {manifest.parameters:,} parameters, "
        f"{manifest.macs / 1e9:.3f} GMACs an image.",
    ]


def _warning(manifest: Manifest) -> str:
    """Whether the bundle detects images that are out of distribution, and how well."""
    if manifest.info.ood is None:
        return ", and it does not say so"
    rate = manifest.quality.get("false_alarms")
    falsely = "" if rate is None else f", falsely for {100 * rate:.1f} % of the images scored below"
    return (
        ". `bmis predict` warns of images that are out of distribution (unlike all training images)"
        f"{falsely}; no warning does not mean that a mask is right"
    )


def _origin(training: Mapping[str, Any]) -> list[str]:
    recipe = training.get("recipe")
    recipe = recipe.get("name") if isinstance(recipe, Mapping) else recipe
    licence = training.get("licence") or "not stated"
    return [
        f"- data: {training.get('data', 'not known')}, licence: {licence}",
        f"- recipe: {recipe or 'not known'}, {counted(training.get('epochs', '?'), 'epoch')}, "
        f"seed {training.get('seed', '?')}, best epoch {training.get('best_epoch', '?')}",
        f"- exported on {date.today().isoformat()} by bmis {version('bmis')}",
    ]


def _scores(manifest: Manifest) -> list[str]:
    quality = manifest.quality
    return [
        f"Means over {counted(quality['images'], 'image')} of the split `{quality['split']}` of "
        f"{quality['data']}, at their own size"
        f"{describe_fields_of_view(quality['fields_of_view'])}. "
        "Agreement is the Dice between the graph's masks and those of the trained network.",
        "",
        "| graph | precision | IoU | Dice | agreement | logits off by |",
        "|---|---|--:|--:|--:|--:|",
        f"| trained network | float32 | {manifest.graphs[0].check['iou_torch']:.4f} | | | |",
        *(_row(graph) for graph in manifest.graphs),
    ]


def _row(graph: Graph) -> str:
    check = graph.check
    scores = " | ".join(f"{check[name]:.4f}" for name in ("iou", "dice", "agreement"))
    return f"| {graph.file} | {graph.precision} | {scores} | {check['logits_error']:.1e} |"


def _after(manifest: Manifest) -> list[str]:
    """Post-processing and the expected Dice, where there are such."""
    rules = manifest.info.postprocessing.in_words()
    tuned, told = (manifest.quality.get(name) for name in ("tuned", "expected_dice"))
    lines = []
    if rules:
        chosen = (
            f", chosen on {counted(tuned['images'], 'validation image')}, whose mean Dice was "
            f"{tuned['dice_before']:.4f} without and is {tuned['dice_after']:.4f} with it"
            if tuned
            else ""
        )
        lines += ["", f"Post-processing: {rules}{chosen}. The scores above are those before it."]
    elif tuned:
        images = counted(tuned["images"], "validation image")
        lines += ["", f"Post-processing: none; nothing helped beyond chance on {images}."]
    if told:
        bad = "" if told["auroc"] is None else f"; AUROC for a Dice below 0.5: {told['auroc']:.2f}"
        lines += [
            "",
            "The expected Dice of each mask comes from the network's own probabilities, calibrated "
            f"on {counted(told['images'], 'validation image')}, each as it is and once changed as "
            "images from elsewhere are. On such images that it was not calibrated on it is "
            f"{told['error']:.3f} off in the mean of tenths{bad}. On other "
            "images it may be wrong.",
        ]
    return ["## After the network", *lines] if lines else []


def describe_fields_of_view(fields_of_view: int) -> str:
    """The end of a sentence on scores: how many images were scored inside their field of view.

    Example:
        >>> describe_fields_of_view(3)
        ', 3 of them counted inside their field of view'
        >>> describe_fields_of_view(0)
        ''
    """
    return (
        f", {fields_of_view} of them counted inside their field of view" if fields_of_view else ""
    )
