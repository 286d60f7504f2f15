"""What all addresses ask of a request: who sends it, the name of a network, and its body."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Path, Request
from fastapi.security import HTTPBearer
from starlette.requests import ClientDisconnect

from bmis.serve.refusals import Refused
from bmis.serve.service import Service

NetworkName = Annotated[str, Path(description="Name of a network, see /v1/models.", max_length=200)]


def known_clients(service: Service) -> list[Any]:
    """What addresses depend on that answer known clients alone.

    OpenAPI says that they need a token where they do.

    Example:
        >>> from bmis.serve.networks import load_networks
        >>> from bmis.serve.settings import ServeSettings
        >>> service = Service(load_networks(["nuclei"]), ServeSettings())
        >>> len(known_clients(service))
        1
        >>> service.worker.close()
    """

    async def check(request: Request) -> None:
        service.check_client(request.headers)

    described = HTTPBearer(auto_error=False, description="One of the tokens.")
    return [Depends(check), *([] if service.tokens is None else [Depends(described)])]


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
