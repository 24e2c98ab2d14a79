"""Who may connect at all: the origin and the key, looked at before a WebSocket is accepted."""

from dataclasses import dataclass
from http import HTTPStatus

from fastapi import WebSocket
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from qwen3_asr_realtime.server.credentials import Keyring, shown_key, tenant_of
from qwen3_asr_realtime.server.origins import is_allowed, parsed_origins


class Denied(Exception):
    """A connection that is not let in.

    Attributes:
        status: The HTTP status that says so.
        limit: The setting that keeps it out.
        code: Why, for programs.
        message: Why, for people.
    """

    def __init__(self, status: HTTPStatus, limit: str, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.limit = limit
        self.code = code
        self.message = message

    def response(self) -> JSONResponse:
        """The answer to the request."""
        error = {"type": "invalid_request_error", "code": self.code, "message": self.message}
        headers = {"WWW-Authenticate": "Bearer"} if self.status is HTTPStatus.UNAUTHORIZED else None
        return JSONResponse({"error": error}, self.status, headers)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever connects, as far as they are known.

    Attributes:
        tenant: Whose key they show; "" if none.
        sessions: How many that key may have at a time; None for `MAX_SESSIONS_PER_KEY`.
    """

    tenant: str = ""
    sessions: int | None = None


class Reception:
    """Looks at handshakes.

    Args:
        keys: Which are admitted; any is, and none too, while none is in force.
        origins: `ALLOWED_ORIGINS`.
    """

    def __init__(self, keys: Keyring, origins: str = "") -> None:
        self._keys = keys
        self._origins = parsed_origins(origins)

    def admit(self, websocket: WebSocket) -> Visitor:
        """Who it is.

        Raises:
            Denied: They may not connect.
        """
        headers = websocket.headers
        if not is_allowed(headers.get("origin"), headers.get("host", ""), self._origins):
            raise Denied(
                HTTPStatus.FORBIDDEN,
                "ALLOWED_ORIGINS",
                "origin_not_allowed",
                "Pages of this origin may not connect here.",
            )
        return self.identify(websocket)

    def identify(self, request: HTTPConnection) -> Visitor:
        """Whose key a request shows.

        Raises:
            Denied: None that is good enough.
        """
        query = request.scope["query_string"].decode("ascii", "replace")
        shown = request.headers, query, request.scope.get("subprotocols", ())
        if not self._keys.is_in_force:
            return Visitor(tenant_of(*shown))
        text = shown_key(*shown)
        key = self._keys.find(text) if text else None
        if key is None:
            message = "This API key is not valid here." if text else "An API key is needed."
            raise Denied(HTTPStatus.UNAUTHORIZED, "API_KEYS", "invalid_api_key", message)
        return Visitor(key.tenant, key.sessions)
