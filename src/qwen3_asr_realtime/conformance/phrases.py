"""Groups of steps that many cases have in common."""

from typing import Final

from qwen3_asr_realtime.conformance.events import (
    COMMITTED,
    COMPLETED,
    CREATED,
    ERROR,
    FINISHED,
    ITEM_CREATED,
    STARTED,
    STOPPED,
    UPDATED,
)
from qwen3_asr_realtime.conformance.predicates import NOT_EMPTY, PRESENT, heard, item
from qwen3_asr_realtime.conformance.speech import FIRST, Sound, silence
from qwen3_asr_realtime.conformance.vocabulary import EXPECT_WITHIN_S, Append, Connect, Expect, Send, Step

VAD: Final = {"type": "server_vad", "threshold": 0.0, "silence_duration_ms": 400}
"""What the documentation recommends. Named by every case that counts on it: defaults are the server's own."""

COMMIT: Final = Send("input_audio_buffer.commit")
CLEAR: Final = Send("input_audio_buffer.clear")
FINISH: Final = Send("session.finish")
EXPECT_FINISHED: Final = Expect(FINISHED)

SPOKEN: Final = FIRST + silence(1.5)
"""One turn, with the silence that ends it."""


def update(**session: object) -> Send:
    """A `session.update`."""
    return Send("session.update", {"session": session})


def expect_created(**session: object) -> Expect:
    """The greeting."""
    return Expect(CREATED, {"session": session})


def expect_updated(**session: object) -> Expect:
    """The answer to a `session.update`, with what its `session` must have."""
    return Expect(UPDATED, {"session": session})


def expect_error(param: object = PRESENT, **error: object) -> Expect:
    """An answer to something the client can do better."""
    return Expect(ERROR, {"error": {"type": "invalid_request_error", "param": param, **error}})


def connected(name: str = "") -> tuple[Step, ...]:
    """A connection past its greeting."""
    return Connect(name), Expect(CREATED)


def configured(name: str = "", **session: object) -> tuple[Step, ...]:
    """A connection past its first `session.update`."""
    return *connected(name), update(**session), Expect(UPDATED)


def manual(name: str = "", **session: object) -> tuple[Step, ...]:
    """A connection in Manual mode."""
    return configured(name, turn_detection=None, **session)


def vad(name: str = "", **session: object) -> tuple[Step, ...]:
    """A connection in VAD mode."""
    return configured(name, turn_detection=VAD, **session)


def committed(
    name: str, transcript: object, *, previous: object = PRESENT, within_s: float = EXPECT_WITHIN_S, **final: object
) -> tuple[Step, ...]:
    """An item from its commit to its final.

    Args:
        name: What the case calls the item.
        transcript: What the final must say: a sound for its words, or an expectation.
        previous: The item before it.
        within_s: Longest wait for the final.
        final: Further fields of the final.
    """
    wanted = heard(transcript) if isinstance(transcript, Sound) else transcript
    return (
        Expect(COMMITTED, {"item_id": item(name), "previous_item_id": previous}),
        Expect(ITEM_CREATED, {"item": {"id": item(name)}, "previous_item_id": previous}),
        Expect(COMPLETED, {"item_id": item(name), "transcript": wanted, **final}, within_s),
    )


def turn(
    name: str, transcript: object, *, previous: object = PRESENT, within_s: float = EXPECT_WITHIN_S, **final: object
) -> tuple[Step, ...]:
    """A whole turn in VAD mode; see `committed`."""
    return (
        Expect(STARTED, {"item_id": item(name)}),
        Expect(STOPPED, {"item_id": item(name)}),
        *committed(name, transcript, previous=previous, within_s=within_s, **final),
    )


SOME_WORDS: Final = NOT_EMPTY
"""A transcript of speech that was cut short."""

USABLE: Final[tuple[Step, ...]] = (Append(SPOKEN), *turn("after all that", FIRST), FINISH, EXPECT_FINISHED)
"""The rest of a session in VAD mode that is as usable as ever."""
