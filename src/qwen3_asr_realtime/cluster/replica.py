"""One replica: the server without its own sockets, in a process of its own that Serve starts and stops."""

import asyncio
from typing import Any

import structlog
from fastapi import FastAPI
from ray import serve

from qwen3_asr_realtime.cluster.ingress import Ingress, shape_http_servers
from qwen3_asr_realtime.cluster.scrape import Families, add_scrape, families_of
from qwen3_asr_realtime.engines.selection import select_engine
from qwen3_asr_realtime.server.app import create_app
from qwen3_asr_realtime.server.logs import configure_logs
from qwen3_asr_realtime.server.serve import websocket_options
from qwen3_asr_realtime.server.service import Service, running_service
from qwen3_asr_realtime.settings import Settings

log = structlog.get_logger()


@serve.ingress()
class Replica:
    """What Serve runs.

    Args:
        settings: The same for all replicas.
    """

    async def __init__(self, settings: Settings) -> None:
        configure_logs(settings)
        self._settings = settings
        self._stop = asyncio.Event()
        started: asyncio.Future[Service] = asyncio.get_running_loop().create_future()
        self._running = asyncio.create_task(self._run(started), name="service")
        await asyncio.wait([self._running, started], return_when=asyncio.FIRST_COMPLETED)
        if self._running.done():
            self._running.result()  # raises what kept it from starting
        self._service = started.result()
        shape_http_servers(websocket_options(settings), self._watch)

    async def _run(self, started: asyncio.Future[Service]) -> None:
        """Start and stop in one task, whatever task Serve uses for which."""
        async with running_service(self._settings, select_engine(self._settings)) as service:
            started.set_result(service)
            await self._stop.wait()

    def __serve_build_asgi_app__(self) -> FastAPI:  # noqa: PLW3201 - its name in Serve
        """Build the application that Serve calls."""
        context = serve.get_replica_context()
        app = create_app(self._service, on_started=lambda: log.info("ready", replica=context.replica_tag))
        add_scrape(app, serve.get_deployment_handle(context.deployment, context.app_name))
        return app

    async def families(self) -> tuple[str, Families]:
        """Name of this replica and its measures."""
        return serve.get_replica_context().replica_tag, families_of(self._service.metrics.registry)

    async def check_health(self) -> None:
        """Tell Serve to replace this replica if it has no service. An engine that is down is started again in it."""
        if self._running.done():
            raise RuntimeError("the service has ended")

    def _watch(self, ingress: Ingress) -> None:
        self._watching = asyncio.create_task(self._drain(ingress), name="watch for drain")

    async def _drain(self, ingress: Ingress) -> None:
        await ingress.until_draining()
        log.info("draining", sessions=len(self._service.connections))

    async def __del__(self) -> None:  # Serve awaits it
        """Stop the service, the engine last."""
        self._stop.set()
        await self._running
