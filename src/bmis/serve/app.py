"""The application: addresses, the page, and how errors are answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

import bmis
from bmis.serve.accept import JSON
from bmis.serve.access import Access
from bmis.serve.monai_label.routes import make_routers
from bmis.serve.openapi import add_schemas
from bmis.serve.refusals import Refused, problem, request_id_of
from bmis.serve.routes import make_router
from bmis.serve.service import Service

_TIDY = 60  # seconds
PAGE = Path(__file__).parent / "page"
_MESSAGES = {
    404: "there is nothing at this address; see /openapi.json",
    405: "this address does not take this method; see /openapi.json",
}
_DESCRIPTION = "Networks that segment medical images. Not a medical device."


def make_app(service: Service) -> FastAPI:
    """The application of a service, for any server of ASGI.

    Example:
        >>> from bmis.serve.networks import load_networks
        >>> from bmis.serve.settings import ServeSettings
        >>> service = Service(load_networks(["nuclei"]), ServeSettings())
        >>> sorted(make_app(service).openapi()["paths"])[-1]
        '/v1/segment/{name}'
        >>> service.worker.close()
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tidying = asyncio.create_task(_tidy(service))
        yield
        tidying.cancel()
        service.worker.close()
        service.sessions.close()

    # no page of its own for the interface, as those load scripts from other hosts
    app = FastAPI(title="bmis", docs_url=None, redoc_url=None, lifespan=lifespan)
    for router in (make_router(service), *make_routers(service)):
        app.include_router(router)
    app.mount("/page", StaticFiles(directory=PAGE))

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    _answer_errors(app)
    app.openapi = lambda: _document(app, list(service.networks))  # type: ignore[method-assign]
    app.add_middleware(Access, metrics=service.metrics)
    return app


async def _tidy(service: Service) -> None:
    """End sessions also while nobody asks for anything."""
    while True:
        await asyncio.sleep(_TIDY)
        service.sessions.remove_expired()


def _document(app: FastAPI, names: list[str]) -> dict[str, Any]:
    if app.openapi_schema is None:
        made = get_openapi(
            title="bmis", version=bmis.__version__, description=_DESCRIPTION, routes=app.routes
        )
        app.openapi_schema = add_schemas(made, names)
    return app.openapi_schema


def _answer_errors(app: FastAPI) -> None:
    """Give all errors one shape."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return _problem(request, error.status, error.message, error.headers)

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, error: HTTPException) -> Response:
        message = _MESSAGES.get(error.status_code, str(error.detail))
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_methods(app, request)) or headers["Allow"]
        return _problem(request, error.status_code, message, headers)

    @app.exception_handler(RequestValidationError)
    async def wrong(request: Request, error: RequestValidationError) -> Response:
        found = error.errors()[0]
        place = " ".join(str(part) for part in found["loc"])
        return _problem(request, 400, f"{place}: {found['msg']}", {})


def _methods(app: FastAPI, request: Request) -> list[str]:
    """The methods of an address, of which the router names those of its first route alone."""
    path = getattr(request.scope.get("route"), "path", "")
    return sorted(method.upper() for method in app.openapi()["paths"].get(path, ()))


def _problem(request: Request, status: int, message: str, headers: dict[str, str]) -> Response:
    body = problem(message, request_id_of(request.scope))
    return Response(body, status, headers, media_type=JSON)
