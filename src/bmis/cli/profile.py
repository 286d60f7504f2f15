"""``bmis profile``: measure what a network costs."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from bmis.cli.console import answer
from bmis.cli.options import MODEL, SIZE, add_json, add_plugins, read_batches, read_size
from bmis.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bmis.profile.bundle import BatchTime, BundleProfile
    from bmis.profile.network import Profile

HELP = "measure what a network costs"
EXAMPLE = "bmis --size 224 --batch 1,8"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> parser.parse_args(["bmis", "--size", "224"]).batch
        (1, 8)
    """
    add_json(parser)
    parser.add_argument("model", metavar="MODEL", help=f"name, {MODEL}")
    parser.add_argument(
        "--size",
        type=read_size,
        metavar=SIZE,
        help="height and width in pixels (default: the run's, or 224)",
    )
    parser.add_argument(
        "--batch",
        type=read_batches,
        default=(1, 8),
        metavar="N,N",
        help="batch sizes (default: 1,8)",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="processor threads (default: all)")
    add_plugins(parser)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")


def run(args: Namespace) -> int:
    """Measure a network in torch, or a bundle on all its engines, and show what it costs.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["profile", "dermoscopy", "--device", "cuda"])  # bundles run on the processor
        2
    """
    from bmis.bundle import SUFFIX
    from bmis.pretrained.lookup import find_model_file

    if find_model_file(args.model).suffix.lower() == SUFFIX:
        return _profile_bundle(args)
    from bmis.profile.network import profile_model

    profile = profile_model(
        args.model,
        size=args.size,
        batches=args.batch,
        device=args.device,
        threads=args.threads,
    )
    answer(args, profile.to_dict(), render_network(profile))
    return 0


def _profile_bundle(args: Namespace) -> int:
    from bmis.profile.bundle import profile_bundle

    if args.device not in ("auto", "cpu"):
        raise ConfigError(f"bundles run on the processor, not on {args.device!r}; leave it out")
    profile = profile_bundle(args.model, size=args.size, batches=args.batch, threads=args.threads)
    answer(args, profile.to_dict(), render_bundle(profile))
    return 0


def render_network(profile: "Profile") -> "RenderableType":
    """The costs of a network in torch as tables for the terminal.

    Example:
        >>> from rich import print
        >>> from bmis.profile.network import Profile
        >>> facts = {"device": "cpu", "device_name": "a processor", "threads": 2, "torch": "2.6"}
        >>> costs = {"parameters": 6096, "macs": 2_000_000, "weights_mb": 0.03, "batches": ()}
        >>> shape = {"model": "bmis", "in_channels": 3, "num_classes": 2, "size": (64, 64)}
        >>> print(render_network(Profile(**shape, **costs, **facts, precision="float32")))
        bmis
        parameters  6,096
        MACs        0.002 G at 64 x 64
        ...
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    height, width = profile.size
    device = profile.device_name
    if profile.device == "cpu":
        device += f", {profile.threads} thread{'s'[: profile.threads - 1]}"
    facts = Table.grid(padding=(0, 2))
    facts.add_row("parameters", f"{profile.parameters:,}")
    facts.add_row("MACs", f"{profile.macs / 1e9:.3f} G at {height} x {width}")
    facts.add_row("weights", f"{profile.weights_mb:.2f} MB, {profile.precision}")
    facts.add_row("device", Text(f"{device}, torch {profile.torch}"))
    table = Table()
    columns = ("batch", "p50 ms", "p95 ms", "images/s", "MB", "training step ms", "training MB")
    for column in columns:
        table.add_column(column, justify="right")
    for cost in profile.batches:
        trained = [
            "not possible" if value is None else f"{value:.1f}"
            for value in (cost.step_ms, cost.training_mb)
        ]
        table.add_row(
            str(cost.batch),
            f"{cost.latency_p50_ms:.1f}",
            f"{cost.latency_p95_ms:.1f}",
            f"{cost.images_per_second:.1f}",
            f"{cost.inference_mb:.1f}",
            *trained,
        )
    return Group(Text(profile.model, style="bold"), facts, table)


def render_bundle(profile: "BundleProfile") -> "RenderableType":
    """The costs of a bundle on each engine as tables for the terminal.

    Example:
        >>> from rich import print
        >>> from bmis.profile.bundle import BundleProfile
        >>> costs = {"parameters": 6096, "macs": 2_000_000, "macs_size": (64, 64), "file_mb": 0.1}
        >>> shape = {"model": "bmis", "in_channels": 3, "num_classes": 2, "size": (64, 64)}
        >>> machine = {"processor": "a processor", "threads": 1, "versions": {}, "engines": ()}
        >>> print(render_bundle(BundleProfile("lesion.bmis", **shape, **costs, **machine)))
        lesion.bmis
        parameters  6,096
        ...
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    facts = Table.grid(padding=(0, 2))
    facts.add_row("parameters", f"{profile.parameters:,}")
    facts.add_row("MACs", "{:.3f} G at {} x {}".format(profile.macs / 1e9, *profile.macs_size))
    facts.add_row("file", f"{profile.file_mb:.2f} MB")
    threads = f"{profile.threads} thread{'s'[: profile.threads - 1]}"
    versions = ", ".join(f"{name} {version}" for name, version in profile.versions.items())
    facts.add_row("device", Text(f"{profile.processor}, {threads}, {versions}"))
    table = Table(title="images of {} x {}".format(*profile.size))
    for column in ("engine", "precision"):
        table.add_column(column)
    for column in ("start s", "batch", "p50 ms", "p95 ms", "images/s", "peak MB"):
        table.add_column(column, justify="right")
    errors = []
    for cost in profile.engines:
        start = "-" if cost.start_seconds is None else f"{cost.start_seconds:.2f}"
        names = (cost.engine, cost.precision, start)
        for one in cost.batches:
            table.add_row(*names, *_batch_columns(one))
            names = ("", "", "")
        if cost.fault:
            table.add_row(*names, *("-",) * 5)
            errors.append(Text(f"{cost.engine} {cost.precision}: {cost.fault}"))
    return Group(Text(profile.bundle, style="bold"), facts, table, *errors)


def _batch_columns(one: "BatchTime") -> tuple[str, ...]:
    return (
        str(one.batch),
        f"{one.latency_p50_ms:.1f}",
        f"{one.latency_p95_ms:.1f}",
        f"{one.images_per_second:.1f}",
        "-" if one.resident_mb is None else f"{one.resident_mb:.0f}",
    )
