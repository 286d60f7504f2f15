"""What schemathesis loads: the bodies that it sends, and a note of every answer.

Each line of the file that ``BMIS_FUZZ_CALLS`` names is a call: operation and status, 0 where no
answer came. Lines with a third word are failures of its checks.
"""

import json
import os
from pathlib import Path
from random import Random
from typing import Any

import schemathesis
from hypothesis import strategies

from fuzzing.bodies import body

_BODIES = strategies.integers(0, 2**32).map(lambda seed: body(Random(seed)))
_KINDS = ("application/octet-stream", "image/png", "application/dicom", "application/zip")
_calls = Path(os.environ["BMIS_FUZZ_CALLS"]).open("a", encoding="utf-8")  # noqa: SIM115

for kind in (*_KINDS, "image/*", "application/gzip"):
    schemathesis.openapi.media_type(kind, _BODIES)


def _note(case: Any, *words: object) -> None:
    _calls.write(json.dumps([case.operation.label, *words]) + "\n")
    _calls.flush()


def after_call(context: Any, case: Any, response: Any) -> None:
    _note(case, response.status_code)


def after_network_error(context: Any, case: Any, request: Any) -> None:
    _note(case, 0)


def after_validate(context: Any, case: Any, response: Any, results: Any) -> None:
    for result in results:
        if result.failure is not None:
            _note(case, response.status_code, result.failure.title)


for hook in (after_call, after_network_error, after_validate):
    schemathesis.hook(hook)
