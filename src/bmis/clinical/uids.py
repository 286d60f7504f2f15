"""UIDs that follow from what they name."""

import hashlib

_LONGEST = 64  # characters of a UID


def hashed_uid(root: str, text: str) -> str:
    """A UID under a root; the same text gives the same one.

    Args:
        root: Root of an organisation, or "2.25".
        text: What the UID names.

    Example:
        >>> hashed_uid("2.25", "a mask")[:12], len(hashed_uid("1.2." * 9 + "3", "a mask")) <= 64
        ('2.25.4413329', True)
    """
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
    return f"{root}.{str(number)[: _LONGEST - len(root) - 1]}"
