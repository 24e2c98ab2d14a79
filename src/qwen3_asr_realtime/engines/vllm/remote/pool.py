"""Several servers as one: every segment has its own order of them; those that fail are left out until they are back.

The order is by highest random weight (rendezvous hashing: Thaler and Ravishankar, 1998): a segment's updates go to the
server that has its audio; when a server goes, only its own segments move, and they spread over all the others.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

import structlog

from qwen3_asr_realtime.engines.base import EngineError
from qwen3_asr_realtime.engines.vllm.remote.endpoint import Endpoint
from qwen3_asr_realtime.engines.vllm.remote.transport import EndpointError

log = structlog.get_logger()

_T = TypeVar("_T")


def ranked(key: str, names: Iterable[str]) -> list[str]:
    """Servers in the order in which they are to be tried for `key`."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{key}\n{name}".encode()).digest(), reverse=True)


class Pool:
    """The servers, checked in the background."""

    def __init__(self, endpoints: Sequence[Endpoint], probe_interval_s: float) -> None:
        """Take the servers; all count as down before `start`.

        Args:
            endpoints: At least one, each name once.
            probe_interval_s: Time between checks of each.
        """
        self._members = {endpoint.name: _Member(endpoint, probe_interval_s) for endpoint in endpoints}
        self._watchers: list[asyncio.Task[None]] = []

    @property
    def down(self) -> dict[str, str]:
        """Names of the servers that are down, each with the reason."""
        return {name: member.reason for name, member in self._members.items() if member.reason}

    async def start(self) -> None:
        """Check all servers and go on checking them.

        Raises:
            EngineError: None of them can be used.
        """
        await asyncio.gather(*(member.check() for member in self._members.values()))
        if len(self.down) == len(self._members):
            raise EngineError(f"no vLLM server can be used: {self._reasons()}")
        self._watchers = [
            asyncio.create_task(member.watch(), name=f"watch {name}") for name, member in self._members.items()
        ]

    async def stop(self) -> None:
        """End the checks and close all connections; running requests fail. Safe to call twice."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        self._watchers = []
        await asyncio.gather(*(member.endpoint.close() for member in self._members.values()))

    async def ask(self, key: str, question: Callable[[Endpoint], Awaitable[_T]]) -> _T:
        """Ask the server for `key`, or if it fails the next one, each at most once.

        Raises:
            EngineError: All servers are down (said at once), all that were asked failed, or the question is at fault.
        """
        failure: EndpointError | None = None
        for name in ranked(key, self._members):
            member = self._members[name]
            if member.reason:
                continue
            try:
                return await question(member.endpoint)
            except EndpointError as error:
                member.doubt(error)
                failure = error
        if failure is None:
            raise EngineError(f"all vLLM servers are down: {self._reasons()}")
        raise EngineError(f"no vLLM server answered; the last one: {failure}") from failure

    def _reasons(self) -> str:
        return "; ".join(f"{name}: {reason}" for name, reason in self.down.items())


class _Member:
    """A server and whether it is to be used.

    Attributes:
        endpoint: The server.
        reason: Why it is down; empty while it is up.
    """

    def __init__(self, endpoint: Endpoint, probe_interval_s: float) -> None:
        self.endpoint = endpoint
        self.reason = "it has not been checked"
        self._probe_interval_s = probe_interval_s
        self._doubted = asyncio.Event()

    def doubt(self, error: EndpointError) -> None:
        """A request failed: have the server checked at once, and leave it out until then if it seems lost.

        One that merely gave a wrong answer stays in use meanwhile: the request may have been the cause of it, and must
        not take every server it is tried on away from all the others.
        """
        log.warning("vllm request failed", endpoint=self.endpoint.name, reason=str(error))
        if error.lost:
            self._set(str(error))
        self._doubted.set()

    async def check(self) -> None:
        """See what the server can do and whether it is up."""
        self._doubted.clear()
        try:
            await self.endpoint.check()
        except EndpointError as error:
            self._set(str(error))
        except Exception:  # whatever it is: the server is not fit for use, and is looked at again
            log.exception("vllm server not checked", endpoint=self.endpoint.name)
            self._set("its check failed, the log says how")
        else:
            self._set("")

    async def watch(self) -> None:
        """Keep checking: in full after a failure, else only whether it is well."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._probe_interval_s):  # (wait_for of Python 3.11 may lose a cancellation)
                    await self._doubted.wait()
            if self.reason or self._doubted.is_set():
                await self.check()
                continue
            try:
                await self.endpoint.check_health()
            except Exception:  # a second look, now in full, decides: a busy machine may answer late once
                self._doubted.set()

    def _set(self, reason: str) -> None:
        if bool(reason) != bool(self.reason):
            if reason:
                log.error("vllm server down", endpoint=self.endpoint.name, reason=reason)
            else:
                log.info("vllm server up", endpoint=self.endpoint.name, model=self.endpoint.model)
        self.reason = reason
