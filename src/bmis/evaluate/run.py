"""The command ``evaluate``: a trained network and labelled images in, scores and pictures out.

``docs/reference/metrics.md`` says what the numbers mean.
"""

import logging
from pathlib import Path

from bmis.config import RuntimeOptions
from bmis.evaluate.examples import draw_examples
from bmis.evaluate.images import score_images
from bmis.evaluate.scores import Scores, read_case_values, scores_of, write_scores
from bmis.evaluate.subject import open_subject
from bmis.evaluate.training_data import output_dir
from bmis.metrics import DEFAULT_TOLERANCE, describe_collapse
from bmis.predict.load import Changes, Models
from bmis.report.runs.live import refresh_page
from bmis.runtime.load import threads_of
from bmis.system.files import remove_if_empty
from bmis.wording import counted

_log = logging.getLogger("bmis")

__all__ = ["Scores", "evaluate_model", "read_case_values"]


def evaluate_model(
    run: Models,
    *,
    data: Path | str | None = None,
    split: str = "test",
    fold: int | str | None = None,
    out: Path | str | None = None,
    options: RuntimeOptions | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    postprocessing: Changes | None = None,
) -> Scores:
    """Score a trained network on the images of a split, at their own size.

    Writes ``cases.csv``, ``metrics.json``, ``masks.json`` and ``overlays/`` into ``out``, and the
    scores onto the page ``report.html`` of a run folder that has one. An image that has a
    field of view is scored inside it. Images, masks and fields of view that cannot be used are
    listed in ``Scores.failed``, and the others are scored. A network that fails on an image stops
    the evaluation, because a failure must not drop out of the mean.

    Args:
        run: Bundle, run folder of ``bmis train``, ``.safetensors`` file, or name of a network that
            comes with the package. Of several in a list the mean is scored, on the data of the
            first.
        data: Dataset folder; by default that of the training. The fold and the seed of the
            training hold for it too, so that no training image gets into the test split of a
            data set that was moved.
        split: "train", "val", "test", or "all" for every image of the data set.
        fold: Another fold than the training's: a number or the path of a CSV file.
        out: Folder for the results. By default the run folder; for another file a folder of its
            name beside it, so that the run's own scores stay. Scores of the same question are
            replaced. Must be given for several networks.
        options: How the network is run; the defaults where left out.
        tolerance: Tolerance of ``nsd``, in millimetres where the data set has a spacing, else in
            pixels.
        postprocessing: See ``load``.

    Raises:
        ConfigError: A setting is wrong, the data set has other classes than the network, or ``out``
            holds the scores of another network, data set, split, fold or option.
        DataError: The data set cannot be used, none of its images can be scored, or ``out``
            cannot be written to.
        BundleError: See ``load_runtime``.
        MissingExtraError: See ``load_runtime``.

    Example:
        >>> import bmis
        >>> scores = bmis.evaluate_model("run", data="polyps", out="scores")
        >>> sorted(path.name for path in scores.out.iterdir())
        ['cases.csv', 'masks.json', 'metrics.json', 'overlays']
    """
    options = options or RuntimeOptions()
    subject = open_subject(
        run,
        data=data,
        split=split,
        fold=fold,
        out=out,
        options=options,
        postprocessing=postprocessing,
        tolerance=tolerance,
    )
    predictor, dataset, folder = subject.predictor, subject.dataset, subject.folder
    with remove_if_empty(folder):
        found = score_images(predictor, dataset, subject.cases, tolerance)
    scores = scores_of(
        found,
        subject.info,
        dataset,
        checkpoint=subject.checkpoint,
        split=split,
        asked=subject.asked,
        tolerance=tolerance,
        out=folder,
        overlays=draw_examples(predictor, dataset, found.cases, folder / "overlays"),
        threads=threads_of(subject.checkpoint, options),
    )
    write_scores(scores)
    _warn_of(scores)
    if folder == output_dir(subject.checkpoint):
        refresh_page(folder, dataset)
    return scores


def _warn_of(scores: Scores) -> None:
    """Say what the means do not: no foreground at all, or a network that answers always alike."""
    outcomes = scores.summary["outcomes"]
    if not outcomes["present"] + outcomes["missed"]:
        _log.warning(
            "%s: no foreground in split %r (%s); the scores do not say whether the network finds "
            "anything",
            scores.data,
            scores.split,
            counted(len(scores.cases), "image"),
        )
    if collapse := describe_collapse(scores.summary):
        _log.warning("%s %s; its means say nothing of what it has learnt", scores.model, collapse)
