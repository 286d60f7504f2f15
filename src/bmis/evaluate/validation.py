"""The scores of validation images at the end of a training, for the page of its run."""

from pathlib import Path

from bmis.config import RuntimeOptions
from bmis.config.run_files import VALIDATION_FOLDER
from bmis.data.cases import Dataset
from bmis.evaluate.earlier import question
from bmis.evaluate.images import score_images
from bmis.evaluate.scores import Scores, scores_of, write_scores
from bmis.metrics import DEFAULT_TOLERANCE
from bmis.predict.predictor import Predictor
from bmis.runtime.load import load_runtime, threads_of
from bmis.system.files import output_folder

_MOST = 100  # images; more would take longer than anybody waits for a page


def score_validation(
    run: Path, dataset: Dataset, *, fold: int | str | None, seed: int, device: str
) -> Scores:
    """Score the best epoch on validation images, as ``evaluate_model`` scores other splits.

    Writes ``metrics.json``, ``cases.csv`` and ``masks.json`` into the folder ``validation`` of the
    run. Of many images a hundred are scored, evenly over the order of their ids.

    Args:
        run: The run folder.
        dataset: The data set of the training, split as it was for it.
        fold: The fold of the training, for the record.
        seed: The seed of the split, for the record.
        device: "auto", "cpu" or "cuda".

    Raises:
        BmisError: See ``evaluate_model``.

    Example:
        >>> import bmis
        >>> dataset = bmis.open_dataset("polyps")
        >>> scores = score_validation(Path("run"), dataset, fold=None, seed=0, device="cpu")
        >>> scores.split, len(scores.cases), scores.out.as_posix()
        ('val', 1, 'run/validation')
    """
    options = RuntimeOptions(device=device)
    runtime, info = load_runtime(run, options)
    cases = dataset.split("val")
    count = min(len(cases), _MOST)
    chosen = [cases[number * len(cases) // count] for number in range(count)]
    found = score_images(Predictor(runtime, info), dataset, chosen, DEFAULT_TOLERANCE)
    scores = scores_of(
        found,
        info,
        dataset,
        checkpoint=run,
        split="val",
        asked=question(
            checkpoint=run,
            data=dataset.root,
            split="val",
            fold=fold,
            seed=seed,
            tolerance=DEFAULT_TOLERANCE,
            engine=options.engine,
            precision=options.precision,
        ),
        tolerance=DEFAULT_TOLERANCE,
        out=output_folder(run / VALIDATION_FOLDER),
        threads=threads_of(run, options),
    )
    write_scores(scores)
    return scores
