"""From the contents of a body to the bytes of an answer, in one of four kinds; no HTTP here."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO

import msgspec
from PIL import Image as Pillow

from bmis.clinical.outputs import write_results
from bmis.clinical.segment import segment
from bmis.data.file_kinds import NotAnImageError
from bmis.data.images import encode_mask
from bmis.errors import (
    BmisError,
    BundleError,
    MissingExtraError,
    NoMemoryError,
    is_out_of_memory,
)
from bmis.serve.accept import DICOM, JSON, NIFTI, PNG
from bmis.serve.answers import Answer, Picture, describe
from bmis.serve.contents import Contents
from bmis.serve.networks import Network
from bmis.serve.pictures import Failed, Pictures, Segmented
from bmis.serve.refusals import Refused
from bmis.serve.wanted import Wanted


@dataclass(frozen=True)
class Done:
    """An answer, and what is counted of it.

    Attributes:
        body: The answer.
        kind: Its type, one of ``accept.KINDS``.
        pictures: Pictures that got a mask.
        out_of_distribution: How many of them are out of distribution.

    Example:
        >>> Done(b"{}", "application/json", pictures=1).out_of_distribution
        0
    """

    body: bytes
    kind: str
    pictures: int
    out_of_distribution: int = 0


def answer(network: Network, contents: Contents, wanted: Wanted, *, max_pixels: int) -> Done:
    """Segment all pictures of a body.

    Args:
        network: What segments them.
        contents: The body.
        wanted: What the client asks for.
        max_pixels: How many pixels all pictures together may have.

    Raises:
        Refused: There are too many pixels, nothing that can be segmented, or no such answer.

    Example:
        >>> from pathlib import Path
        >>> from bmis.serve.contents import open_contents
        >>> from bmis.serve.networks import load_networks
        >>> (network,) = load_networks(["colonoscopy"])
        >>> contents = open_contents([Path("photo.png")], limit=10**6)
        >>> done = answer(network, contents, Wanted(), max_pixels=10**6)
        >>> done.kind, done.pictures
        ('application/json', 1)
    """
    pictures = Pictures(network, contents, wanted)
    try:
        pictures.check_pixels(max_pixels)
        return _WRITERS[wanted.kind](pictures)
    except BmisError as error:
        raise Refused(_status(error), contents.in_words(str(error))) from error
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise Refused(413, "not enough memory for it; send a smaller image") from error


def _status(error: BmisError) -> int:
    """The status that goes with an error: it is the sender's, unless the network is broken."""
    if isinstance(error, NotAnImageError | MissingExtraError):
        return 415
    if isinstance(error, NoMemoryError):
        return 413
    return 500 if isinstance(error, BundleError) else 422


def _json(pictures: Pictures) -> Done:
    info, study = pictures.network.info, pictures.study
    notes = [f"{stack.name}: {note}" for stack in study.stacks for note in stack.notes]
    found = Answer(pictures.network.name, list(info.classes), notes=notes)
    for one in pictures.segment():
        found.pictures.append(_described(pictures, one))
    good = [one for one in found.pictures if one.error is None]
    if not good:
        raise Refused(422, next((str(one.error) for one in found.pictures), "there is no picture"))
    odd = sum(bool(one.out_of_distribution) for one in good)
    return Done(msgspec.json.encode(found), JSON, len(good), odd)


def _described(pictures: Pictures, one: Segmented | Failed) -> Picture:
    if isinstance(one, Failed):
        return Picture(one.name, error=one.error)
    shown = one.read() if "picture" in pictures.wanted.extras else None
    return describe(one.name, one.mask, pictures.network.info, shown)


def _png(pictures: Pictures) -> Done:
    """The mask as ``bmis predict`` writes it, or the plain numbers of classes."""
    if pictures.count != 1:
        raise Refused(
            406, f"a PNG holds one mask, there are {pictures.count} pictures; accept {JSON}"
        )
    (one,) = pictures.segment()
    if isinstance(one, Failed):
        raise Refused(422, one.error)
    labels = one.mask.labels
    if pictures.wanted.numbers:
        stream = BytesIO()
        Pillow.fromarray(labels).save(stream, "PNG")
        content = stream.getvalue()
    else:
        content = encode_mask(labels, max(2, len(pictures.network.info.classes)))
    return Done(content, PNG, 1, int(one.mask.out_of_distribution))


def _volume(pictures: Pictures, kind: str) -> Done:
    """The masks of the one series, clip or volume of a body in one file."""
    study, folder = pictures.study, pictures.contents.folder
    if pictures.contents.images or len(study.stacks) != 1:
        raise Refused(
            406,
            "DICOM and NIfTI hold the masks of one series, and this is none or several of them or "
            f"has other images; accept {JSON}",
        )
    (stack,) = study.stacks
    predictor, name = pictures.network.predictor(), pictures.network.name
    with segment(predictor, stack, folder, name, spacing=pictures.wanted.spacing) as result:
        if not result.good:
            raise Refused(422, pictures.contents.in_words(result.failed[0]))
        written, failed = write_results(result, folder / "masks", [_FORMATS[kind]])
        if failed:
            raise Refused(406, pictures.contents.in_words(failed[0][1]))
        odd = sum(score is not None and score > 1 for score in result.ood_scores)
        return Done(written[0].read_bytes(), kind, len(result.good), odd)


_FORMATS = {DICOM: "seg", NIFTI: "nifti"}
_WRITERS: dict[str, Callable[[Pictures], Done]] = {
    JSON: _json,
    PNG: _png,
    **{kind: partial(_volume, kind=kind) for kind in _FORMATS},
}
