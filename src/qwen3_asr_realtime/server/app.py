"""The HTTP application: the WebSocket endpoint and the pages around it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from time import monotonic
from typing import Any

from fastapi import FastAPI, Response, WebSocket

from qwen3_asr_realtime import __version__
from qwen3_asr_realtime.engines.base import Condition
from qwen3_asr_realtime.server.address import REALTIME_PATH
from qwen3_asr_realtime.server.counting import RETRY_AFTER_S
from qwen3_asr_realtime.server.realtime import serve_realtime
from qwen3_asr_realtime.server.service import Service

REALTIME_PATHS = (REALTIME_PATH, f"{REALTIME_PATH}/", "/v1/realtime", "/v1/realtime/")


def create_app(service: Service, on_started: Callable[[], None]) -> FastAPI:
    """Build the application.

    Args:
        service: What connections share, running.
        on_started: Called when connections are about to be accepted.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        on_started()
        yield

    app = FastAPI(
        title="Qwen3-ASR realtime server",
        version=__version__,
        description=f"Realtime speech recognition over a WebSocket at `{REALTIME_PATH}`.",
        lifespan=lifespan,
    )

    @app.get("/", summary="Service information")
    async def root() -> dict[str, Any]:
        return {
            "service": "qwen3-asr-realtime-server",
            "version": __version__,
            "realtime": REALTIME_PATH,
            "health": "/health",
            "ready": "/ready",
            "docs": "/docs",
        }

    @app.get("/health", summary="Whether process and engine work")
    async def health() -> dict[str, Any]:
        info, engine = service.recogniser.engine.info, service.recogniser.engine.status
        return {
            "status": "ok" if engine.condition is Condition.OK else "degraded",
            "version": __version__,
            "engine": info.name,
            "engine_status": engine.condition,
            "engine_reason": engine.reason,
            "engine_restarts": engine.restarts,
            "model": info.model,
            "languages": "all" if info.languages is None else sorted(info.languages),
            "sessions": len(service.connections),
            "uptime_s": round(monotonic() - service.started_at_s, 1),
        }

    @app.get("/ready", summary="Whether a new session would be admitted")
    async def ready(response: Response) -> dict[str, Any]:
        refusal = await service.admission.refusal()
        if service.drain.begun:
            reason = "draining"
        elif refusal is not None:
            reason = f"{refusal.limit} is reached"
        elif service.recogniser.engine.status.condition is Condition.DOWN:
            reason = "the engine is down"
        else:
            return {"ready": True}
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return {"ready": False, "reason": reason}

    async def realtime(websocket: WebSocket) -> None:
        await serve_realtime(websocket, service)

    for path in REALTIME_PATHS:
        app.add_api_websocket_route(path, realtime)
    return app
