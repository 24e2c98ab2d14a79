"""HTTP to one server, with everything bounded: the wait for a connection, the whole exchange, the answer's length."""

import asyncio
import ssl
from contextlib import aclosing
from http import HTTPStatus

import httpx

from qwen3_asr_realtime.engines.vllm.remote.options import RemoteOptions

KEEP_ALIVE_S = 3.0
"""An unused connection is closed after this: before vLLM closes it (after 5 s), or now and then a request would be sent
into a connection that is just going away."""

ANSWER_BYTES_MAX = 4 * 1024 * 1024
"""Longest body read from a server. 4096 tokens with their logprobs are under 1 MiB."""


class EndpointError(Exception):
    """One server failed; another may do better. The message is a few words for the operator, without any content.

    Attributes:
        lost: The server itself is away or stuck: nobody else need try it before it has passed a check.
    """

    def __init__(self, reason: str, *, lost: bool = False) -> None:
        super().__init__(reason)
        self.lost = lost


class Transport:
    """Connections to one server, kept open between exchanges."""

    def __init__(self, base_url: str, options: RemoteOptions) -> None:
        """Prepare; nothing is sent yet.

        Args:
            base_url: The address that paths are appended to.
            options: Key and time-out of connecting.
        """
        authorization = {"Authorization": f"Bearer {options.api_key}"} if options.api_key else {}
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"Accept-Encoding": "identity", "Content-Type": "application/json", **authorization},
            # `exchange` bounds the whole; how many there are at a time is the scheduler's business.
            timeout=httpx.Timeout(None, connect=options.connect_timeout_s),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEP_ALIVE_S),
            # The system's certificates, or those that SSL_CERT_FILE names; loading them is not worth it without TLS.
            verify=ssl.create_default_context() if base_url.startswith("https:") else False,
            trust_env=False,  # what people say goes to the servers named, through no proxy that happens to be set
        )

    async def exchange(
        self, path: str, body: bytes | None = None, *, timeout_s: float, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send one request, a POST of JSON if there is a body, else a GET. Cancelling it closes the connection.

        Returns:
            Status and body of the response, whatever the status.

        Raises:
            EndpointError: There was none, not in time, or too long a one.
        """
        request = self._client.build_request("GET" if body is None else "POST", path, content=body, headers=headers)
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._client.send(request, stream=True)
                async with aclosing(response):
                    received = bytearray()
                    async for chunk in response.aiter_raw():
                        received += chunk
                        if len(received) > ANSWER_BYTES_MAX:
                            raise EndpointError(f"it answered more than {ANSWER_BYTES_MAX} bytes")
                    return response.status_code, bytes(received)
        except TimeoutError as error:
            raise EndpointError(f"it did not answer within {timeout_s:g} s", lost=True) from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise EndpointError("it cannot be reached", lost=True) from error
        except (httpx.HTTPError, OSError, RuntimeError, ValueError) as error:
            # Not all of it comes as httpx's own: uvloop has a RuntimeError for a connection that is closed already.
            raise EndpointError("it broke off the connection") from error

    async def close(self) -> None:
        """Close all connections. Safe to call twice."""
        await self._client.aclose()


def require_ok(status: int) -> None:
    """Pass the status of a success.

    Raises:
        EndpointError: It is another; says what that mostly means.
    """
    match status:
        case HTTPStatus.OK:
            return
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            raise EndpointError(f"it does not accept the API key (HTTP {status})", lost=True)
        case HTTPStatus.SERVICE_UNAVAILABLE:
            raise EndpointError(f"its engine is not running (HTTP {status})", lost=True)
        case _:
            raise EndpointError(f"it answered HTTP {status}")
