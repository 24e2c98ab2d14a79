"""Between the HTTP server that Serve runs in a replica's process and Serve: WebSockets as this server wants them.

Serve starts uvicorn with its defaults and offers no options for WebSockets. They would be compressed (79 instead of
44 kB each), a client that does not read for 20 seconds would be hung up on, and frames would pile up without bound.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

import uvicorn

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HEALTH_PATH = "/-/healthz"
"""Where Serve says whether a replica may get traffic; HAProxy asks there, too."""

WATCH_INTERVAL_S = 0.5
"""Time between two looks whether the replica has to go."""

DIRECT = (b"x-request-disconnect-disabled", b"?1")
"""Tells Serve not to read the socket itself in order to notice a client's end: this server does, and with a bound."""


class Ingress:
    """Serve's application for a replica, with the socket handed through.

    Args:
        application: Serve's, which counts sessions and calls the replica.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._called = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection or request."""
        self._called.set()
        if scope["type"] == "websocket":
            scope["headers"] = [*(header for header in scope["headers"] if header[0] != DIRECT[0]), DIRECT]
        await self._application(scope, receive, send)

    async def until_draining(self) -> None:
        """Wait until Serve has decided that the replica has to go. It tells nobody, but it answers who asks."""
        await self._called.wait()  # before HAProxy asks for the first time, Serve has no answer
        while await self._health() == HTTPStatus.OK:  # noqa: ASYNC110 - Serve has no event for it
            await asyncio.sleep(WATCH_INTERVAL_S)

    async def _health(self) -> int:
        status = 0

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)

        scope = {
            "type": "http",
            "method": "GET",
            "path": HEALTH_PATH,
            "root_path": "",
            "query_string": b"",
            "headers": [],
        }
        await self._application(scope, receive, send)
        return status


def shape_http_servers(websocket_options: dict[str, Any], on_ingress: Callable[[Ingress], None]) -> None:
    """Let HTTP servers that are set up in this process from now on have these options and an `Ingress`.

    Args:
        websocket_options: Arguments of `uvicorn.Config`.
        on_ingress: Gets the ingress of each.
    """
    original = uvicorn.Config

    def config(make: Callable[[], Application], /, **options: Any) -> uvicorn.Config:  # noqa: ANN401 - whatever it takes
        def application() -> Ingress:
            ingress = Ingress(make())
            on_ingress(ingress)
            return ingress

        return original(application, **{**options, **websocket_options})

    uvicorn.Config = config  # type: ignore[assignment, misc] # the only place where Serve can be given options
