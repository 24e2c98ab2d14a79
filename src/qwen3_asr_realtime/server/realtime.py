"""The WebSocket shell of a session: admission, the reading and writing tasks, and every way a connection can end."""

import asyncio
import traceback
from contextlib import suppress
from urllib.parse import parse_qs

import pybase64
import structlog
from fastapi import WebSocket, WebSocketDisconnect

from qwen3_asr_realtime.protocol.commands import Close
from qwen3_asr_realtime.protocol.errors import ProtocolError
from qwen3_asr_realtime.protocol.events import ErrorEvent, ErrorView, TranscriptionText, encode_server_event
from qwen3_asr_realtime.protocol.identifiers import random_id
from qwen3_asr_realtime.protocol.session import Session
from qwen3_asr_realtime.protocol.states import SessionState
from qwen3_asr_realtime.recognition.backlog import Backlog
from qwen3_asr_realtime.recognition.speaker import Speaker
from qwen3_asr_realtime.samples import SAMPLE_RATE
from qwen3_asr_realtime.server.connection import Connection
from qwen3_asr_realtime.server.counting import RETRY_AFTER_S
from qwen3_asr_realtime.server.handshake import Denied
from qwen3_asr_realtime.server.head import LAST_WORDS_S
from qwen3_asr_realtime.server.inbox import Frame, Inbox, Notice
from qwen3_asr_realtime.server.metrics import Metrics, Shed
from qwen3_asr_realtime.server.outbox import ClientNotReading, Outbox
from qwen3_asr_realtime.server.pace import Pace
from qwen3_asr_realtime.server.service import Service
from qwen3_asr_realtime.server.transports import ON_SESSION
from qwen3_asr_realtime.vad.detector import SpeechDetector

DEFAULT_MODEL = "qwen3-asr-flash-realtime"
KNOWN_MODELS = frozenset([DEFAULT_MODEL, f"{DEFAULT_MODEL}-2025-10-27", f"{DEFAULT_MODEL}-2026-02-10"])
SUBPROTOCOL = "realtime"

FRAME_TOO_LARGE, SERVER_STOPPED = 1009, 1012
"""Close codes with which uvicorn answers a frame above `MAX_FRAME_MIB`, and ends what is open when it stops."""

MESSAGES_BURST_S = 0.1
"""Messages at the highest rate that may come in one go, and keep the event loop from other sessions."""

LOGGED_CHARS_MAX = 200
"""Of what a client says of itself."""

BINARY_FRAME = ProtocolError("Binary frames are not part of this protocol; send audio as base64 in JSON text frames.")

SHUTTING_DOWN = f"The server is being stopped. Connect again in {RETRY_AFTER_S} seconds."

CLIENT_GONE = (WebSocketDisconnect, RuntimeError, TimeoutError)
"""What sending raises if the client has gone, the connection is closed (Starlette's RuntimeError), or nobody reads."""

log = structlog.get_logger()


class ConnectionOver(Exception):
    """The connection has ended in an orderly way; all its tasks are to stop."""


async def serve_realtime(websocket: WebSocket, service: Service) -> None:
    """Run one session over one WebSocket, from the handshake to the close."""
    query = websocket.scope["query_string"].decode("ascii", "replace")
    model = requested_model(query)
    offered = websocket.scope["subprotocols"]
    try:
        visitor = service.reception.admit(websocket)
    except Denied as denied:
        await _deny(websocket, service, denied)
        return
    await websocket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in offered else None)
    session_id = random_id("sess")
    with structlog.contextvars.bound_contextvars(session_id=session_id):
        if service.drain.begun:
            service.metrics.sessions_refused.labels("draining").inc()
            log.warning("session refused", reason="draining")
            await _refuse(websocket, "server_shutting_down", SHUTTING_DOWN, code=1013)
            return
        async with service.admission.session(visitor.tenant, visitor.sessions) as refusal:
            if refusal is not None:
                service.metrics.sessions_refused.labels(refusal.limit).inc()
                log.warning("session refused", limit=refusal.limit, value=refusal.value)
                await _refuse(websocket, "rate_limit_exceeded", refusal.message, code=1013)
            elif model not in KNOWN_MODELS and service.settings.unknown_model == "refuse":
                service.metrics.sessions_refused.labels("UNKNOWN_MODEL").inc()
                log.warning("session refused", limit="UNKNOWN_MODEL", model=model[:LOGGED_CHARS_MAX])
                await _refuse(websocket, "model_not_found", f"Model {model!r} is not served here.", code=1008)
            else:
                session = Session(session_id=session_id, model=model, rules=service.rules, new_id=random_id)
                websocket.scope.get(ON_SESSION, lambda: None)()
                inbox = _inbox(service)
                with service.connected(), service.drain.session(inbox):
                    await _run_session(websocket, service, session, inbox, visitor.tenant or session_id)


