"""Section 1 and the beginning of section 2: how a connection begins and what keeps it alive."""

from qwen3_asr_realtime.conformance.checks import sessions_have_ids_of_their_own
from qwen3_asr_realtime.conformance.events import CREATED, UPDATED
from qwen3_asr_realtime.conformance.phrases import (
    COMMIT,
    EXPECT_FINISHED,
    FINISH,
    USABLE,
    VAD,
    committed,
    connected,
    expect_created,
    expect_updated,
    manual,
    turn,
    update,
    vad,
)
from qwen3_asr_realtime.conformance.predicates import MODEL, NOT_EMPTY
from qwen3_asr_realtime.conformance.speech import FIRST, SECOND, silence
from qwen3_asr_realtime.conformance.vocabulary import (
    Append,
    Case,
    Check,
    Connect,
    ConnectRefused,
    Expect,
    ExpectPing,
    Flood,
    Ping,
    Send,
    StartReading,
    StopReading,
    Use,
)

_DATED = "qwen3-asr-flash-realtime-2026-02-10"
_UNKNOWN_QUERY = "the cloud takes an omni model where it finds none in the query"
_LATE = silence(26) + FIRST + silence(25) + SECOND + silence(4)

HANDSHAKE = (
    Case(
        "created-unasked",
        "session.created comes without any client input, with an id and the model that was asked for",
        ("§15.1", "§2.2", "§4.1"),
        "DOC",
        (Connect(), expect_created(id=NOT_EMPTY, model=MODEL, input_audio_transcription={"model": MODEL})),
    ),
    Case(
        "created-at-once",
        "session.created comes within 100 ms of the handshake",
        ("§15.1", "§2.2"),
        "JUDGE",
        (Connect(), Expect(CREATED, within_s=0.1)),
        uncertain="the checklist asks it of a server close by; a network adds its own",
        alone=True,
    ),
    Case(
        "model-left-out",
        "no ?model in the address means the default model",
        ("§15.2", "§1.1"),
        "JUDGE",
        (
            Connect(query=""),
            expect_created(
                model="qwen3-asr-flash-realtime", input_audio_transcription={"model": "qwen3-asr-flash-realtime"}
            ),
        ),
        uncertain=_UNKNOWN_QUERY,
    ),
    Case(
        "model-after-second-question-mark",
        "?x=1?model=m, as SDKs write it after an address with a query of its own, asks for model m",
        ("§15.2", "§1.1"),
        "SDK",
        (Connect(query=f"x=1?model={_DATED}"), expect_created(model=_DATED)),
        uncertain=_UNKNOWN_QUERY,
    ),
    Case(
        "model-unknown",
        "a model name nobody knows is accepted and echoed",
        ("§1.1",),
        "JUDGE",
        (
            Connect(query="model=somebody-elses"),
            expect_created(model="somebody-elses", input_audio_transcription={"model": "somebody-elses"}),
        ),
        uncertain=_UNKNOWN_QUERY,
    ),
    Case(
        "trailing-slash",
        "the path may end with a slash",
        ("§15.2", "§1.1"),
        "OBS",
        (Connect(slash=True), expect_created(model=MODEL)),
    ),
    Case(
        "second-path",
        "the same endpoint answers at /v1/realtime",
        ("§1.1",),
        "JUDGE",
        (Connect(path="/v1/realtime"), expect_created(model=MODEL)),
        uncertain="gateways publish it there, the cloud does not",
    ),
    Case(
        "bearer-in-lower-case",
        "the authorization scheme may be written in lower case",
        ("§15.2", "§1.2"),
        "SDK",
        (Connect(scheme="bearer"), Expect(CREATED)),
    ),
    Case(
        "origin",
        "an Origin header, as the Python SDK sends it, does no harm",
        ("§15.2", "§1.2"),
        "WIRE",
        (Connect(origin="http://elsewhere:1"), Expect(CREATED)),
    ),
    Case(
        "headers-ignored",
        "OpenAI-Beta, X-DashScope-* and x-dashscope-sdk-* do no harm",
        ("§1.2",),
        "DOC",
        (
            Connect(
                headers={
                    "OpenAI-Beta": "realtime=v1",
                    "X-DashScope-DataInspection": "enable",
                    "x-dashscope-sdk-client": "python-sdk/2.0.2/audio",
                    "x-dashscope-sdk-session-id": "0",
                }
            ),
            Expect(CREATED),
        ),
    ),
    Case(
        "no-sub-protocol",
        "no sub-protocol is selected if none is offered",
        ("§15.2", "§1.2"),
        "WIRE",
        (Connect(selects=None), Expect(CREATED)),
    ),
    Case(
        "sub-protocol",
        "of the sub-protocols browsers offer, realtime is selected",
        ("§1.2",),
        "OBS",
        (
            Connect(
                subprotocols=("realtime", "openai-insecure-api-key.none", "openai-beta.realtime-v1"), selects="realtime"
            ),
            Expect(CREATED),
        ),
        uncertain="seen at gateways only",
    ),
    Case(
        "wrong-key",
        "a wrong key is refused in the handshake with 401 or 403",
        ("§1.3",),
        "DOC",
        (ConnectRefused((401, 403)),),
        uncertain="a private server may not ask for keys",
        needs="key",
    ),
)

