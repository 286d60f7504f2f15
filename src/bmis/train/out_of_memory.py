"""When memory runs out in a training: the same recipe with half the batch, or one clear error."""

import warnings
from dataclasses import replace

import torch

from bmis.errors import TrainingError
from bmis.train.recipes import Recipe

# how the allocators of CPU, CUDA, cuBLAS and cuDNN report it
_MESSAGES = ("out of memory", "not enough memory", "can't allocate memory", "ALLOC_FAILED")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch or numpy means that memory ran out.

    Example:
        >>> is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."))
        True
        >>> is_out_of_memory(RuntimeError("shapes do not match"))
        False
    """
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        text in str(error) for text in _MESSAGES
    )


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
            f"out of memory with a batch of {recipe.batch_size} over {processes} processes; "
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
