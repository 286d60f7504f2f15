"""What the addresses of MONAI Label take and answer, for OpenAPI."""

from typing import Any

from bmis.serve.accept import DICOM, JSON, NIFTI, PNG
from bmis.serve.monai_label.sessions import Session
from bmis.serve.openapi import BYTES, REFUSALS, answers, in_json

_FILE = {"type": "string", "format": "binary"}
_OBJECT = {JSON: {"schema": {"type": "object"}}}
_NO_BODY = (401, 403)  # how those refuse that take none


def _form(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema}}}}


INFER = answers(
    {
        "description": "The mask, and what is known of it.",
        "content": {
            "multipart/form-data": {"schema": {"type": "object"}},
            **_OBJECT,
            **dict.fromkeys((PNG, DICOM, NIFTI), BYTES),
        },
    },
    *REFUSALS,
)
INFER_BODY = _form("multipart/form-data", {"params": {"type": "string"}, "file": _FILE})
INFO = answers({"description": "The networks.", "content": _OBJECT}, *_NO_BODY)
DATASTORE = answers({"description": "No images.", "content": _OBJECT}, *_NO_BODY)
BEGIN = answers(
    {"description": "The number of the session.", "content": _OBJECT},
    *(status for status in REFUSALS if status != 406),
)
BEGIN_BODY = _form("multipart/form-data", {"files": {"type": "array", "items": _FILE}})
SESSION = answers({"description": "The session.", "content": in_json(Session)}, *_NO_BODY, 404)
ENABLED = answers({"description": "Whether it is.", "content": _OBJECT})
LOGIN = answers({"description": "The token.", "content": _OBJECT}, 400, *_NO_BODY, 413)
LOGIN_BODY = _form(
    "application/x-www-form-urlencoded",
    {"username": {"type": "string"}, "password": {"type": "string"}},
)
LOGIN_BODY["requestBody"]["required"] = False
VALID = answers({"description": "It is right.", "content": _OBJECT}, *_NO_BODY)
