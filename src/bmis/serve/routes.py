"""The addresses of a service."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from bmis.serve import openapi
from bmis.serve.accept import JSON, choose_kind
from bmis.serve.listing import Models, describe_model
from bmis.serve.metrics import CONTENT_TYPE
from bmis.serve.refusals import Refused
from bmis.serve.requests import NetworkName, body_of, known_clients
from bmis.serve.service import Asked, Service, in_json
from bmis.serve.wanted import (
    EXTRAS_PATTERN,
    SPACING_PATTERN,
    Wanted,
    check_names,
    read_extras,
    read_spacing,
)

_Include = Annotated[
    str,
    Query(
        description="What JSON shall hold beside: picture (as PNG in base64), probability, or "
        "picture,probability.",
        json_schema_extra={"pattern": EXTRAS_PATTERN},
    ),
]
_Spacing = Annotated[
    str,
    Query(
        description="Millimetres per pixel of pictures that do not know their own: one number, or "
        "down,across.",
        json_schema_extra={"pattern": SPACING_PATTERN},
    ),
]


def make_router(service: Service) -> APIRouter:
    """The addresses of a service.

    Example:
        >>> from bmis.serve.networks import load_networks
        >>> from bmis.serve.settings import ServeSettings
        >>> service = Service(load_networks(["nuclei"]), ServeSettings())
        >>> [route.path for route in make_router(service).routes][:2]
        ['/v1/segment/{name}', '/v1/models']
        >>> service.worker.close()
    """
    router = APIRouter()
    known = known_clients(service)

    @router.post(
        "/v1/segment/{name}",
        dependencies=known,
        summary="Segment an image, a DICOM or NIfTI file, or a zip of them",
        response_class=Response,
        responses=openapi.SEGMENT,
        openapi_extra=openapi.BODY,
    )
    async def segment(
        name: NetworkName, request: Request, include: _Include = "", spacing: _Spacing = ""
    ) -> Response:
        kind = choose_kind(request.headers.get("accept", ""))
        check_names(request.query_params)
        wanted = Wanted(kind, read_extras(include), read_spacing(spacing))
        done = await service.segment(Asked(name, request.headers, wanted), body_of(request))
        return Response(done.body, media_type=done.kind)

    @router.get(
        "/v1/models",
        dependencies=known,
        summary="The networks, and what they mark",
        response_class=Response,
        responses=openapi.MODELS,
    )
    async def models() -> Response:
        networks = service.networks.values()
        found = Models([describe_model(network.name, network.info) for network in networks])
        return Response(in_json(found), media_type=JSON)

    @router.get("/health", summary="Whether the service runs", responses=openapi.HEALTH)
    async def health() -> Response:
        return Response(in_json({"status": "ok"}), media_type=JSON)

    @router.get("/ready", summary="Whether it has a place for a request", responses=openapi.READY)
    async def ready() -> Response:
        if service.worker.gate.is_full:
            raise Refused(503, "all places are taken", retry_after=service.worker.retry_after)
        return Response(in_json({"status": "ready"}), media_type=JSON)

    @router.get(
        "/metrics",
        dependencies=known,
        summary="Counters for Prometheus",
        response_class=Response,
        responses=openapi.METRICS,
    )
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)

    return router
