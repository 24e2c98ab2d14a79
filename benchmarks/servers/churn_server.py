"""The server of churn.py: it also tells which asyncio tasks it has.

    python benchmarks/servers/churn_server.py

`GET /tasks` answers with their names, the one that answers left out.
"""

import asyncio
from collections.abc import Callable

from fastapi import FastAPI

from qwen3_asr_realtime.server import serve
from qwen3_asr_realtime.server.app import create_app
from qwen3_asr_realtime.server.service import Service
from qwen3_asr_realtime.settings import load_settings


def create_app_with_tasks(service: Service, on_started: Callable[[], None]) -> FastAPI:
    """The application with one page more."""
    app = create_app(service, on_started)

    @app.get("/tasks")
    async def tasks() -> list[str]:
        # Tasks without a name of their own have a number, which is never the same.
        names = [task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}]
        return sorted("unnamed" if name.startswith("Task-") else name for name in names)

    return app


serve.create_app = create_app_with_tasks  # type: ignore[attr-defined] # where the server takes it from

settings = load_settings()
serve.serve(settings)
