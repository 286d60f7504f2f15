"""What the addresses take and answer, for OpenAPI, with examples."""

from collections.abc import Sequence
from typing import Any

import msgspec

from bmis.serve.accept import DICOM, JSON, NIFTI, PNG
from bmis.serve.answers import Answer
from bmis.serve.listing import Models
from bmis.serve.metrics import CONTENT_TYPE
from bmis.serve.monai_label.sessions import Session
from bmis.serve.refusals import Problem

_INVALID = "HTTPValidationError"
_PLACE = "#/components/schemas/{name}"
BYTES = {"schema": {"type": "string", "format": "binary", "minLength": 1}}
"""What is no JSON, in a body or an answer."""

_EXAMPLE = {
    "model": "colonoscopy",
    "classes": ["background", "polyp"],
    "pictures": [
        {
            "name": "the body",
            "height": 480,
            "width": 640,
            "spacing": None,
            "ood_score": 0.61,
            "out_of_distribution": False,
            "expected_dice": 0.88,
            "expected_dice_note": None,
            "regions": [
                {
                    "label": 1,
                    "class": "polyp",
                    "colour": [60, 190, 255],
                    "objects": 1,
                    "area_px": 6,
                    "area_mm2": None,
                    "fraction": 0.0000195,
                    "box": [100, 200, 2, 3],
                    "centroid": [101.0, 201.5],
                    "diameter_px": 3.6,
                    "diameter_mm": None,
                    "polygons": [[[[200, 100], [203, 100], [203, 102], [200, 102], [200, 100]]]],
                    "rle": {"size": [480, 640], "counts": [96100, 2, 478, 2, 478, 2, 210138]},
                    "probability": None,
                }
            ],
            "picture": None,
            "error": None,
        }
    ],
    "notes": [],
}
REFUSALS = {
    400: ("The body is empty or ended early, or the query is wrong.", "the body is empty; ..."),
    401: ("The token is missing or wrong.", "no token, or a wrong one; ..."),
    403: ("Without tokens: not a request of this machine.", "another web page may not use ..."),
    404: ("There is no such network.", "no network 'colonscopy' here (did you mean ..."),
    406: ("There is no answer of that kind.", "a PNG holds one mask, there are 3 pictures; ..."),
    408: ("The body came too slowly.", "the body did not come within 60 seconds; send it again"),
    413: ("Too many bytes, pixels or files.", "the body has more than 67108864 bytes; ..."),
    415: (
        "The body is no image, DICOM, NIfTI or zip.",
        "the body: not an image (its first bytes ...",
    ),
    422: ("The image is damaged, or not for this network.", "the body: truncated or damaged ..."),
    429: ("All places are taken; see Retry-After.", "all places are taken; try again later"),
    503: ("There was no answer in time; see Retry-After.", "no answer within 60 seconds; ..."),
}


def in_json(kind: type, example: Any = None) -> dict[str, Any]:
    """An answer in JSON, one of the kinds that ``add_schemas`` knows.

    Example:
        >>> in_json(Problem)
        {'application/json': {'schema': {'$ref': '#/components/schemas/Problem'}}}
    """
    content = {"schema": {"$ref": _PLACE.format(name=kind.__name__)}}
    return {JSON: content if example is None else {**content, "example": example}}


def _refusal(status: int) -> dict[str, Any]:
    description, example = REFUSALS[status]
    content = in_json(Problem, {"error": example, "request_id": "4be0643f1d98573b"})
    return {"description": description, "content": content}


def answers(ok: dict[str, Any], *refusals: int) -> dict[int | str, dict[str, Any]]:
    """What an address answers: where all is well, and how it refuses.

    Example:
        >>> sorted(answers({"description": "The networks."}, 401, 403))
        [200, 401, 403]
    """
    return {200: ok, **{status: _refusal(status) for status in refusals}}


_STATUS = {"schema": {"type": "object", "properties": {"status": {"type": "string"}}}}
SEGMENT = answers(
    {
        "description": "The masks. PNG, DICOM segmentation and NIfTI are those of `bmis predict`.",
        "content": {**in_json(Answer, _EXAMPLE), **dict.fromkeys((PNG, DICOM, NIFTI), BYTES)},
    },
    *REFUSALS,
)
MODELS = answers({"description": "The networks.", "content": in_json(Models)}, 401, 403)
HEALTH = answers({"description": "It runs.", "content": {JSON: _STATUS}})
READY = answers({"description": "It has a place.", "content": {JSON: _STATUS}}, 503)
METRICS = answers(
    {"description": "The counters.", "content": {CONTENT_TYPE: {"schema": {"type": "string"}}}},
    401,
    403,
)
_BODIES = ("application/octet-stream", "image/*", DICOM, NIFTI, "application/zip")
BODY = {
    "requestBody": {
        "required": True,
        "description": "The bytes of an image (PNG, JPEG, BMP, TIFF, GIF, WEBP, NPY), of a DICOM "
        "or NIfTI file, or of a zip of such files. What it is shows in its bytes.",
        "content": dict.fromkeys(_BODIES, BYTES),
    }
}


def add_schemas(document: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Put the schemas of our answers, and what names there are, into a document of OpenAPI.

    Args:
        document: What FastAPI made.
        names: Names of the networks.

    Example:
        >>> sorted(add_schemas({"paths": {}}, [])["components"]["schemas"])[:3]
        ['Answer', 'Model', 'Models']
    """
    for methods in document["paths"].values():
        for method in methods.values():
            for parameter in method.get("parameters", ()):
                if parameter["name"] == "name":
                    parameter["schema"]["enum"] = list(names)
            if _INVALID in str(method["responses"].get("422")):  # FastAPI says so; it is our 400
                del method["responses"]["422"]
    for name in (_INVALID, "ValidationError"):
        document.get("components", {}).get("schemas", {}).pop(name, None)
    kinds = [Answer, Models, Problem, Session]
    _, found = msgspec.json.schema_components(kinds, ref_template=_PLACE)
    for schema in found.values():
        if "description" in schema:  # the examples in docstrings are for Python
            schema["description"] = schema["description"].partition("\n\nExample:")[0].strip()
    document.setdefault("components", {}).setdefault("schemas", {}).update(found)
    return document
