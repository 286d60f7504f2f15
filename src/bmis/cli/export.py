"""How the answer of the command ``export`` is printed."""

from rich.table import Table

from bmis.export.model_card import describe_fields_of_view
from bmis.export.run import Exported


def render(done: Exported) -> Table:
    """The graphs of a bundle and how they passed the gate, as a table for the terminal."""
    quality = done.manifest.quality
    caption = (
        f"on {quality['images']} images of the split {quality['split']} of {quality['data']}"
        f"{describe_fields_of_view(quality['fields_of_view'])}; "
        "agreement: Dice between the graph's masks and the network's"
    )
    if done.kept:
        caption += f"\nkept in float, besides attention: {', '.join(done.kept)}"
    table = Table(title=f"{done.path}: {done.bytes / 1e6:.2f} MB", caption=caption)
    for name in (
        "graph",
        "precision",
        "IoU",
        "network's IoU",
        "Dice",
        "agreement",
        "logits off by",
    ):
        table.add_column(name, justify="left" if name in ("graph", "precision") else "right")
    for graph in done.manifest.graphs:
        check = graph.check
        scores = (f"{check[name]:.4f}" for name in ("iou", "iou_torch", "dice", "agreement"))
        table.add_row(graph.file, graph.precision, *scores, f"{check['logits_error']:.1e}")
    return table
