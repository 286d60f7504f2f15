"""What all addresses ask of a request: the name of a network in it, and its body."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Path, Request
from starlette.requests import ClientDisconnect

from bmis.serve.refusals import Refused

NetworkName = Annotated[str, Path(description="Name of a network, see /v1/models.", max_length=200)]


async def body_of(request: Request) -> AsyncIterator[bytes]:
    """The body of a request in the pieces in which it comes.

    Raises:
        Refused: It ended early.

    Example:
        >>> body_of(Request({"type": "http"}))
        <async_generator object body_of at ...>
    """
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        raise Refused(400, "the body ended early; send it again") from None
