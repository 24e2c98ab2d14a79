"""The two servers of append_cost.py: `bare`, a FastAPI echo, and `deaf`, this server with detection taken out."""

import json
import sys

import pybase64
import uvicorn
from fastapi import FastAPI, WebSocket

from qwen3_asr_realtime.samples import Samples
from qwen3_asr_realtime.server import connection
from qwen3_asr_realtime.server.address import REALTIME_PATH
from qwen3_asr_realtime.server.serve import serve
from qwen3_asr_realtime.settings import load_settings


def bare() -> None:
    """Parse and decode every append, answer the finish."""
    app = FastAPI()

    @app.get("/health")
    async def health() -> str:
        return "ok"

    @app.websocket(REALTIME_PATH)
    async def realtime(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text('{"type":"session.created"}')
        received = 0
        while (event := json.loads(await websocket.receive_text()))["type"] != "session.finish":
            received += len(pybase64.b64decode(event["audio"], validate=True))
        await websocket.send_text(json.dumps({"type": "session.finished", "received": received}))
        await websocket.close()

    settings = load_settings()
    uvicorn.run(
        app,
        host=settings.server_host,
        port=settings.server_port,
        log_level="warning",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_timeout=None,
    )


def deaf() -> None:
    """This server, hearing nothing: detection only counts the samples."""

    async def listen(self: connection.Connection, samples: Samples) -> None:
        self._detector._judged += len(samples)
        if len(samples) and (outputs := self._session.audio_received(self._detector.position)):
            await self._carry_out(outputs)

    connection.Connection._listen = listen  # type: ignore[method-assign] # the step that would detect
    settings = load_settings()
    serve(settings)


if __name__ == "__main__":
    {"bare": bare, "deaf": deaf}[sys.argv[1]]()
