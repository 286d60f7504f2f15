"""What each verb of the command ``bmis`` does: settings from its arguments, one call, the answer.

Verbs import what they need when they are called: ``bmis --help`` and the device side stay fast and
without torch.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from bmis.cli.arguments import Run
from bmis.cli.console import answer, say, say_failures, say_json, warn_out_of_distribution
from bmis.config import RuntimeOptions, TrainConfig
from bmis.errors import ConfigError
from bmis.system.files import read_text
from bmis.system.memory import memory_limit


def _inspect(args: argparse.Namespace) -> int:
    from bmis.cli.inspect import render
    from bmis.inspect.dataset import inspect_dataset

    out = args.out or Path("inspect") / Path(args.data).resolve().name
    found = inspect_dataset(Path(args.data), out=out, fold=args.fold, seed=args.seed)
    answer(args, found.to_dict(), render(found))
    return 2 if found.problems else 0


def _phantom(args: argparse.Namespace) -> int:
    from bmis.data.phantoms.write import write_phantoms

    out = write_phantoms(
        Path(args.out),
        modality=args.modality,
        count=args.count,
        size=args.size,
        seed=args.seed,
        difficulty=args.difficulty,
        classes=args.classes,
    )
    say(f"{args.count} {args.modality} phantoms in {out}")
    return 0


def _train(args: argparse.Namespace) -> int:
    names = set(TrainConfig.__dataclass_fields__) - {"options"}
    values = {name: value for name, value in vars(args).items() if name in names}
    config = TrainConfig(**values, options=dict(args.options))
    from lightning.fabric.utilities import rank_zero_only

    from bmis.train.run import train_model

    done = train_model(config, out=args.out)
    say_once = rank_zero_only(say)  # one answer, however many processes there are
    if args.json:
        say_once(json.dumps({**asdict(done), "run": str(done.run)}, indent=2))
    else:
        work = f" in {done.seconds:.0f} s, {done.images_per_second:.1f} images/s"
        say_once(
            f"{done.epochs} epochs{work if done.seconds else ' were done before'}; "
            f"best epoch {done.best_epoch}: "
            f"validation IoU {done.val_iou:.3f}, Dice {done.val_dice:.3f}\n"
            f"run folder: {done.run}\nnext: bmis evaluate {done.run}"
        )
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from bmis.cli.evaluate import render
    from bmis.evaluate.run import evaluate_model

    with _runtime_options(args) as options:
        scores = evaluate_model(
            args.run,
            data=args.data,
            split=args.split,
            fold=args.fold,
            out=args.out,
            options=options,
            tolerance=args.tolerance,
        )
    answer(args, scores.to_dict(), render(scores))
    if not args.json:
        say(f"cases.csv, metrics.json and {len(scores.overlays)} overlays in {scores.out}")
    return say_failures(scores.failed)


def _profile(args: argparse.Namespace) -> int:
    from bmis.bundle import SUFFIX
    from bmis.pretrained.lookup import find_model_file

    if find_model_file(args.model).suffix.lower() == SUFFIX:
        return _profile_bundle(args)
    from bmis.cli.profile import render_network as render
    from bmis.profile.network import profile_model

    profile = profile_model(
        args.model,
        size=args.size,
        batches=args.batch,
        device=args.device,
        threads=args.threads,
    )
    answer(args, profile.to_dict(), render(profile))
    return 0


def _profile_bundle(args: argparse.Namespace) -> int:
    from bmis.cli.profile import render_bundle as render
    from bmis.profile.bundle import profile_bundle

    if args.device not in ("auto", "cpu"):
        raise ConfigError(f"bundles run on the processor, not on {args.device!r}; leave it out")
    profile = profile_bundle(args.model, size=args.size, batches=args.batch, threads=args.threads)
    answer(args, profile.to_dict(), render(profile))
    return 0


def _predict(args: argparse.Namespace) -> int:
    from bmis.data.folder import find_images
    from bmis.predict.folder import predict_masks

    images = [file for path in args.images for file in find_images(Path(path))]
    with _runtime_options(args) as options:
        done = predict_masks(
            Path(args.run),
            images,
            Path(args.out),
            overlay=args.overlay,
            probabilities=args.probabilities,
            tile=args.tile,
            options=options,
            spacing=args.spacing,
        )
    if args.json:
        say_json(
            {
                "written": [str(path) for path in done.written],
                "failed": [{"file": str(path), "why": why} for path, why in done.failed],
                "measurements": str(done.measurements),
                "out_of_distribution": [
                    {"file": str(path), "ood_score": value}
                    for path, value in done.out_of_distribution
                ],
            }
        )
    else:
        say(f"{len(done.written)} masks in {args.out}; measurements in {done.measurements}")
    warn_out_of_distribution(done.out_of_distribution)
    return say_failures(done.failed)


def _compare(args: argparse.Namespace) -> int:
    from bmis.cli.compare import render
    from bmis.compare.run import CompareConfig, compare_methods
    from bmis.records import Conditions

    config = CompareConfig(
        data=tuple(args.data),
        methods=tuple(args.methods),
        folds=args.folds,
        seeds=args.seeds,
        conditions=Conditions(args.recipe, args.epochs, args.size, args.resize),
        device=args.device,
        precision=args.precision,
        plugins=tuple(args.plugins),
    )
    done = compare_methods(
        config,
        out=args.out,
        retry=args.retry,
        ray=args.ray,
        keep=args.keep,
        measure_again=args.measure_again,
    )
    plain = {
        "out": str(done.out),
        "ran": done.ran,
        "records": [
            {**record.trial.to_dict(), "status": record.status, "reason": record.reason}
            for record in done.records
        ],
    }
    answer(args, plain, render(done))
    for record in done.failed:
        sys.stderr.write(f"bmis: {record.trial} failed: {record.reason}\n")
    return 2 if done.failed else 0


def _report(args: argparse.Namespace) -> int:
    from bmis.report.write import write_report

    done = write_report(args.results, out=args.out, title=args.title)
    for warning in done.warnings:
        sys.stderr.write(f"bmis: {warning}\n")
    if args.json:
        say_json(done.to_dict())
    else:
        trials = f"{done.done} done, {done.failed} failed, {done.missing} missing"
        say(f"methods: {done.methods}; data sets: {done.datasets}; trials: {trials}")
        say(f"page: {done.page}\ntables and figures: {args.out} ({len(done.files) - 1} files)")
    return 0


def _export(args: argparse.Namespace) -> int:
    from bmis.cli.export import render
    from bmis.export.run import ExportOptions, export_run

    notes = "" if args.notes is None else read_text(args.notes)
    options = ExportOptions(args.int8, args.keep_float, args.formats, args.size, notes)
    done = export_run(args.run, args.out, options, data=args.data, calibrate=args.calibrate)
    answer(args, done.to_dict(), render(done))
    return 0


def _convert(args: argparse.Namespace) -> int:
    from bmis.models.convert import convert_checkpoint

    say(f"wrote {convert_checkpoint(Path(args.source), model=args.model, out=Path(args.out))}")
    return 0


def _demo(args: argparse.Namespace) -> int:
    from bmis.cli.demo import run_demo

    done = run_demo(Path(args.out), modality=args.modality, seed=args.seed)
    for picture in done.pictures:
        say(f"picture: {picture}")
    say(f"masks and measurements: {Path(args.out) / 'masks'}\nreport: {done.report}")
    return 0


def _models(args: argparse.Namespace) -> int:
    if args.pretrained:
        from bmis.cli.models import render_pretrained
        from bmis.pretrained.listing import read_pretrained

        networks = read_pretrained()
        answer(args, [one.to_dict() for one in networks], render_pretrained(networks))
        return 0
    from bmis.cli.models import render_catalogue
    from bmis.models.catalogue import read_catalogue

    entries = read_catalogue(args.group)
    answer(args, [entry.to_dict() for entry in entries], render_catalogue(entries))
    return 0


@contextmanager
def _runtime_options(args: argparse.Namespace) -> Iterator[RuntimeOptions]:
    """How the network shall be run; within the limit to the memory, if there is one."""
    options = RuntimeOptions(args.device, args.engine, args.precision, args.threads)
    if args.memory_limit is not None:
        from bmis.runtime.load import load_packages

        load_packages(args.run, options)
    with memory_limit(args.memory_limit):
        yield options


VERBS: Mapping[str, Run] = {
    "inspect": _inspect,
    "phantom": _phantom,
    "train": _train,
    "evaluate": _evaluate,
    "profile": _profile,
    "predict": _predict,
    "export": _export,
    "convert": _convert,
    "compare": _compare,
    "report": _report,
    "demo": _demo,
    "models": _models,
}
