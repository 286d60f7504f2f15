"""The colours of the classes, one table for label files and for drawings."""

import colorsys

import numpy as np
from numpy.typing import NDArray

# the colours of Okabe and Ito, brightened: colour-blind people can distinguish them
_FIRST = (
    (0, 0, 0),
    (60, 190, 255),
    (255, 165, 0),
    (0, 200, 140),
    (250, 235, 60),
    (230, 120, 190),
    (60, 110, 255),
    (240, 90, 20),
)


def palette(num_classes: int) -> NDArray[np.uint8]:
    """Colours of the classes, (num_classes, 3) uint8 RGB: black first, then distinct bright ones.

    The colour of a class does not depend on how many classes there are.

    Example:
        >>> palette(3).tolist()
        [[0, 0, 0], [60, 190, 255], [255, 165, 0]]
    """
    colours = list(_FIRST[:num_classes])
    while len(colours) < num_classes:
        hue = len(colours) * 0.618034 % 1.0  # golden ratio: successive hues lie far apart
        red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, (1.0, 0.75)[len(colours) % 2])
        colours.append((round(255 * red), round(255 * green), round(255 * blue)))
    return np.array(colours, np.uint8)
