"""A batch of images through the network, so that one that fails does not take the others along."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from bmis.errors import BmisError, BundleError, NoMemoryError, one_line_about
from bmis.predict.mask import Mask
from bmis.predict.predictor import Frame, FrameLogits, Predictor

_Key = TypeVar("_Key")


def infer_read(
    predictor: Predictor, batch: Sequence[tuple[_Key, Frame] | None]
) -> list[tuple[_Key, FrameLogits | Mask]]:
    """Run the network on what could be read of a batch; an error of one image is that of all.

    Args:
        predictor: Runs the network.
        batch: What identifies each image, and its frame; None where it could not be read.

    Raises:
        BmisError: See ``Predictor``.

    Example:
        >>> import bmis
        >>> from bmis.data.images import read_image
        >>> predictor = bmis.load("run")
        >>> frame = predictor.prepare(read_image("photo.png"))
        >>> [key for key, _ in infer_read(predictor, [("photo", frame), None])]
        ['photo']
    """
    good = [one for one in batch if one is not None]
    found = predictor.infer([frame for _, frame in good]) if good else []
    return [(key, one) for (key, _), one in zip(good, found, strict=True)]


def infer_batch(
    predictor: Predictor,
    batch: Sequence[tuple[_Key, Frame | None]],
    fail: Callable[[_Key, BmisError], None],
) -> list[tuple[_Key, FrameLogits | Mask]]:
    """Run the network on a batch; a batch that fails is tried image by image.

    Args:
        predictor: Runs the network.
        batch: What identifies each image, and its frame; None where it could not be read.
        fail: Takes each image that fails, with its error.

    Raises:
        BundleError: The network itself cannot be run.
        NoMemoryError: The memory does not suffice for one image of the size of all.

    Example:
        >>> import bmis
        >>> from bmis.data.images import read_image
        >>> predictor = bmis.load("run")
        >>> frame = predictor.prepare(read_image("photo.png"))
        >>> [key for key, _ in infer_batch(predictor, [("photo", frame), ("bad", None)], print)]
        ['photo']
    """
    good = [(key, frame) for key, frame in batch if frame is not None]
    if not good:
        return []
    try:
        with one_line_about(good[0][0]):
            found = predictor.infer([frame for _, frame in good])
    except BundleError:  # an error of the network itself, which other images would meet too
        raise
    except BmisError as error:
        if len(good) > 1:
            return [result for one in good for result in infer_batch(predictor, [one], fail)]
        if isinstance(error, NoMemoryError) and predictor.frames_are_alike:
            raise
        fail(good[0][0], error)
        return []
    return [(key, one) for (key, _), one in zip(good, found, strict=True)]
