"""The contract every recognition engine meets.

An engine turns audio into hypotheses and knows nothing of sessions, sockets or events. When to ask, how often, and what
of an answer may be shown is `recognition/`'s business.

    engine.start() ▶ engine.open(options) ▶ stream.refresh(audio) … stream.refresh(audio, final=True) ▶ stream.close()

The unit of work is a *segment*: one stretch of speech without a long pause, at most `EngineInfo.max_segment_s` long. An
utterance is one segment, or several joined by `recognition/` when somebody speaks on and on.
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Protocol

from qwen3_asr_realtime.samples import NO_SAMPLES, Samples
from qwen3_asr_realtime.start_error import StartError


class Priority(IntEnum):
    """Order of work, most urgent first. Engines with a queue of their own (vLLM) pass it on.

    RECORDING: a final of audio that came much faster than anybody speaks, so that nobody waits for this sentence.
    """

    FINAL = 0
    SPECULATIVE_FINAL = 1
    FIRST_PARTIAL = 2
    PARTIAL = 3
    RECORDING = 4


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine is and can do; fixed once it has started.

    Attributes:
        name: The engine's name in settings and on `/health`, such as `embedded`.
        model: The model it runs, for people.
        languages: Codes it recognises (`protocol/languages.py`), or None for all the protocol knows.
        max_segment_s: Longest audio one refresh may carry, in seconds.
        concurrency: How many refreshes make progress at the same time; more only wait.
        partial_step_s: Partials are cheapest and best where their audio is a multiple of this, in seconds; 0 if any
            length is as good.
        batched: Concurrent refreshes share the work of one, so that how many are best has to be found out; else all
            `concurrency` of them have something of their own to run on.
    """

    name: str
    model: str
    languages: frozenset[str] | None
    max_segment_s: float
    concurrency: int
    partial_step_s: float = 0.0
    batched: bool = False


def model_name(given: str) -> str:
    """What to call a model where anybody may read it: of a folder its own name, and not where on this machine it is.

    Args:
        given: A folder, or a hub's name like `Qwen/Qwen3-ASR-1.7B`, which stays as it is.
    """
    is_hub_name = given.count("/") == 1 and given[0] not in "/.~"
    return given if is_hub_name else given.rstrip("/").rpartition("/")[2] or given


class Condition(StrEnum):
    """How well an engine can work. DEGRADED: it answers, with less than it was given; DOWN: it does not answer now."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """How an engine is right now.

    Attributes:
        condition: Whether it can work.
        reason: What is wrong, for the operator; empty if nothing is.
        restarts: How often it died and was started again.
        prompt_tokens: Tokens of all prompts so far, audio included; 0 where the engine counts none.
        cached_tokens: How many of those its prefix cache had.
    """

    condition: Condition = Condition.OK
    reason: str = ""
    restarts: int = 0
    prompt_tokens: int = field(default=0, compare=False)
    cached_tokens: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class SegmentOptions:
    """What the client asked for, as far as a decoder cares.

    Attributes:
        language: Code the client fixed, or None to detect it.
        context: Free text that names what may be spoken of (`corpus.text`); untrusted.
        expected: Code of the language the session's last words were in, "" before the first: a hint for where the
            language is to be detected.
    """

    language: str | None = None
    context: str = ""
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What the engine heard in the audio of one refresh.

    Attributes:
        text: The transcript of the whole segment so far, without leading or trailing blanks.
        language: Code of the recognised language, or "" if nothing was said or it is not known.
        truncated: Decoding stopped at the engine's own length bound instead of at the end of the text.
        stable_chars: Leading characters of `text` the engine itself vouches for (prefix roll-back), or None where
            only agreement of successive hypotheses can tell.
        next_after_s: Audio that should be added before the next partial is worth what it costs here, in seconds.
    """

    text: str
    language: str = ""
    truncated: bool = False
    stable_chars: int | None = None
    next_after_s: float = 0.0


class EngineError(StartError):
    """The engine could not start; or not decode one request, and other requests and the engine itself go on."""


class SegmentStream(Protocol):
    """One segment being recognised. Holds caches at most: losing it loses time, never text."""

    async def refresh(
        self,
        audio: Samples,
        *,
        final: bool,
        following: Samples = NO_SAMPLES,
        use_prefix: bool = True,
        speech_confirmed: bool = True,
        priority: Priority = Priority.PARTIAL,
    ) -> Hypothesis:
        """Recognise the segment's audio so far.

        Idempotent: it may be repeated, or cancelled (which stops the work soon), and nothing is lost. How long it may
        take is the caller's business, who cancels it then.

        Args:
            audio: All samples of the segment from its start, never a delta; not written to while the call runs.
            final: The segment is complete; take the most accurate path.
            following: Samples right after `audio` as far as they are known and belong to no other segment: not to be
                recognised, but real sound where an engine wants right context or a least length.
            use_prefix: Whether earlier hypotheses of this stream may steer this one.
            speech_confirmed: Whether it is sure that somebody speaks. If not, an engine had better be free to answer
                that nobody does.
            priority: Place in the order of work, for engines with a queue of their own.

        Raises:
            EngineError: This request failed.
        """
        ...

    def close(self) -> None:
        """Forget the segment. Safe to call twice."""
        ...


class Engine(Protocol):
    """A recogniser, shared by all sessions of the process."""

    @property
    def info(self) -> EngineInfo:
        """What this engine is; readable before `start`."""
        ...

    @property
    def status(self) -> EngineStatus:
        """How it is right now, once started."""
        ...

    async def start(self) -> None:
        """Load and warm up.

        Raises:
            EngineError: The model is missing, damaged or does not run here; the message is for the operator.
        """
        ...

    async def stop(self) -> None:
        """Free everything; running refreshes end with an error or are cancelled. Safe to call twice."""
        ...

    def open(self, options: SegmentOptions) -> SegmentStream:
        """Begin a segment."""
        ...