async def _deny(websocket: WebSocket, service: Service, denied: Denied) -> None:
    """Refuse the handshake. SDKs show their users a mere time-out, so the log has to say what happened."""
    service.metrics.sessions_refused.labels(denied.limit).inc()
    client = websocket.client.host if websocket.client else ""
    origin = websocket.headers.get("origin", "")[:LOGGED_CHARS_MAX]
    log.warning("connection refused", limit=denied.limit, reason=denied.code, client=client, origin=origin)
    with suppress(*CLIENT_GONE):
        if "websocket.http.response" in websocket.scope.get("extensions", {}):
            await websocket.send_denial_response(denied.response())
        else:  # a server that cannot say more than 403
            await websocket.close()


def requested_model(query: str) -> str:
    """The model a query string asks for.

    SDKs append a literal `?model=…` to the configured URL, which may have a query of its own: a second `?` is a `&`.
    """
    return parse_qs(query.replace("?", "&")).get("model", [DEFAULT_MODEL])[-1]


def _inbox(service: Service) -> Inbox:
    settings = service.settings
    pace = Pace(
        1.0 if settings.max_audio_ahead_sec else 0.0,
        settings.max_audio_ahead_sec,
        lambda: service.limit_reached("MAX_AUDIO_AHEAD_SEC"),
    )
    backlog = Backlog(int(settings.max_backlog_sec * SAMPLE_RATE))
    return Inbox(2 * settings.max_frame_mib * 1024 * 1024, pace, backlog)


async def _run_session(websocket: WebSocket, service: Service, session: Session, inbox: Inbox, tenant: str) -> None:
    settings, metrics = service.settings, service.metrics
    outbox = Outbox(settings.max_unsent_events, metrics.partials_shed.labels(Shed.UNREAD).inc)
    reason = "server stopped"
    metrics.sessions_opened.inc()
    _log_opened(websocket, session, tenant)
    try:
        async with asyncio.TaskGroup() as tasks:
            connection = Connection(
                session=session,
                detector=SpeechDetector(service.endpointing(session.configuration.turn_detection)),
                judge=service.judge,
                endpointing=service.endpointing,
                recogniser=service.recogniser,
                outbox=outbox,
                speaker=Speaker(inbox.backlog, tenant),
                pace=inbox.pace,
                listening=service.listening,
                tasks=tasks,
                reporting=service.reporting,
                trace=settings.trace_events,
            )
            tasks.create_task(_write(websocket, outbox, metrics, settings.finish_grace_sec), name="write")
            tasks.create_task(_read(websocket, inbox, service), name="read")
            tasks.create_task(inbox.watch(settings.idle_timeout_sec), name="watch")
            tasks.create_task(inbox.end_after(settings.max_session_sec), name="end")
            await connection.start()
            while True:
                match await inbox.next():
                    case str(frame):
                        await connection.receive(frame)
                    case bytes(audio) if settings.binary_append:
                        await connection.receive(_as_append(audio))
                    case bytes():
                        await connection.refuse(BINARY_FRAME)
                    case Notice.SILENCE:
                        service.limit_reached("IDLE_TIMEOUT_SEC")
                        await connection.expire()
                    case Notice.OLD_AGE:
                        service.limit_reached("MAX_SESSION_SEC")
                        await connection.outlive()
                    case Notice.RETIRE:
                        await connection.retire()
                    case Notice.CUT:
                        await connection.cut()
    except* ConnectionOver as over:
        finished = session.state is SessionState.FINISHED
        reason = "session finished" if finished else str(over.exceptions[0])
        log.info("session closed", reason=reason)
        _let_go_of_frames(over)
    except* ClientNotReading as unread:
        # Not even a close frame would reach this client; uvicorn drops the connection when we return.
        reason = "client does not read"
        metrics.limits_reached.labels("MAX_UNSENT_EVENTS").inc()
        log.warning("session closed", reason=reason, limit="MAX_UNSENT_EVENTS")
        _let_go_of_frames(unread)
    except* Exception as failure:
        reason = "server error"
        log.exception("session failed")
        _let_go_of_frames(failure)
        await _refuse(websocket, "server_error", "Internal server error.", code=1011)
    finally:
        metrics.sessions_closed.labels(reason).inc()


