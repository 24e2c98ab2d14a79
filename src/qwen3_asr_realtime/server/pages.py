"""The HTTP pages around the WebSocket: for load balancers, for monitoring, and for people who write clients."""

from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from prometheus_client.exposition import choose_encoder

from qwen3_asr_realtime import __version__
from qwen3_asr_realtime.engines.base import Condition
from qwen3_asr_realtime.server.address import REALTIME_PATH
from qwen3_asr_realtime.server.asyncapi import asyncapi_document
from qwen3_asr_realtime.server.counting import RETRY_AFTER_S
from qwen3_asr_realtime.server.demo import PAGE_PATH
from qwen3_asr_realtime.server.rendering import http_page, realtime_page
from qwen3_asr_realtime.server.service import Service
from qwen3_asr_realtime.server.stats import Stats, collect_stats

PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"}
"""The pages load nothing from anywhere and run no scripts."""


@dataclass(frozen=True, slots=True)
class ServiceInformation:
    """What this is, and the paths of all there is."""

    service: str
    version: str
    realtime: str
    health: str
    ready: str
    metrics: str
    stats: str
    docs: str
    openapi: str
    realtime_docs: str
    asyncapi: str
    demo: str | None


@dataclass(frozen=True, slots=True)
class Health:
    """How process and engine are. `degraded` is not yet a reason to restart: the engine is restarted by the server."""

    status: Literal["ok", "degraded"]
    version: str
    engine: str
    engine_status: Condition
    engine_restarts: int
    model: str
    languages: Literal["all"] | list[str]
    sessions: int
    uptime_s: float


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether one more session would be admitted, and if not, why."""

    ready: bool
    reason: str | None = None


def public_pages(service: Service) -> APIRouter:
    """Pages that anybody may see."""
    pages = APIRouter()
    asyncapi = asyncapi_document(REALTIME_PATH)
    rendered: dict[str, str] = {}  # made when first asked for: each takes milliseconds in which no session gets on

    @pages.get("/", summary="Service information")
    async def root() -> ServiceInformation:
        return ServiceInformation(
            service="qwen3-asr-realtime-server",
            version=__version__,
            realtime=REALTIME_PATH,
            health="/health",
            ready="/ready",
            metrics="/metrics",
            stats="/stats",
            docs="/docs",
            openapi="/openapi.json",
            realtime_docs="/docs/realtime",
            asyncapi="/asyncapi.json",
            demo=f"{PAGE_PATH}/" if service.settings.demo_page else None,
        )

    @pages.get("/health", summary="Whether process and engine work")
    async def health() -> Health:
        # Why the engine is down is in the log: the reason may name files and servers of the inside.
        info, status = service.recogniser.engine.info, service.recogniser.engine.status
        return Health(
            status="ok" if status.condition is Condition.OK else "degraded",
            version=__version__,
            engine=info.name,
            engine_status=status.condition,
            engine_restarts=status.restarts,
            model=info.model,
            languages="all" if info.languages is None else sorted(info.languages),
            sessions=len(service.connections),
            uptime_s=round(monotonic() - service.started_at_s, 1),
        )

    unready: dict[int | str, dict[str, Any]] = {
        HTTPStatus.SERVICE_UNAVAILABLE.value: {
            "model": Readiness,
            "description": "Not now",
            "headers": {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}},
        }
    }

    @pages.get(
        "/ready",
        summary="Whether a new session would be admitted",
        response_model_exclude_none=True,
        responses=unready,
    )
    async def ready(response: Response) -> Readiness:
        refusal = await service.admission.refusal()
        if service.drain.begun:
            reason = "draining"
        elif refusal is not None:
            reason = f"{refusal.limit} is reached"
        elif service.recogniser.engine.status.condition is Condition.DOWN:
            reason = "the engine is down"
        else:
            return Readiness(ready=True)
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return Readiness(ready=False, reason=reason)

    @pages.get("/asyncapi.json", summary="The WebSocket protocol as an AsyncAPI 3 document")
    async def asyncapi_json() -> dict[str, Any]:
        return asyncapi

    @pages.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        if "http" not in rendered:
            rendered["http"] = http_page(request.app.openapi())
        return HTMLResponse(rendered["http"], headers=PAGE_HEADERS)

    @pages.get("/docs/realtime", include_in_schema=False)
    async def realtime_docs() -> HTMLResponse:
        if "realtime" not in rendered:
            rendered["realtime"] = realtime_page(asyncapi)
        return HTMLResponse(rendered["realtime"], headers=PAGE_HEADERS)

    return pages


def operator_pages(service: Service) -> APIRouter:
    """Pages for those who run the server."""
    pages = APIRouter()

    @pages.get(
        "/metrics",
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={HTTPStatus.OK.value: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        service.sampler.sample()
        return Response(encode(service.metrics.collected()), media_type=content_type)

    @pages.get("/stats", summary="How the server is doing")
    async def stats() -> Stats:
        return collect_stats(service)

    return pages
