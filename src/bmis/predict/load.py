"""From the path of a trained network, or of several, to a predictor."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bmis.config import PostProcessing, RuntimeOptions
from bmis.predict.predictor import Predictor
from bmis.runtime.average import load_ensemble

Models = Path | str | Sequence[Path | str]
Changes = PostProcessing | Mapping[str, Any]


def load(
    model: Models,
    *,
    device: str = "auto",
    engine: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    tile: int | None = None,
    probabilities: bool = False,
    postprocessing: Changes | None = None,
) -> Predictor:
    """Load a trained network as a predictor, which turns images into masks.

    The masks are those that ``bmis predict`` writes.

    Args:
        model: A bundle, a run folder, a ``.safetensors`` file, or the name of a network that
            comes with the package. Several in a list answer with the mean of their probabilities.
        device: See ``RuntimeOptions``.
        engine: See ``RuntimeOptions``.
        precision: See ``RuntimeOptions``.
        threads: See ``RuntimeOptions``.
        tile: See ``Predictor``.
        probabilities: Whether masks carry class probabilities along with the labels.
        postprocessing: What takes the place of the post-processing that a bundle brings: all of it
            as ``PostProcessing``, or single values of it by name.

    Raises:
        BmisError: See ``load_ensemble`` and ``Predictor``.

    Example:
        >>> import bmis
        >>> bmis.load("run")("photo.png").labels.shape
        (64, 64)
        >>> both = bmis.load(["run", "run"], postprocessing={"threshold": 0.4})
        >>> both.info.postprocessing.changes()
        {'threshold': 0.4}
    """
    options = RuntimeOptions(device, engine, precision, threads)
    return load_predictor(
        model,
        options,
        tile=tile,
        keep_probabilities=probabilities,
        postprocessing=postprocessing,
    )


def as_paths(model: Models) -> list[Path | str]:
    """One path or several as a list.

    Example:
        >>> as_paths("run"), as_paths(("run", "other"))
        (['run'], ['run', 'other'])
    """
    return [model] if isinstance(model, str | Path) else list(model)


def load_predictor(
    model: Models,
    options: RuntimeOptions | None = None,
    *,
    tile: int | None = None,
    keep_probabilities: bool = False,
    keep_unsure: bool = False,
    postprocessing: Changes | None = None,
) -> Predictor:
    """The same with the options of the runtime as one value, and those of ``Predictor``.

    Example:
        >>> predictor = load_predictor("run", RuntimeOptions(threads=1))
        >>> predictor.info.postprocessing.changes()
        {}
    """
    runtime, info = load_ensemble(as_paths(model), options)
    if isinstance(postprocessing, PostProcessing):
        info = replace(info, postprocessing=postprocessing)
    elif postprocessing:
        info = replace(info, postprocessing=info.postprocessing.with_changes(postprocessing))
    return Predictor(
        runtime, info, tile=tile, keep_probabilities=keep_probabilities, keep_unsure=keep_unsure
    )