FRAMES = (
    Case(
        "fragments",
        "a message may come in several WebSocket frames",
        ("§1.4",),
        "RFC",
        (
            *connected(),
            Send("session.update", {"session": {"turn_detection": VAD}}, fragments=5),
            Expect(UPDATED),
        ),
    ),
    Case(
        "escapes",
        "\\u escapes, which Python writes for every Chinese character, are characters",
        ("§1.4", "§4.2"),
        "WIRE",
        (
            *connected(),
            update(input_audio_transcription={"corpus": {"text": "浦东机场"}}),
            expect_updated(input_audio_transcription={"corpus": {"text": "浦东机场"}}),
        ),
    ),
    Case(
        "ping",
        "a client's ping is answered, also in the middle of a session",
        ("§5.4 client sends `Ping`", "§1.5"),
        "RFC",
        (*vad(), Ping(), *USABLE),
    ),
    Case(
        "server-pings",
        "the server sends a ping every 20 to 30 seconds",
        ("§1.5",),
        "JUDGE",
        (*connected(), ExpectPing(within_s=31)),
        uncertain="nothing is known about pings of the cloud",
    ),
    Case(
        "late-reader",
        "a client that uploads a minute of audio before it reads gets every event, and is not hung up on",
        ("§15.4", "§1.5"),
        "WIRE",
        (
            *vad(),
            StopReading(),
            # 42 s at this speed: more than the 20 s to a ping and 20 s without a pong of many libraries' defaults.
            Append(_LATE, chunk_ms=200, speed=1.42),
            StartReading(),
            *turn("first", FIRST),
            *turn("second", SECOND),
            FINISH,
            EXPECT_FINISHED,
        ),
    ),
)

SESSIONS = (
    Case(
        "sessions-differ",
        "two connections are two sessions, and each hears its own speech",
        ("§15.23", "§4"),
        "DOC",
        (
            *manual("one"),
            *manual("other"),
            Append(SECOND),
            Use("one"),
            Append(FIRST),
            COMMIT,
            *committed("of one", FIRST),
            Use("other"),
            COMMIT,
            *committed("of the other", SECOND),
            Check(sessions_have_ids_of_their_own),
        ),
    ),
    Case(
        "too-many-sessions",
        "one session too many gets an error and a close; slots of clients that vanish are free again",
        ("§5.4 too many sessions", "§15.23"),
        "JUDGE",
        (Flood(at_most=320), Connect(), Expect(CREATED), FINISH, EXPECT_FINISHED),
        uncertain="a server may have room for more, or say it in another way",
        alone=True,
        needs="loopback",
    ),
)
