"""Which pages are behind which port, and for whom: those for operators are not for everybody.

One application serves all pages. A door in front of it lets requests through by port and path, so that a page need not
know how it is reached.
"""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from qwen3_asr_realtime.server.handshake import Denied, Reception

PROBES = frozenset(["/health", "/ready"])
"""What orchestrators ask for, on either port and without a key."""

OPERATORS = frozenset(["/metrics", "/stats"])
"""What tells how the server is used: with a key where keys are set, or on a port of its own."""

NOT_FOUND = PlainTextResponse("Not Found", HTTPStatus.NOT_FOUND)


def with_doors(app: ASGIApp, reception: Reception, operators_port: int) -> ASGIApp:
    """The application as each port shows it.

    The operators' port has their pages and the probes, without a key, and nothing else. The public one has all the
    rest, and where there is no such port also their pages, for those who show a key, if one is needed.

    Args:
        app: All pages.
        reception: Knows the keys.
        operators_port: The port for operators; 0 if there is none.
    """

    def answer(scope: Scope) -> ASGIApp:
        path = "/" + scope["path"].strip("/").partition("/")[0]  # whatever may be mounted below
        if operators_port and scope["server"][1] == operators_port:
            return app if path in PROBES | OPERATORS else NOT_FOUND
        if path not in OPERATORS:
            return app
        if operators_port:
            return NOT_FOUND
        try:
            reception.identify(Request(scope))
        except Denied as denied:
            return denied.response()
        return app

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["type"] == "http"
        await (answer(scope) if is_page else app)(scope, receive, send)

    return door
