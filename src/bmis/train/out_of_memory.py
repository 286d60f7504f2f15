"""When memory runs out in a training: the same recipe with half the batch, or one clear error."""

import warnings
from dataclasses import replace

from bmis.errors import TrainingError
from bmis.train.recipes import Recipe
from bmis.wording import counted


def halve_batch(recipe: Recipe, error: BaseException, *, processes: int) -> Recipe:
    """The recipe with half the batch, and a warning.

    Args:
        recipe: The recipe that needed too much memory.
        error: The exception that reported it.
        processes: Number of processes of the training.

    Raises:
        TrainingError: The batch cannot be halved: it is one image, or there are other processes,
            which cannot know and wait for the gradients of this one.

    Example:
        >>> halve_batch(Recipe(batch_size=1), MemoryError(), processes=1)
        Traceback (most recent call last):
        bmis.errors.TrainingError: out of memory even with one image at a time; use a smaller ...
    """
    if processes > 1:
        raise TrainingError(
            f"out of memory with a batch of {recipe.batch_size} over "
            f"{counted(processes, 'process')}; "
            "use a smaller --batch-size or --size"
        ) from error
    if recipe.batch_size == 1:
        raise TrainingError(
            "out of memory even with one image at a time; use a smaller --size or model"
        ) from error
    half = recipe.batch_size // 2
    warnings.warn(
        f"out of memory with a batch of {recipe.batch_size}; going on with {half}", stacklevel=2
    )
    return replace(recipe, batch_size=half)
