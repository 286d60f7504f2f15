"""The number of channels of a data set, found from its images."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from bmis.data.channels import COLOUR, is_grey
from bmis.data.formats.channel_pages import read_header_of_channels
from bmis.data.images import read_image
from bmis.data.on_error import OnError, raise_error, read_each
from bmis.errors import DataError
from bmis.wording import counted


def scan_channels(images: Sequence[Path], *, on_error: OnError = raise_error) -> int:
    """Find the number of channels of a data set: 1 if all images are grey, 3 if some are RGB.

    An RGB image also counts as grey if its channels are equal up to JPEG noise and up to coloured
    marks on at most 2 % of the pixels. Scanners print calipers and logos in colour on grey images.
    Images of another number of channels must all have the same.

    Args:
        images: Files of the images.
        on_error: Takes the error of every image that was looked into and cannot be read, and of
            images of different numbers of channels.

    Example:
        >>> scan_channels(sorted(Path("polyps/images").iterdir()))
        3
    """

    def stored(path: Path) -> int:
        return read_header_of_channels(path, None).channels

    seen = dict(read_each(stored, images, on_error))
    channels, wrong = agree_on_channels(seen)
    if wrong:
        on_error(wrong)
    if channels != max(COLOUR):
        return channels
    unsure = [path for path, number in seen.items() if number == channels]
    read = read_each(lambda path: is_grey(read_image(path).pixels), unsure, on_error)
    # the first truly coloured image ends the search
    return 1 if all(grey for _, grey in read) else channels


def agree_on_channels(found: Mapping[Path, int]) -> tuple[int, DataError | None]:
    """The number of channels that fits all images, and the error where there is none.

    Args:
        found: Number of channels of each image.

    Returns:
        The number that most images have, 3 where some are grey and some in colour. An error names
        the numbers, with an image of each.

    Example:
        >>> agree_on_channels({Path("a.png"): 1, Path("b.png"): 3})
        (3, None)
        >>> print(agree_on_channels({Path("a.png"): 3, Path("b.tif"): 5})[1])
        b.tif: has 5 channels, but a.png has 3 (1 image of 3, 1 of 5); all images of a data set ...
    """
    images: defaultdict[int, list[Path]] = defaultdict(list)
    for path, number in found.items():
        images[number].append(path)
    if set(images) <= {*COLOUR}:
        return max(images, default=max(COLOUR)), None
    most = max(images, key=lambda number: len(images[number]))
    if len(images) == 1:
        return most, None
    numbers = sorted(images)
    other = next(number for number in reversed(numbers) if number != most)
    counts = ", ".join(f"{len(images[n])} of {n}" for n in numbers[1:])
    return most, DataError(
        f"{images[other][0]}: has {counted(other, 'channel')}, but {images[most][0]} has {most} "
        f"({counted(len(images[numbers[0]]), 'image')} of {numbers[0]}, {counts}); all images of "
        "a data set need the same channels: save these anew, or leave them out in splits.csv"
    )
