"""The HTTP application: the WebSocket endpoint and the pages around it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, WebSocket
from fastapi.middleware.cors import CORSMiddleware

from qwen3_asr_realtime import __version__
from qwen3_asr_realtime.server.address import REALTIME_PATH
from qwen3_asr_realtime.server.demo import PAGE_PATH, DemoPage
from qwen3_asr_realtime.server.doors import with_doors
from qwen3_asr_realtime.server.origins import parsed_origins
from qwen3_asr_realtime.server.pages import operator_pages, public_pages
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
        docs_url=None,  # FastAPI's pages load their scripts from another host
        redoc_url=None,
    )
    app.add_middleware(with_doors, reception=service.reception, operators_port=service.settings.metrics_port)
    if origins := parsed_origins(service.settings.allowed_origins):
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["GET"], allow_headers=["Authorization"]
        )
    app.include_router(public_pages(service))
    app.include_router(operator_pages(service))

    async def realtime(websocket: WebSocket) -> None:
        await serve_realtime(websocket, service)

    if service.settings.demo_page:
        app.mount(PAGE_PATH, DemoPage())
    for path in REALTIME_PATHS:
        app.add_api_websocket_route(path, realtime)
    return app
