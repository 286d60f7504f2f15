"""How the answer of the command ``profile`` is printed."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bmis.profile.bundle import BatchTime, BundleProfile
from bmis.profile.network import Profile


def render_network(profile: Profile) -> RenderableType:
    """Show a profile as text for the terminal."""
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


def render_bundle(profile: BundleProfile) -> RenderableType:
    """Show a profile as text for the terminal."""
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
        if cost.error:
            table.add_row(*names, *("-",) * 5)
            errors.append(Text(f"{cost.engine} {cost.precision}: {cost.error}"))
    return Group(Text(profile.bundle, style="bold"), facts, table, *errors)


def _batch_columns(one: BatchTime) -> tuple[str, ...]:
    return (
        str(one.batch),
        f"{one.latency_p50_ms:.1f}",
        f"{one.latency_p95_ms:.1f}",
        f"{one.images_per_second:.1f}",
        "-" if one.resident_mb is None else f"{one.resident_mb:.0f}",
    )
