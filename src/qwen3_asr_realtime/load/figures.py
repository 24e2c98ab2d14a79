"""The figures of a test: what stands in the JSON report, key by key."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

FORMAT = "qwen3-asr-realtime-bench/1"
"""Changes when a key changes its meaning or goes; keys may be added."""


class Spread(msgspec.Struct, frozen=True):
    """How measured values spread; percentiles are values that were measured (nearest rank), null if there are none.

    Attributes:
        count: Number of values.
        p50: Median.
        p95: Only 5 % were above.
        p99: Only 1 % were above.
        max: The largest.
    """

    count: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of `values`, rounded to a tenth."""
        if not values:
            return cls(0)
        ranked = np.sort(np.asarray(values, np.float64))
        picks = [ranked[max(0, math.ceil(share * len(ranked)) - 1)] for share in (0.5, 0.95, 0.99, 1.0)]
        return cls(len(ranked), *(round(float(value), 1) for value in picks))


class Utterance(msgspec.Struct, frozen=True):
    """One utterance, or several that the server took for one.

    Attributes:
        session: Number of the session.
        recordings: What was said.
        onset_s: When the speech began, in seconds from the start of the stream.
        end_s: When it ended.
        items: Items the server made of it.
        first_partial_ms: From the start of the speech to the first preview with text.
        final_ms: From the end of the speech to its last final.
        transcript: What was heard.
        word_errors: Wrong words; null without a reference.
        reference_words: Words that were said.
        character_errors: Wrong characters; null without a reference.
        reference_characters: Characters that were said, without blanks.
    """

    session: int
    recordings: list[str]
    onset_s: float
    end_s: float
    items: int
    first_partial_ms: float | None
    final_ms: float | None
    transcript: str
    word_errors: int | None
    reference_words: int
    character_errors: int | None
    reference_characters: int


class Client(msgspec.Struct, frozen=True):
    """How well the clients themselves kept time.

    Attributes:
        processes: Processes they ran in.
        late_ms: By how much each frame left after its deadline by the client's own fault. Where p99 is not small
            against the delays of the server, these are in part the client's.
        blocked_share: Share of the sessions' time in which a connection did not take the next frame.
    """

    processes: int
    late_ms: Spread
    blocked_share: float


class Server(msgspec.Struct, frozen=True):
    """What the server's process and its children used in the stage.

    Attributes:
        cpu_s: CPU seconds.
        cpu_s_per_audio_s: CPU seconds per second of audio sent.
        rss_mib: Largest resident memory seen, looked at once a second.
    """

    cpu_s: float
    cpu_s_per_audio_s: float
    rss_mib: float


class Trace(msgspec.Struct, frozen=True):
    """What the server itself says in `x_trace` about the way of a final.

    Attributes:
        stations_ms: Median of each entry, in milliseconds.
        difference_median_ms: Client's delay to the final less the server's (`sent`, or `total`), both from the end of
            speech as the server sees it; median. The wait for the frame and the network remain.
        difference_max_ms: The same, the one farthest from 0.
    """

    stations_ms: dict[str, float]
    difference_median_ms: float | None
    difference_max_ms: float | None


class Stage(msgspec.Struct, frozen=True):
    """One number of sessions.

    Times are measured by the client: audio counts as spoken when it is due in the schedule of a microphone, so up to
    one frame passes before it is sent.

    Attributes:
        sessions: Sessions at a time.
        utterances: Utterances said to their end.
        audio_s: Seconds of audio sent in all sessions together.
        wall_s: Length of the stage.
        interrupted: It was stopped; utterances without a result then do not count.
        connect_ms: From the attempt to connect to `session.updated`.
        first_partial_ms: From the start of speech to the first preview with text.
        final_ms: From the end of speech, found in the recording, to the final. The silence that ends a turn is in it.
        decision_to_final_ms: From `speech_stopped` (in Manual mode: from the commit) to `completed`.
        end_offset_ms: `audio_end_ms` less the end of speech.
        partial_lag_ms: How old the audio is that a preview shows, estimated from the share of the final's text it has.
        partial_interval_ms: Time between two previews of an item.
        stash_flicker: Share of the characters of a stash that the next preview changed; null without previews.
        confirmed_rewritten: Previews that changed confirmed text.
        lost: Utterances without text.
        duplicates: Finals too many for the same audio.
        strays: Finals with text where nobody spoke.
        splits: Utterances that became several items.
        merges: Items over several utterances.
        errors: Messages of errors, failed items and broken sessions, and how often each came.
        wer: Wrong words per word said, characters in scripts without blanks; null without references.
        cer: Wrong characters per character said.
        wer_increase: `wer` less what the same recordings had in the stage of one session; null without such a stage.
        cer_increase: The same for `cer`.
        client: How the clients kept time.
        server: What the server used; null if its process is not known.
        trace: What the server says about itself; null if it says nothing.
        details: Every utterance.
    """

    sessions: int
    utterances: int
    audio_s: float
    wall_s: float
    interrupted: bool
    connect_ms: Spread
    first_partial_ms: Spread
    final_ms: Spread
    decision_to_final_ms: Spread
    end_offset_ms: Spread
    partial_lag_ms: Spread
    partial_interval_ms: Spread
    stash_flicker: float | None
    confirmed_rewritten: int
    lost: int
    duplicates: int
    strays: int
    splits: int
    merges: int
    errors: dict[str, int]
    wer: float | None
    cer: float | None
    wer_increase: float | None
    cer_increase: float | None
    client: Client
    server: Server | None
    trace: Trace | None
    details: list[Utterance]

    @property
    def n_errors(self) -> int:
        """All errors."""
        return sum(self.errors.values())


class SentRecording(msgspec.Struct, frozen=True):
    """One recording.

    Attributes:
        name: File name.
        speech_ms: Where speech begins and ends.
        transcript: What is said, or null.
    """

    name: str
    speech_ms: tuple[int, int]
    transcript: str | None


class Verdict(msgspec.Struct, frozen=True):
    """One limit and whether it was kept.

    Attributes:
        name: The option's name without dashes.
        limit: The largest value allowed.
        worst: The largest value of all stages; null if a stage has none, which is not within the limit.
        within: Whether the limit was kept.
    """

    name: str
    limit: float
    worst: float | None
    within: bool


class Report(msgspec.Struct, frozen=True):
    """A whole test.

    Attributes:
        version: Version of the load tool.
        started_at: Date and time, ISO 8601, UTC.
        url: Address of the server.
        mode: `vad` or `manual`.
        speed: Multiple of real time; null for as fast as possible.
        frame_ms: Audio in one append.
        silence_ms: Silence that ends an utterance; null for the default.
        language: Code of the spoken language; null to detect it.
        duration_s: Audio of a session.
        seed: Which conversations.
        recordings: What was sent.
        stages: One for every number of sessions.
        verdicts: One for every limit.
        interrupted: It was stopped; the figures are of what there was.
        format: Version of these keys.
    """

    version: str
    started_at: str
    url: str
    mode: str
    speed: float | None
    frame_ms: int
    silence_ms: int | None
    language: str | None
    duration_s: float
    seed: int
    recordings: list[SentRecording]
    stages: list[Stage]
    verdicts: list[Verdict]
    interrupted: bool
    format: str = FORMAT
