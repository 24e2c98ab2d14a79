"""Whose key a connection shows. This version checks no keys; they tell tenants apart."""

import hashlib
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

SUBPROTOCOL_PREFIX = "openai-insecure-api-key."
"""Browsers cannot set headers; some clients send the key as a sub-protocol with this prefix."""

KEY_CHARS_MAX = 512


def tenant_of(headers: Mapping[str, str], query: str, subprotocols: Sequence[str]) -> str:
    """A name for the owner of the key that a connection shows, or "" if it shows none.

    The name is a digest: keys are kept nowhere.

    Args:
        headers: Of the handshake, with names in any case.
        query: The query string, in which a second `?` is a `&`.
        subprotocols: Those offered.
    """
    scheme, _, key = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer":
        key = parse_qs(query.replace("?", "&")).get("api_key", [""])[-1]
    if not key:
        offered = (name for name in subprotocols if name.startswith(SUBPROTOCOL_PREFIX))
        key = next(offered, "").removeprefix(SUBPROTOCOL_PREFIX)
    key = key.strip()
    return hashlib.sha256(key[:KEY_CHARS_MAX].encode()).hexdigest()[:16] if key else ""
