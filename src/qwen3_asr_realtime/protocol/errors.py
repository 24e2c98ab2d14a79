"""What goes wrong on the wire, as values."""

import reprlib
from typing import Literal

ErrorType = Literal["invalid_request_error", "server_error"]


class ProtocolError(Exception):
    """A client event that cannot be carried out; it changes nothing and the session goes on.

    Attributes:
        message: For the client's developer.
        code: Machine-readable reason, always a string (typed SDKs reject numbers).
        param: Dotted path of the offending field, or None.
        event_id: The client's own id of the offending event, once known.
    """

    def __init__(
        self, message: str, *, code: str = "invalid_value", param: str | None = None, event_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.event_id = event_id


def invalid_value(value: object, allowed: str, param: str) -> ProtocolError:
    """The error for a field outside its range, in the cloud's wording."""
    return ProtocolError(f"Invalid value: {shown(value)}. Supported values are: {allowed}.", param=param)


def shown(value: object) -> str:
    """What the client sent, as Python writes it, but short: it may be 15 MiB long or nested a thousand deep."""
    return reprlib.repr(value)
