"""What a server says of itself."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from qwen3_asr_realtime.client.local_server import LocalServer

POLL_S = 0.1


async def health_becomes(server: LocalServer, status: str, timeout_s: float) -> Mapping[str, Any]:
    """Wait until `/health` has a status; all that it says then."""
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(timeout_s):
        while True:
            health: Mapping[str, Any] = (await client.get(f"{server.http_url}/health")).json()
            if health["status"] == status:
                return health
            await asyncio.sleep(POLL_S)
