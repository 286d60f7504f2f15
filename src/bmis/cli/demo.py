"""The verb ``demo``: everything once, on phantoms, in a few minutes on two processor cores."""

from dataclasses import dataclass
from html import escape
from pathlib import Path

from bmis.config import TrainConfig
from bmis.data.folder import open_dataset
from bmis.data.phantoms.write import write_phantoms
from bmis.errors import ConfigError
from bmis.evaluate.run import Scores, evaluate_model
from bmis.inspect.dataset import inspect_dataset
from bmis.predict.folder import predict_masks
from bmis.profile.network import Profile, profile_model
from bmis.system.files import output_folder, write_text
from bmis.train.run import TrainResult, train_model

_IMAGES, _EPOCHS, _SIZE = 240, 12, 128  # as much as two cores do in about two minutes


@dataclass(frozen=True)
class Demo:
    """What ``run_demo`` wrote.

    Attributes:
        report: A web page with everything on it.
        pictures: The contact sheet, then the scored images.
        scores: Of the test split.
    """

    report: Path
    pictures: tuple[Path, ...]
    scores: Scores


def run_demo(out: Path, *, modality: str = "endoscopy", seed: int = 0) -> Demo:
    """Draw phantoms, look at them, train, score, measure and predict.

    Args:
        out: New folder, or that of an earlier demo, which is taken up where it stopped.
        modality: Of the phantoms.
        seed: Of phantoms and training.

    Raises:
        ConfigError: The modality is unknown.
        DataError: ``out`` cannot be written to, or holds something else.
    """
    output_folder(out)
    data, run, masks = out / "phantoms", out / "run", out / "masks"
    if not (data / "splits.csv").exists():
        write_phantoms(data, modality=modality, count=_IMAGES, seed=seed)
    elif open_dataset(data).modality != modality:
        raise ConfigError(f"{data}: holds other phantoms; choose another --out")
    sheet = inspect_dataset(data, out=out / "inspect").contact_sheet
    config = TrainConfig(
        data=str(data), recipe="fast", epochs=_EPOCHS, size=(_SIZE, _SIZE), seed=seed
    )
    training = train_model(config, out=run)
    scores = evaluate_model(run)
    costs = profile_model(run)
    images = [case.image for case in open_dataset(data).split("test")]
    predict_masks(run, images, masks, overlay=True)
    pictures = ((sheet,) if sheet else ()) + scores.overlays
    report = out / "report.html"
    write_text(report, _page(out, training, scores, costs, pictures))
    return Demo(report=report, pictures=pictures, scores=scores)


def _page(
    out: Path, training: TrainResult, scores: Scores, costs: Profile, pictures: tuple[Path, ...]
) -> str:
    one = costs.batches[0]
    rows = [
        ("test images", f"{len(scores.cases)}"),
        *(
            (name, f"{scores.summary['cases'][name]['mean']:.3f}")
            for name in ("iou", "dice", "hd95")
        ),
        ("parameters", f"{costs.parameters:,}"),
        ("MACs", f"{costs.macs / 1e9:.3f} G at {costs.size[0]} x {costs.size[1]}"),
        ("one image", f"{one.latency_p50_ms:.1f} ms on {costs.device_name}"),
        ("trained", f"{training.epochs} epochs in {training.seconds:.0f} s"),
    ]
    table = "".join(f"<tr><th>{escape(a)}</th><td>{escape(b)}</td></tr>" for a, b in rows)
    figures = "".join(
        f'<figure><img src="{escape(path.relative_to(out).as_posix())}" alt="">'
        f"<figcaption>{escape(path.stem)}</figcaption></figure>"
        for path in pictures
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>bmis demo</title>'
        "<style>body{font:16px sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
        "th{text-align:left;padding-right:2rem}img{max-width:100%}</style>"
        "<h1>BMIS on phantoms</h1><p>Phantoms are drawn by the package itself: the scores show "
        "that it works, not how well it does on patients.</p>"
        f"<table>{table}</table>{figures}</html>\n"
    )
