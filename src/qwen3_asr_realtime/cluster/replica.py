"""One replica: the server without its own sockets, in a process of its own that Serve starts and stops."""

import asyncio

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

    async def __init__(self, settings: Settings) -> None:  # type: ignore[misc] # Serve awaits it
        configure_logs(settings)
        self._settings = settings
        self._stop = asyncio.Event()
        started: asyncio.Future[Service] = asyncio.get_running_loop().create_future()
        self._running = asyncio.create_task(self._run(started), name="service")
        self._tasks = [self._running]
        self._service = await started
        shape_http_servers({"ws": "websockets-sansio", **websocket_options(settings)}, self._watch)

    async def _run(self, started: asyncio.Future[Service]) -> None:
        """Start and stop in one task, whatever task Serve uses for which."""
        try:
            async with running_service(self._settings, select_engine(self._settings)) as service:
                started.set_result(service)
                await self._stop.wait()
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Build the application that Serve calls."""
        context = serve.get_replica_context()
        app = create_app(self._service, on_started=lambda: log.info("ready", replica=context.replica_tag))
        add_scrape(app, serve.get_deployment_handle(context.deployment, context.app_name))
        return app

    async def families(self) -> tuple[str, Families]:
        """Name of this replica and its measures."""
        return serve.get_replica_context().replica_tag, families_of(self._service.metrics.registry)

    async def check_health(self) -> None:
        """Tell Serve to replace this replica if it does not work. An engine that is down is started again in it."""
        ended = [task.get_name() for task in self._tasks if task.done()]
        if ended:
            raise RuntimeError(f"the replica has no {ended[0]} any more")

    def _watch(self, ingress: Ingress) -> None:
        self._tasks.append(asyncio.create_task(self._drain(ingress), name="watch for its end"))

    async def _drain(self, ingress: Ingress) -> None:
        await ingress.until_draining()
        await self._service.end_sessions()

    async def __del__(self) -> None:  # Serve awaits it
        """Stop the service, the engine last."""
        self._stop.set()
        await self._running
