"""The HTTP application: the WebSocket endpoint and the pages around it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse

from qwen3_asr_realtime import __version__
from qwen3_asr_realtime.engines.base import Engine
from qwen3_asr_realtime.server.realtime import serve_realtime
from qwen3_asr_realtime.server.service import Service, running_service
from qwen3_asr_realtime.settings import Settings

REALTIME_PATH = "/api-ws/v1/realtime"
REALTIME_PATHS = (REALTIME_PATH, f"{REALTIME_PATH}/", "/v1/realtime", "/v1/realtime/")


def create_app(settings: Settings, engine: Engine, on_started: Callable[[], None] = lambda: None) -> FastAPI:
    """Build the application.

    Args:
        settings: The server's configuration.
        engine: Not yet started; the application starts and stops it.
        on_started: Called once everything runs and connections are about to be accepted.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running_service(settings, engine) as service:
            app.state.service = service
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
            "docs": "/docs",
        }

    @app.get("/health", summary="Whether process and engine work")
    async def health(request: Request) -> JSONResponse:
        service: Service = request.app.state.service
        info = service.recogniser.engine.info
        return JSONResponse(
            {
                "status": "ok",
                "version": __version__,
                "engine": info.name,
                "model": info.model,
                "languages": "all" if info.languages is None else sorted(info.languages),
                "sessions": len(service.connections),
                "uptime_s": round(monotonic() - service.started_at_s, 1),
            }
        )

    async def realtime(websocket: WebSocket) -> None:
        await serve_realtime(websocket, websocket.app.state.service)

    for path in REALTIME_PATHS:
        app.add_api_websocket_route(path, realtime)
    return app