def _log_opened(websocket: WebSocket, session: Session, tenant: str) -> None:
    user_agent = websocket.headers.get("user-agent", "")[:LOGGED_CHARS_MAX]
    log.info("session opened", model=session.model[:LOGGED_CHARS_MAX], tenant=tenant, user_agent=user_agent)


def _size_bytes(frame: Frame) -> int:
    return len(frame) if isinstance(frame, bytes) or frame.isascii() else len(frame.encode())


def _let_go_of_frames(error: BaseException) -> None:
    """Let go of what is held by the frames that an exception has passed through.

    Exceptions and frames hold each other, so a whole session, with the 16 MiB that a client has sent perhaps, would
    wait for a full garbage collection, which comes after thousands of sessions.
    """
    traceback.clear_frames(error.__traceback__)
    for inner in (error.__context__, *(error.exceptions if isinstance(error, BaseExceptionGroup) else ())):
        if inner is not None:
            _let_go_of_frames(inner)


def _as_append(audio: bytes) -> str:
    return f'{{"type":"input_audio_buffer.append","audio":"{pybase64.b64encode_as_string(audio)}"}}'


async def _read(websocket: WebSocket, inbox: Inbox, service: Service) -> None:
    """Read the socket all the time; frames that pile up unprocessed, or come too fast, stop it and so the client."""
    metrics, per_s = service.metrics, service.settings.max_messages_per_sec
    pace = Pace(per_s, per_s * MESSAGES_BURST_S, lambda: service.limit_reached("MAX_MESSAGES_PER_SEC"))
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        text = message.get("text")
        frame: Frame = message["bytes"] if text is None else text
        metrics.received_bytes.inc(_size_bytes(frame))
        await inbox.put(frame)
        await pace.take(1)
    if message["code"] == FRAME_TOO_LARGE:
        metrics.limits_reached.labels("MAX_FRAME_MIB").inc()
        raise ConnectionOver("frame too large")
    raise ConnectionOver("server stopped" if message["code"] == SERVER_STOPPED else "closed by client")


async def _write(websocket: WebSocket, outbox: Outbox, metrics: Metrics, grace_s: float) -> None:
    """Send events in order, up to a close; if the client closes first, the reading task sees it."""
    try:
        while not isinstance(event := await outbox.next(), Close):
            frame = encode_server_event(event)
            await websocket.send_text(frame)
            metrics.sent_bytes.inc(_size_bytes(frame))
            if isinstance(event, TranscriptionText):
                metrics.partials_sent.inc()
            elif isinstance(event, ErrorEvent):
                metrics.errors_sent.labels(event.error.code).inc()
    except WebSocketDisconnect:
        raise ConnectionOver("connection lost") from None
    if event.await_client:
        await asyncio.sleep(grace_s)
    await _close(websocket, event.code, event.reason)
    raise ConnectionOver(event.reason)


async def _refuse(websocket: WebSocket, reason: str, message: str, *, code: int) -> None:
    """Say why before closing: a bare close leaves SDK users with nothing but a time-out."""
    error = ErrorView(type="server_error", code=reason, message=message, param=None, event_id=None)
    with suppress(*CLIENT_GONE):
        async with asyncio.timeout(LAST_WORDS_S):
            await websocket.send_text(encode_server_event(ErrorEvent(event_id=random_id("event"), error=error)))
    await _close(websocket, code, reason)


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    with suppress(*CLIENT_GONE):
        async with asyncio.timeout(LAST_WORDS_S):
            await websocket.close(code, reason)
