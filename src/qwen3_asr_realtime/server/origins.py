"""Which web pages may connect: browsers say whose page it is that asks, and nothing else keeps others out."""

from collections.abc import Sequence
from urllib.parse import urlsplit

ANY = "*"
_PORTS = {"http": 80, "https": 443}


def parsed_origins(setting: str) -> list[str]:
    """The origins in `ALLOWED_ORIGINS`, as browsers write them."""
    return [origin.strip().rstrip("/").lower() for origin in setting.split(",") if origin.strip()]


def is_allowed(origin: str | None, host: str, allowed: Sequence[str]) -> bool:
    """Whether a page of an origin may connect.

    Programs that are no browsers send no origin, or, as the library under the Python SDK does, one made of the
    address they connect to. That is also what a page of this very host sends, and both are let in.

    Args:
        origin: The `Origin` header, if there is one.
        host: The `Host` header.
        allowed: Origins that may, in lower case; none at all means any.
    """
    if origin is None or not allowed or ANY in allowed:
        return True
    origin = origin.strip().lower()
    return origin in allowed or _is_same_host(origin, host)


def _is_same_host(origin: str, host: str) -> bool:
    try:
        page, server = urlsplit(origin), urlsplit(f"//{host.strip().lower()}")
        default = _PORTS.get(page.scheme)
        return bool(page.hostname) and (page.hostname, page.port or default) == (
            server.hostname,
            server.port or default,
        )
    except ValueError:  # no port, or no address
        return False
