"""Connections that the server must not take: with a wrong key, and one too many."""

import asyncio

from websockets.exceptions import InvalidStatus

from qwen3_asr_realtime.conformance.connection import Closed, Connection, Target
from qwen3_asr_realtime.conformance.events import CREATED, ERROR
from qwen3_asr_realtime.conformance.log import Entry, Log
from qwen3_asr_realtime.conformance.predicates import NOT_EMPTY, Memory, Mismatch, differences
from qwen3_asr_realtime.conformance.vocabulary import Connect

AT_ONCE = 16
"""Handshakes side by side while a server is filled up."""

ANSWER_WITHIN_S = 5.0
ROOM_WITHIN_S = 5.0

FULL_STATUSES = (429, 503)
FULL_CODES = (1013, 1011)
FULL = {"error": {"type": "server_error", "code": "rate_limit_exceeded", "message": NOT_EMPTY}}


async def expect_refusal_of_wrong_key(target: Target, statuses: tuple[int, ...]) -> None:
    """Show a wrong key.

    Raises:
        Mismatch: The server does not answer with one of these HTTP statuses.
    """
    wanted = f"HTTP status {' or '.join(map(str, statuses))}"
    try:
        connection = await Connection.open(Target(target.url, "wrong-key"), Connect())
    except Mismatch as refused:
        if _status(refused) not in statuses:
            raise Mismatch(wanted, refused.got) from None
        return
    await connection.drop()
    raise Mismatch(wanted, "a connection")


async def fill_up(target: Target, at_most: int) -> Log:
    """Open sessions until one is refused, then drop all of them without a goodbye.

    Returns:
        The log of the refused connection; empty if the handshake was refused.

    Raises:
        Mismatch: It is refused in another way than documented, or not even after `at_most` sessions.
    """
    opened: list[Connection] = []
    try:
        while len(opened) < at_most:
            attempts = await asyncio.gather(
                *(Connection.open(target, Connect()) for _ in range(AT_ONCE)), return_exceptions=True
            )
            opened += [attempt for attempt in attempts if isinstance(attempt, Connection)]
            for attempt in attempts:
                if isinstance(attempt, Mismatch) and _status(attempt) in FULL_STATUSES:
                    return Log()
                if isinstance(attempt, BaseException):
                    raise attempt
                if await _is_refused(attempt):
                    return attempt.log
        raise Mismatch(f"a refusal within {at_most} sessions", "none")
    finally:
        for connection in opened:
            await connection.drop()


async def wait_for_room(target: Target) -> None:
    """Until the server has noticed that its clients are gone.

    Raises:
        Mismatch: It does not.
    """
    try:
        async with asyncio.timeout(ROOM_WITHIN_S):
            while not await _is_welcome(target):  # noqa: ASYNC110 - only another attempt can tell
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise Mismatch(f"room for a session within {ROOM_WITHIN_S:g} s after all clients vanished", "none") from None


async def _is_welcome(target: Target) -> bool:
    connection = await Connection.open(target, Connect())
    try:
        return (await _answer(connection)).type == CREATED
    finally:
        await connection.drop()


async def _is_refused(connection: Connection) -> bool:
    """Whether the server says that it is full."""
    answer = await _answer(connection)
    if answer.type != ERROR:
        return False
    for difference in differences(FULL, answer.event, Memory()):
        raise difference
    wanted = f"a close with code {' or '.join(map(str, FULL_CODES))}"
    try:
        more = await _answer(connection)
    except Mismatch as closed:
        if isinstance(closed.__cause__, Closed) and closed.__cause__.code in FULL_CODES:
            return True
        raise Mismatch(wanted, closed.got) from None
    raise Mismatch(wanted, more.content)


async def _answer(connection: Connection) -> Entry:
    wanted = "an event"
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await connection.next()
    except TimeoutError:
        raise Mismatch(wanted, f"nothing within {ANSWER_WITHIN_S:g} s") from None
    except Closed as closed:
        raise Mismatch(wanted, str(closed)) from closed


def _status(refusal: Mismatch) -> int:
    """The HTTP status with which a handshake was refused; 0 for another failure."""
    cause = refusal.__cause__
    return cause.response.status_code if isinstance(cause, InvalidStatus) else 0
