"""The colours by which PASCAL VOC numbers its classes."""

VOID = 0xE0E0C0
"""The colour of pixels that have no class."""


def voc_colour(index: int) -> int:
    """The colour of a class as 0xRRGGBB: the bits of its number, dealt to red, green and blue.

    Example:
        >>> [f"{voc_colour(index):06x}" for index in (0, 1, 2, 9, 255)]
        ['000000', '800000', '008000', 'c00000', 'e0e0c0']
    """
    channels = [0, 0, 0]  # red, green, blue
    for place in range(8):  # bits 0, 1, 2 are the highest of each, 3, 4, 5 the next
        channels[place % 3] |= (index >> place & 1) << (7 - place // 3)
    return channels[0] << 16 | channels[1] << 8 | channels[2]
