"""The command ``evaluate``: a trained network and labelled images in, scores and pictures out.

``docs/reference/metrics.md`` says what the numbers mean.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.config import RuntimeOptions
from bmis.data.cases import Case, Dataset, load_case, load_counted
from bmis.errors import DataError, one_line_about
from bmis.evaluate.earlier import check_earlier, question
from bmis.evaluate.examples import draw_examples
from bmis.evaluate.scores import Scores, read_case_values, write_scores
from bmis.evaluate.training_data import (
    find_training_data,
    open_training_data,
    results_dir,
    warn_of_other_splits,
)
from bmis.metrics import (
    DEFAULT_TOLERANCE,
    CaseScore,
    describe_collapse,
    score_case,
    summarise_cases,
)
from bmis.predict.load import Changes, Models, as_paths, load_predictor
from bmis.predict.mask import Mask
from bmis.predict.predictor import Frame, FrameLogits, Predictor
from bmis.pretrained.lookup import find_model_file
from bmis.runtime.load import threads_of
from bmis.system.files import output_folder, remove_if_empty
from bmis.system.pipeline import stream
from bmis.system.progress import progress_bar
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

    Writes ``cases.csv``, ``metrics.json`` and ``overlays/`` into ``out``. An image that has a
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
        ['cases.csv', 'metrics.json', 'overlays']
    """
    options = options or RuntimeOptions()
    run, *others = map(find_model_file, as_paths(run))
    folder = results_dir(run, others, out)
    predictor = load_predictor([run, *others], options, postprocessing=postprocessing)
    info = predictor.info
    source = find_training_data(run, info, data=data, fold=fold)
    dataset = open_training_data(source, info)
    warn_of_other_splits(dataset, info, others)
    chosen = dataset.cases if split == "all" else dataset.split(split)
    asked = question(
        checkpoint=run,
        averaged_with=others,
        data=source.root,
        split=split,
        fold=source.fold,
        seed=source.seed,
        tolerance=tolerance,
        engine=options.engine,
        precision=options.precision,
        postprocessing=info.postprocessing.changes(),
    )
    check_earlier(folder, asked, own=out is None)
    output_folder(folder)
    with remove_if_empty(folder):
        cases, failed = _score(predictor, dataset, chosen, tolerance)
    scores = Scores(
        model=info.model.name,
        checkpoint=run,
        data=source.root,
        split=split,
        asked=asked,
        classes=dataset.classes,
        unit="px" if dataset.spacing is None else "mm",
        tolerance=tolerance,
        cases=cases,
        failed=failed,
        fields_of_view=sum(case.field_of_view is not None for case in chosen if case.id in cases),
        summary=summarise_cases(list(cases.values()), dataset.classes),
        out=folder,
        overlays=draw_examples(predictor, dataset, cases, folder / "overlays"),
        threads=threads_of(run, options),
        training=info.provenance,
    )
    write_scores(scores)
    _warn_of(scores)
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


_ScoreLabels = Callable[[NDArray[np.uint8]], CaseScore]


@dataclass
class _Evaluation:
    """The three stages of one evaluation, and their results so far."""

    predictor: Predictor
    dataset: Dataset
    tolerance: float
    advance: Callable[[], None]
    cases: dict[str, CaseScore] = field(default_factory=dict)
    failed: list[tuple[Path, str]] = field(default_factory=list)

    def read(self, case: Case) -> tuple[Case, Frame, _ScoreLabels] | None:
        """First stage, in the reader's thread; None where a file is bad."""
        try:
            with one_line_about(case.image):
                image, labels = load_case(case, self.dataset)
                truth, counted = load_counted(case, labels)
                score = partial(
                    score_case,
                    truth=truth,
                    num_classes=self.dataset.num_classes,
                    spacing=self.dataset.spacing,
                    tolerance=self.tolerance,
                    field_of_view=counted,
                )
                return case, self.predictor.prepare(image), score
        except DataError as error:
            self.failed.append((case.image, str(error)))
            self.advance()
            return None

    def infer(
        self, group: Sequence[tuple[Case, Frame, _ScoreLabels] | None]
    ) -> list[tuple[Case, FrameLogits | Mask, _ScoreLabels]]:
        """Second stage, in the caller's thread."""
        good = [one for one in group if one is not None]
        inferred = self.predictor.infer([frame for _, frame, _ in good]) if good else []
        return [
            (case, found, score) for (case, _, score), found in zip(good, inferred, strict=True)
        ]

    def score(self, inferred: tuple[Case, FrameLogits | Mask, _ScoreLabels]) -> None:
        """Third stage, in a thread of its own, so that distances overlap with the network."""
        case, found, score = inferred
        self.cases[case.id] = score(self.predictor.finish(found).labels)
        self.advance()


def _score(
    predictor: Predictor, dataset: Dataset, cases: Sequence[Case], tolerance: float
) -> tuple[dict[str, CaseScore], tuple[tuple[Path, str], ...]]:
    with progress_bar("evaluate", total=len(cases)) as bar:
        job = _Evaluation(predictor, dataset, tolerance, bar.update)
        stream(cases, job.read, job.infer, job.score, batch=predictor.batch)
    if not job.cases:
        raise DataError(f"no image of {len(cases)} can be scored; the first: {job.failed[0][1]}")
    return job.cases, tuple(job.failed)
