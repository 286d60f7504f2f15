"""What the page of a run says in words: key figures, how it was made, what to be aware of."""

from collections.abc import Iterator, Mapping
from typing import Any

from bmis.data.splits import SPLITS
from bmis.metrics import describe_collapse
from bmis.report.quantities import COSTS
from bmis.report.results import plain
from bmis.report.runs.read import Run
from bmis.report.runs.scored import ScoredImages
from bmis.report.runs.tables import leaves, shown
from bmis.wording import counted, duration, short, time_left

_QUANTITIES = {quantity.key: quantity for quantity in COSTS}
_FEW = 10  # validation images below which their mean chooses an epoch by luck


def state_of(run: Run, *, live: bool) -> str:
    """How far a training is, in one sentence.

    Args:
        run: The run.
        live: Whether it is being trained.

    Example:
        >>> from bmis.report.runs.read import read_run
        >>> state_of(read_run("run"), live=False)
        '1 epoch in ... s; the best is epoch 1.'
    """
    done, best = len(run.log), f"the best is epoch {run.best_epoch}."
    if live and not run.is_over:
        left = time_left(run.seconds, done, run.epochs)
        return f"Epoch {done} of {run.epochs} is done ({left}); {best}"
    if not run.is_over:
        return (
            f"Stopped after epoch {done} of {run.epochs}; {best} The command that began it goes on."
        )
    early = "" if done >= run.epochs else f" of {run.epochs}, for no better one came"
    return f"{counted(done, 'epoch')}{early} in {duration(run.seconds)}; {best}"


def key_figures(run: Run) -> list[tuple[str, str, str]]:
    """The figures at the top: name, value and what it is of.

    Example:
        >>> from bmis.report.runs.read import read_run
        >>> [name for name, *_ in key_figures(read_run("run"))][:2]
        ['Validation IoU', 'Validation Dice']
    """
    epoch = f"epoch {run.best_epoch}"
    figures = [
        (f"Validation {title}", f"{run.best[key]:.3f}", epoch)
        for key, title in (("val_iou", "IoU"), ("val_dice", "Dice"))
        if key in run.best
    ]
    for scored in run.scored:
        mean = scored.summary["cases"]["dice"]["mean"]
        if scored.split == "test" and mean is not None:
            figures.append(("Test Dice", f"{mean:.3f}", counted(len(scored.cases), "image")))
    network = run.facts.get("network", {})
    for key in ("parameters", "macs"):
        if network.get(key):
            quantity = _QUANTITIES[key]
            height, width = run.settings.get("size", ("?", "?"))
            of = "" if key == "parameters" else f"at {height} × {width}"
            figures.append((quantity.heading, quantity.show(network[key]), of))
    if "seconds" in run.best:
        figures.append(
            ("One epoch (s)", short(run.seconds / len(run.log)), "mean, with validation")
        )
    return figures


def facts_of(run: Run) -> list[tuple[str, str]]:
    """How a run was made, as names and values.

    Example:
        >>> from bmis.report.runs.read import read_run
        >>> dict(facts_of(read_run("run")))["Start"]
        'random weights'
    """
    network, data = run.facts.get("network", {}), run.facts.get("data", {})
    options = ", ".join(f"{n} = {shown(v)}" for n, v in leaves(run.settings.get("options") or {}))
    size = run.weights_bytes
    rows = [
        ("Network", run.model + (f" ({options})" if options else "")),
        ("Source", plain(network.get("source"))),
        ("Licence of its code", plain(network.get("licence"))),
        ("Parameters", f"{network['parameters']:,}" if network.get("parameters") else ""),
        ("MACs of one image", f"{network['macs']:,}" if network.get("macs") else ""),
        ("File of weights", f"{size / 1e6:.2f} MB" if size else ""),
        ("Start", start_of(run)),
        ("Learns from", plain((run.facts.get("teacher") or {}).get("file"))),
        ("Data", ", ".join(_data(run, data))),
        ("Input", _input(run)),
        ("Seed", plain(run.settings.get("seed"))),
        ("Fold", plain(run.settings.get("fold"))),
        ("Settings besides", _other_settings(run)),
        ("Trained on", _machine(run.environment)),
        ("Versions", _versions(run.environment)),
    ]
    return [(name, value) for name, value in rows if value]


