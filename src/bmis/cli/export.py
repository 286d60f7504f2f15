"""``bmis export``: write a trained network as one file for devices."""

from argparse import SUPPRESS, ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from bmis.cli.console import answer, table
from bmis.cli.options import add_json, add_plugins
from bmis.wording import counted

if TYPE_CHECKING:
    from bmis.export.run import Exported
    from bmis.export.tune import Tuned

HELP = "write a trained network as one file for devices"
EXAMPLE = "runs/polyps-bmis-default-seed0 --int8 --out polyps.bmis"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command: those of ``ExportOptions``, and what to read and write.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> parser.parse_args(["run", "--out", "a.bmis", "--formats", "onnx,litert"]).formats
        ('onnx', 'litert')
    """
    from bmis.cli.flags import add_flags
    from bmis.export.settings import ExportOptions
    from bmis.system.reading import read_text

    add_json(parser)
    parser.add_argument(
        "run",
        metavar="RUN",
        help="run folder, .safetensors file, or, with --data, name (`bmis models --pretrained`)",
    )
    parser.add_argument("--out", required=True, help="the bundle, ending in .bmis")
    parser.add_argument(
        "--data", help="dataset folder that validates the graphs (default: the run's own)"
    )
    parser.add_argument(
        "--calibrate", metavar="DATA", help="dataset folder for int8 ranges (default: DATA)"
    )
    add_plugins(parser)
    add_flags(parser, ExportOptions, leave_out=["notes"])
    parser.add_argument(
        "--notes",
        type=lambda name: read_text(Path(name)),
        default=SUPPRESS,
        metavar="FILE",
        help="Markdown file to end the model card with",
    )


def run(args: Namespace) -> int:
    """Write the bundle, and show how its graphs passed the gate.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["export", "run", "--out", "polyps.zip"])  # a bundle's name ends in .bmis
        2
    """
    from bmis.cli.flags import settings_from
    from bmis.export.settings import ExportOptions

    options = settings_from(args, ExportOptions)
    from bmis.export.run import export_run

    done = export_run(args.run, args.out, options, data=args.data, calibrate=args.calibrate)
    answer(args, done.to_dict(), render(done))
    return 0


def render(done: "Exported") -> str:
    """The graphs of a bundle and how they passed the gate, as a table for the terminal.

    Example:
        >>> from bmis.bundle import read_bundle
        >>> from bmis.export.run import Exported
        >>> from bmis.pretrained.lookup import find_model_file
        >>> manifest = read_bundle(find_model_file("dermoscopy")).manifest
        >>> print(render(Exported(Path("lesion.bmis"), 900_000, manifest, {}, (), ())))
        lesion.bmis: 0.90 MB
        graph...
    """
    from bmis.export.model_card import describe_fields_of_view

    quality = done.manifest.quality
    caption = (
        f"on {counted(quality['images'], 'image')} of the split {quality['split']} of "
        f"{quality['data']}"
        f"{describe_fields_of_view(quality['fields_of_view'])}; "
        "agreement: Dice between the graph's masks and the network's"
    )
    if done.kept:
        caption += f"\nkept in float, besides attention: {', '.join(done.kept)}"
    rows = []
    for graph in done.manifest.graphs:
        check = graph.check
        scores = (f"{check[name]:.4f}" for name in ("iou", "iou_torch", "dice", "agreement"))
        rows.append([graph.file, graph.precision, *scores, f"{check['logits_error']:.1e}"])
    names = ("graph", "precision", "IoU", "network's IoU", "Dice", "agreement", "logits off by")
    graphs = table(
        rows,
        "llrrrrr",
        headers=names,
        title=f"{done.path}: {done.bytes / 1e6:.2f} MB",
        caption=caption,
    )
    return "\n\n".join([graphs, *([render_tuned(done.tuned)] if done.tuned else [])])


def render_tuned(tuned: "Tuned") -> str:
    """The post-processing that was tried and what was kept of it, as a table for the terminal.

    Example:
        >>> from bmis.config import PostProcessing
        >>> from bmis.export.tune import Tuned
        >>> print(render_tuned(Tuned(PostProcessing(), 65, 0.73, 0.73, ())))
        post-processing, tried on 65 validation images
        ...
        nothing helps beyond chance, so nothing was kept
    """
    from bmis.config import FLIPS, PostProcessing

    rows = []
    for one in tuned.tries:
        low, high = one.gain.ci95 or (0.0, 0.0)
        what = PostProcessing.from_dict(one.changes)
        gain = f"{100 * one.gain.mean:+.2f}", f"{100 * low:+.2f} to {100 * high:+.2f}"
        kept = "kept" if one.kept else ""
        rows.append([what.in_words(), *gain, f"{one.gain.p:.2g}", kept])
    chosen = tuned.rules.in_words()
    caption = (
        f"kept: {chosen}; Dice {tuned.before:.4f} to {tuned.after:.4f} on the images that chose "
        "it, expect less on others"
        if chosen
        else "nothing helps beyond chance, so nothing was kept"
    )
    passes = len(FLIPS[tuned.rules.flips])
    caption += f"\nflips take the network's time {passes} times" if passes > 1 else ""
    return table(
        rows,
        "lrrrl",
        headers=("change", "gain, points of Dice", "95 % interval", "p", ""),
        title=f"post-processing, tried on {counted(tuned.images, 'validation image')}",
        caption=caption,
    )
