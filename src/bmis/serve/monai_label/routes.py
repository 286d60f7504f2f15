"""The addresses that clients of MONAI Label ask for masks, and those that they ask before."""

import asyncio
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request, Response

from bmis.serve.accept import DICOM, JSON, NIFTI, PNG
from bmis.serve.monai_label import openapi
from bmis.serve.monai_label.answers import (
    NO_IMAGES,
    SUFFIXES,
    describe_mask,
    describe_service,
)
from bmis.serve.monai_label.form import read_form, write_form
from bmis.serve.monai_label.sessions import Session, Sessions
from bmis.serve.networks import Network
from bmis.serve.refusals import Refused
from bmis.serve.requests import NetworkName, body_of, known_clients
from bmis.serve.segment import Done
from bmis.serve.service import Service, in_json
from bmis.serve.wanted import Wanted

_LONGEST, _SECONDS = 4096, 10  # of a form with a name and a token
_OUTPUTS = ("all", "image", "json", "dicom_seg")
_Output = Annotated[
    str, Query(description="What is answered.", json_schema_extra={"enum": list(_OUTPUTS)})
]
_SessionId = Annotated[str, Query(description="A session, in place of a file.", max_length=64)]


def make_routers(service: Service) -> list[APIRouter]:
    """The addresses of MONAI Label: those to log in, and those that need a token if any does.

    Example:
        >>> from bmis.serve.networks import load_networks
        >>> from bmis.serve.settings import ServeSettings
        >>> service = Service(load_networks(["nuclei"]), ServeSettings())
        >>> [router.routes[0].path for router in make_routers(service)]
        ['/auth/', '/info/']
        >>> service.worker.close()
    """
    login = APIRouter(tags=["MONAI Label"], default_response_class=Response)
    _add_login(login, service)
    others = APIRouter(
        tags=["MONAI Label"],
        default_response_class=Response,
        dependencies=known_clients(service),
    )
    _add_facts(others, service)
    _add_masks(others, service)
    _add_sessions(others, service)
    return [login, others]


def _json(value: Any) -> Response:
    return Response(in_json(value), media_type=JSON)


def _add_facts(router: APIRouter, service: Service) -> None:
    @router.get(
        "/info/",
        summary="The networks, for clients of MONAI Label",
        responses=openapi.INFO,
    )
    async def info() -> Response:
        return _json(describe_service(list(service.networks.values())))

    @router.get(
        "/datastore/",
        summary="No images are kept here",
        responses=openapi.DATASTORE,
    )
    async def datastore(output: str = "stats") -> Response:
        return _json({"objects": {}} if output == "all" else NO_IMAGES)


def _add_masks(router: APIRouter, service: Service) -> None:
    @router.post(
        "/infer/{name}",
        summary="The mask of a file of a form, or of a session",
        responses=openapi.INFER,
        openapi_extra=openapi.INFER_BODY,
    )
    async def infer(
        name: NetworkName, request: Request, session_id: _SessionId = "", output: _Output = "all"
    ) -> Response:
        if output not in _OUTPUTS:
            raise Refused(400, f"output must be one of {', '.join(_OUTPUTS)}")
        network = service.find(name)
        work = partial(_segment, service, network, request, session_id, output)
        done = await service.work(request.headers, body_of(request), work)
        return _answer(network, done, output)


def _segment(
    service: Service, network: Network, request: Request, session_id: str, output: str, body: Path
) -> Done:
    """What the worker does with a form."""
    form = read_form(body, request.headers.get("content-type", ""), body.with_name("form"))
    if form.named("label"):
        raise Refused(422, "scribbles are not taken here; send the image alone")
    lent = form.named("file")
    if session_id:
        lent = service.sessions.lend(session_id, body.parent)
    if not lent:
        raise Refused(404, "no images are kept here; send a file, or name a session")
    contents = service.open(lent)
    kind = DICOM if output == "dicom_seg" else PNG if contents.images else NIFTI
    return service.answer(network, contents, Wanted(kind, numbers=True))


def _answer(network: Network, done: Done, output: str) -> Response:
    told, name = in_json(describe_mask(network, done)), f"mask{SUFFIXES[done.kind]}"
    if output == "json":
        return Response(told, media_type=JSON)
    if output == "all":
        body, kind = write_form([("params", None, told), ("image", name, done.body)])
        return Response(body, media_type=kind)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(done.body, media_type=done.kind, headers=headers)


def _add_sessions(router: APIRouter, service: Service) -> None:
    @router.put(
        "/session/",
        summary="Leave images here for a while",
        responses=openapi.BEGIN,
        openapi_extra=openapi.BEGIN_BODY,
    )
    async def begin(request: Request) -> Response:
        work = partial(_keep, service.sessions, request)
        session = await service.work(request.headers, body_of(request), work)
        return _json({"session_id": session.name, "session_info": session})

    @router.get(
        "/session/{session_id}",
        summary="Whether images are still here",
        responses=openapi.SESSION,
    )
    async def find(session_id: str) -> Response:
        return _json(service.sessions.find(session_id))

    @router.delete(
        "/session/{session_id}",
        summary="Remove images",
        responses=openapi.SESSION,
    )
    async def end(session_id: str) -> Response:
        return _json(service.sessions.remove(session_id))


def _keep(sessions: Sessions, request: Request, body: Path) -> Session:
    form = read_form(body, request.headers.get("content-type", ""), body.with_name("form"))
    if not form.named("files"):
        raise Refused(400, "the form holds no files; send the images as its field `files`")
    return sessions.add(form.named("files"))


def _add_login(router: APIRouter, service: Service) -> None:
    """3D Slicer asks for a name and a password; the password is a token of the service."""

    @router.get(
        "/auth/",
        summary="Whether a token is needed",
        responses=openapi.ENABLED,
    )
    async def enabled() -> Response:
        return _json({"enabled": service.tokens is not None})

    @router.post(
        "/auth/token",
        summary="Whether the password of a form is a token; the token",
        responses=openapi.LOGIN,
        openapi_extra=openapi.LOGIN_BODY,
    )
    async def log_in(request: Request) -> Response:
        found = parse_qs(await _short_body(request))
        token = found.get("password", [""])[0]
        service.check_client({**request.headers, "authorization": f"Bearer {token}"})
        return _json({"access_token": token, "token_type": "bearer"})

    @router.get(
        "/auth/token/valid",
        summary="Whether a token is right",
        responses=openapi.VALID,
    )
    async def valid(request: Request) -> Response:
        service.check_client(request.headers)
        return _json({})


async def _short_body(request: Request) -> str:
    body = b""
    with suppress(TimeoutError):  # what has come by then is not enough
        async with asyncio.timeout(_SECONDS):
            async for chunk in body_of(request):
                body += chunk
                if len(body) > _LONGEST:
                    raise Refused(413, f"the form has more than {_LONGEST} bytes")
    return body.decode("utf-8", "replace")