def start_of(run: Run) -> str:
    """What a network started from, in words; empty where it is not known.

    Example:
        >>> from bmis.report.runs.read import read_run
        >>> start_of(read_run("run"))
        'random weights'
    """
    init = run.facts.get("init")
    if init:
        return f"weights of {plain(init.get('file') or run.settings.get('init'))}"
    weights = plain(run.facts.get("weights", ""))
    known = {"none": "random weights", "imagenet": "ImageNet", "": ""}
    return known.get(weights, weights)


def _data(run: Run, data: Mapping[str, Any]) -> Iterator[str]:
    yield run.data
    splits = data.get("splits", {})
    yield from (f"{splits[s]['images']} {s}" for s in SPLITS if s in splits)
    if data.get("classes"):
        yield f"classes {shown(data['classes'])}"
    if data.get("licence"):
        yield f"licence {plain(data['licence'])}"


def _input(run: Run) -> str:
    height, width = run.settings.get("size", ("?", "?"))
    channels = {1: "grey", 3: "RGB"}.get(run.facts.get("data", {}).get("channels"), "")
    words = (f"{height} × {width} pixels", channels, plain(run.settings.get("resize")))
    return ", ".join(word for word in words if word)


def _other_settings(run: Run) -> str:
    """What else was asked for, without what is shown elsewhere or not set at all."""
    elsewhere = {"data", "model", "options", "recipe", "size", "resize", "seed", "fold", "init",
                 "teacher", "changes", "batch_size", "learning_rate", "patience"}  # fmt: skip
    found = {name: v for name, v in run.settings.items() if name not in elsewhere}
    return ", ".join(f"{name.replace('_', ' ')} {shown(v)}" for name, v in leaves(found)
                     if v not in (None, False, [], {}))  # fmt: skip


def _machine(environment: Mapping[str, Any]) -> str:
    device, threads = plain(environment.get("device")), environment.get("threads")
    system = plain(environment.get("system"))
    words = (device, counted(threads, "thread") if threads and device == "cpu" else "", system)
    return ", ".join(word for word in words if word)


def _versions(environment: Mapping[str, Any]) -> str:
    names = ("bmis", "commit", "python", "torch", "lightning", "numpy")
    known = (f"{name} {plain(environment[name])}" for name in names if environment.get(name))
    return ", ".join(known)


def caveats_of(run: Run) -> list[str]:
    """What the figures do not say by themselves, in whole sentences.

    Example:
        >>> from bmis.report.runs.read import read_run
        >>> caveats_of(read_run("run"))[-1][:41]
        'The epoch was chosen by 1 validation imag'
    """
    found: list[str] = []
    if run.log and not any(row.get("val_dice") for row in run.log):
        found.append("Nothing was found on the validation images in any epoch so far.")
    for scored in run.scored:
        found += _about_scored(run, scored)
    images = run.facts.get("data", {}).get("splits", {}).get("val", {}).get("images", _FEW)
    if images < _FEW:
        found.append(
            f"The epoch was chosen by {counted(images, 'validation image')}: with so few its score "
            "is partly luck, and too good."
        )
    return found


def _about_scored(run: Run, scored: ScoredImages) -> Iterator[str]:
    if collapse := describe_collapse(scored.summary):
        yield f"{scored.title}: the network {plain(collapse)}. Its means say nothing of learning."
    if scored.best_epoch not in (None, run.best_epoch):
        yield (
            f"{scored.title} were scored with the weights of epoch {scored.best_epoch}, and the "
            f"best epoch is {run.best_epoch} now: run `bmis evaluate` again."
        )
    failed = scored.about.get("failed") or ()
    if failed:
        yield f"{scored.title}: {counted(len(failed), 'image')} could not be scored."
    every = run.facts.get("data", {}).get("splits", {}).get(scored.split, {}).get("images", 0)
    if 0 < len(scored.cases) + len(failed) < every:
        yield (
            f"{scored.title}: {len(scored.cases)} of {every} were scored, evenly over their names."
        )
