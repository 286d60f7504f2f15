"""``bmis profile``: measure what a network costs."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bmis.cli.console import answer, table
from bmis.cli.options import MODEL, SIZE, add_json, add_plugins, read_batches, read_size
from bmis.errors import ConfigError
from bmis.wording import counted

if TYPE_CHECKING:
    from bmis.profile.bundle import BatchTime, BundleProfile, EngineCost
    from bmis.profile.network import BatchCost, Profile

HELP = "measure what a network costs"
EXAMPLE = "bmis --size 224 --batch 1,8"
_BATCH = ("batch", "p50 ms", "p95 ms", "images/s")


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


def render_network(profile: "Profile") -> str:
    """The costs of a network in torch as tables for the terminal.

    Example:
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
    device = profile.device_name
    if profile.device == "cpu":
        device += f", {counted(profile.threads, 'thread')}"
    facts = [
        ("parameters", f"{profile.parameters:,}"),
        ("MACs", "{:.3f} G at {} x {}".format(profile.macs / 1e9, *profile.size)),
        ("weights", f"{profile.weights_mb:.2f} MB, {profile.precision}"),
        ("device", f"{device}, torch {profile.torch}"),
    ]
    rows = []
    for cost in profile.batches:
        trained = [
            "not possible" if value is None else f"{value:.1f}"
            for value in (cost.step_ms, cost.training_mb)
        ]
        rows.append([*_batch_columns(cost), f"{cost.inference_mb:.1f}", *trained])
    names = (*_BATCH, "MB", "training step ms", "training MB")
    costs = table(rows, "r" * len(names), headers=names)
    return f"{table(facts, 'lw', title=profile.model)}\n\n{costs}"


def render_bundle(profile: "BundleProfile") -> str:
    """The costs of a bundle on each engine as tables for the terminal.

    Example:
        >>> from bmis.profile.bundle import BundleProfile
        >>> costs = {"parameters": 6096, "macs": 2_000_000, "macs_size": (64, 64), "file_mb": 0.1}
        >>> shape = {"model": "bmis", "in_channels": 3, "num_classes": 2, "size": (64, 64)}
        >>> machine = {"processor": "a processor", "threads": 1, "versions": {}, "engines": ()}
        >>> print(render_bundle(BundleProfile("lesion.bmis", **shape, **costs, **machine)))
        lesion.bmis
        parameters  6,096
        ...
    """
    versions = [f"{name} {version}" for name, version in profile.versions.items()]
    facts = [
        ("parameters", f"{profile.parameters:,}"),
        ("MACs", "{:.3f} G at {} x {}".format(profile.macs / 1e9, *profile.macs_size)),
        ("file", f"{profile.file_mb:.2f} MB"),
        ("masks", _describe_masks(profile)),
        ("device", ", ".join([profile.processor, counted(profile.threads, "thread"), *versions])),
    ]
    names = ("engine", "precision", "start s", *_BATCH, "peak MB")
    costs = table(
        [row for cost in profile.engines for row in _engine_rows(cost)],
        "ll" + "r" * (len(names) - 2),
        headers=names,
        title="images of {} x {}".format(*profile.size),
        caption="\n".join(
            f"{cost.engine} {cost.precision}: {cost.error}"
            for cost in profile.engines
            if cost.error
        ),
    )
    return f"{table(facts, 'lw', title=profile.bundle)}\n\n{costs}"


def _describe_masks(profile: "BundleProfile") -> str:
    """What becomes of the network's answer, which the times below do not count."""
    rules = profile.postprocessing.in_words() or "no post-processing"
    return f"{rules}; {'with' if profile.calibrated else 'without'} expected Dice"


def _engine_rows(cost: "EngineCost") -> Iterator[Sequence[str]]:
    """A row for each batch size, the first one with the name of the engine."""
    start = "-" if cost.start_seconds is None else f"{cost.start_seconds:.2f}"
    names = (cost.engine, cost.precision, start)
    for one in cost.batches:
        peak = "-" if one.resident_mb is None else f"{one.resident_mb:.0f}"
        yield *names, *_batch_columns(one), peak
        names = ("", "", "")
    if cost.error:
        yield *names, *("-",) * 5


def _batch_columns(one: "BatchTime | BatchCost") -> tuple[str, ...]:
    return (
        str(one.batch),
        f"{one.latency_p50_ms:.1f}",
        f"{one.latency_p95_ms:.1f}",
        f"{one.images_per_second:.1f}",
    )
