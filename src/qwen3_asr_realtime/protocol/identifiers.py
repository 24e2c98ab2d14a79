"""Ids in the cloud's style: a prefix and 21 random alphanumeric characters."""

import secrets
import string
from collections.abc import Callable
from typing import TypeAlias

IdSource: TypeAlias = Callable[[str], str]
"""Makes a new id from a prefix such as `item`; injected, so that tests can foresee ids."""

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 21


def random_id(prefix: str) -> str:
    """Return an id such as `item_A5kdN8vRz1QyT0jXoLw3m`."""
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))}"
