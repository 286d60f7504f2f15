"""What is scored: a network, or the mean of several, on the images of a split."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bmis.config import ModelInfo, RuntimeOptions
from bmis.data.cases import Case, Dataset
from bmis.evaluate.earlier import check_earlier, question
from bmis.evaluate.training_data import (
    find_training_data,
    open_training_data,
    results_dir,
    warn_of_other_splits,
)
from bmis.predict.load import Changes, Models, as_paths, load_predictor
from bmis.predict.predictor import Predictor
from bmis.pretrained.lookup import find_model_file
from bmis.system.files import output_folder


@dataclass(frozen=True, eq=False)
class Subject:
    """A network, labelled images, and a folder for the results.

    Attributes:
        checkpoint: File or folder of the network's weights, the first of several.
        predictor: The network.
        dataset: The data set of the images, as the network names its classes.
        cases: The images.
        asked: What is to be scored and how, see ``earlier.question``.
        folder: Where the results go; it exists.

    Example:
        >>> subject = open_subject("run", data="polyps", out="scores")
        >>> len(subject.cases), subject.asked["split"], subject.folder.name
        (2, 'test', 'scores')
    """

    checkpoint: Path
    predictor: Predictor
    dataset: Dataset
    cases: tuple[Case, ...]
    asked: dict[str, Any]
    folder: Path

    @property
    def info(self) -> ModelInfo:
        """What was saved with the network."""
        return self.predictor.info


def open_subject(
    run: Models,
    *,
    data: Path | str | None = None,
    split: str = "test",
    fold: int | str | None = None,
    out: Path | str | None = None,
    options: RuntimeOptions | None = None,
    postprocessing: Changes | None = None,
    **more: Any,
) -> Subject:
    """Load a network and find the images to score it on.

    Args:
        run: See ``evaluate_model``, as for all but ``more``.
        data: Dataset folder.
        split: "train", "val", "test", or "all".
        fold: Another fold than the training's.
        out: Folder for the results.
        options: How the network is run.
        postprocessing: What takes the place of the network's own.
        more: Further settings that belong to the question.

    Raises:
        BmisError: See ``evaluate_model``.

    Example:
        >>> open_subject("run", split="all").asked["split"]
        'all'
    """
    options = options or RuntimeOptions()
    first, *others = map(find_model_file, as_paths(run))
    folder = results_dir(first, others, out)
    predictor = load_predictor([first, *others], options, postprocessing=postprocessing)
    info = predictor.info
    source = find_training_data(first, info, data=data, fold=fold)
    dataset = open_training_data(source, info)
    warn_of_other_splits(dataset, info, others)
    cases = dataset.cases if split == "all" else dataset.split(split)
    asked = question(
        checkpoint=first,
        averaged_with=others,
        data=source.root,
        split=split,
        fold=source.fold,
        seed=source.seed,
        engine=options.engine,
        precision=options.precision,
        postprocessing=info.postprocessing.changes(),
        **more,
    )
    check_earlier(folder, asked, own=out is None)
    return Subject(first, predictor, dataset, cases, asked, output_folder(folder))
