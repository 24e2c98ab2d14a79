"""Endpointing: the rules that turn speech probabilities into the starts and stops of turns.

Fed one frame (32 ms) at a time with the probability that somebody speaks and the energies of the frame's blocks (8 ms).
Answers with sample offsets. No model, no clock, no audio: the same frames give the same answers, however the audio was
cut into messages.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from qwen3_asr_realtime.samples import samples_from_ms
from qwen3_asr_realtime.vad.frames import BLOCK_SAMPLES, FRAME_SAMPLES
from qwen3_asr_realtime.vad.sound import END_REACH_BACK, END_REACH_FORWARD, ONSET_REACH, SoundTrace

MAX_PREFIX_PADDING_MS = 2000
"""Longest pre-roll."""

_MAX_LOOKBACK = samples_from_ms(2000)
"""How long before the voice a turn may start, pre-roll and `ONSET_REACH` together. An idle session keeps as much audio:
128 kB at this limit, 58 kB by default."""

MAX_MIN_SPEECH_MS = 1000
"""Longest minimum speech; the start of a turn is known that much late."""

_CUT_WINDOW = samples_from_ms(10_000)
"""A turn that is too long is cut at the best pause of so much of its end, or of its second half if that is shorter."""


def probability_from_threshold(threshold: float) -> float:
    """The speech probability that a threshold of the API, in [-1, 1], stands for; lower is more sensitive."""
    return min(max((threshold + 1) / 2, 0.05), 0.95)


def threshold_from_probability(probability: float) -> float:
    """The API threshold for a speech probability: the inverse of `probability_from_threshold` within [0.05, 0.95]."""
    return min(max(probability, 0.05), 0.95) * 2 - 1


@dataclass(frozen=True, slots=True)
class EndpointingParameters:
    """What a session may choose. All times are rounded to whole frames or samples where they are used.

    Attributes:
        threshold: Probability in [0.05, 0.95] from which a frame counts as speech. It stops counting below
            max(threshold - 0.15, threshold / 3).
        silence_ms: Silence after the end of speech that ends the turn.
        prefix_padding_ms: Audio before the onset that belongs to the turn, at most `MAX_PREFIX_PADDING_MS`.
        min_speech_ms: Speech that opens a turn, at most `MAX_MIN_SPEECH_MS`. At the default, three frames: of 274
            recorded words and letters the shortest had eight, clicks and beeps none or one.
        max_utterance_ms: Length at which a turn is cut.

    Raises:
        ValueError: A value is out of range.
    """

    threshold: float = 0.5
    silence_ms: int = 400
    prefix_padding_ms: int = 300
    min_speech_ms: int = 100
    max_utterance_ms: int = 60_000

    def __post_init__(self) -> None:
        """Refuse what the rules below cannot work with."""
        if not 0.05 <= self.threshold <= 0.95:
            raise ValueError(f"threshold must be in [0.05, 0.95], got {self.threshold}")
        if self.silence_ms < 1:
            raise ValueError(f"silence_ms must be positive, got {self.silence_ms}")
        if not 0 <= self.prefix_padding_ms <= MAX_PREFIX_PADDING_MS:
            raise ValueError(f"prefix_padding_ms must be in [0, {MAX_PREFIX_PADDING_MS}], got {self.prefix_padding_ms}")
        if not 0 <= self.min_speech_ms <= MAX_MIN_SPEECH_MS:
            raise ValueError(f"min_speech_ms must be in [0, {MAX_MIN_SPEECH_MS}], got {self.min_speech_ms}")
        if self.max_utterance_ms < 1000:
            raise ValueError(f"max_utterance_ms must be at least 1000, got {self.max_utterance_ms}")


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """A turn has begun; `start_sample` includes the pre-roll."""

    start_sample: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The open turn has ended at `end_sample`, which lies before the silence that ended it.

    Attributes:
        end_sample: Where.
        goes_on: It was cut: the next turn begins at the same sample, and what was heard beyond it is speech.
    """

    end_sample: int
    goes_on: bool = False


Boundary: TypeAlias = SpeechStarted | SpeechStopped


class State(Enum):
    """Where a session stands between two turns or in one."""

    QUIET = "quiet"
    STARTING = "starting"
    SPEAKING = "speaking"
    STOPPING = "stopping"


class Signal(Enum):
    """What can move a session from one state to another."""

    VOICE = "the probability is at or above the threshold"
    NO_VOICE = "the probability is below the lower threshold"
    ENOUGH_SPEECH = "speech has lasted min_speech_ms"
    ENOUGH_SILENCE = "silence has lasted silence_ms"
    TOO_LONG = "the turn has lasted max_utterance_ms"
    FLUSH = "the turn is to end now"


TRANSITIONS: dict[State, dict[Signal, State]] = {
    State.QUIET: {Signal.VOICE: State.STARTING},
    State.STARTING: {
        Signal.NO_VOICE: State.QUIET,
        Signal.ENOUGH_SPEECH: State.SPEAKING,
        Signal.FLUSH: State.QUIET,
    },
    State.SPEAKING: {
        Signal.NO_VOICE: State.STOPPING,
        Signal.TOO_LONG: State.SPEAKING,  # Cut: one turn ends and the next begins at the same sample.
        Signal.FLUSH: State.QUIET,
    },
    State.STOPPING: {
        Signal.VOICE: State.SPEAKING,
        Signal.ENOUGH_SILENCE: State.QUIET,
        Signal.TOO_LONG: State.QUIET,  # There is no better pause than the present one.
        Signal.FLUSH: State.QUIET,
    },
}
"""All there is about transitions: a signal that a state does not name changes nothing."""


@dataclass(frozen=True, slots=True, order=True)
class _Pause:
    """A place for a cut; the better one is the smaller one."""

    probability: float  # In tenths: smaller differences say less about a pause than the energy does.
    energy: float
    sample: int


class Endpointer:
    """The rules for one session.

    Args:
        parameters: What the session chose.
    """

    def __init__(self, parameters: EndpointingParameters) -> None:
        self._state = State.QUIET
        self._position = 0  # End of the last frame.
        self._sound = SoundTrace(ONSET_REACH + FRAME_SAMPLES + samples_from_ms(MAX_MIN_SPEECH_MS))
        self._earliest_start = 0  # No turn starts before: the end of the last one, or audio no longer kept.
        # Of the turn that is starting or open.
        self._voice_start = 0
        self._onset = 0
        self._start = 0
        self._pauses: deque[_Pause] = deque()  # Places for a cut: the best one, the best one after it, and so on.
        self._no_cut_before = 0
        # While stopping.
        self._voice_end = 0
        self._end = 0

        self._next_parameters = parameters
        self._apply_parameters()

    @property
    def parameters(self) -> EndpointingParameters:
        """What the session chose; a change while a turn is open applies from the next turn on."""
        return self._next_parameters

    @parameters.setter
    def parameters(self, parameters: EndpointingParameters) -> None:
        self._next_parameters = parameters
        if self._state in {State.QUIET, State.STARTING}:
            self._earliest_start = max(self._earliest_start, self.keep_from)
            self._apply_parameters()

    @property
    def state(self) -> State:
        """Where the session stands."""
        return self._state

    @property
    def silence_samples(self) -> int:
        """How long the open turn has been without sound, in samples; 0 while it sounds or none is open."""
        return self._position - self._end if self._state is State.STOPPING else 0

    @property
    def keep_from(self) -> int:
        """The earliest sample that a turn to come may still need."""
        match self._state:
            case State.QUIET:
                return max(self._earliest_start, self._position - self._lookback)
            case State.STARTING:
                return max(self._earliest_start, self._voice_start - self._lookback)
            case State.SPEAKING:
                keep_from = max(self._start, self._position - END_REACH_BACK)
            case State.STOPPING:
                keep_from = max(self._start, self._voice_end - END_REACH_BACK, self._position - self._lookback)
        return min(keep_from, self._pauses[0].sample) if self._pauses else keep_from

    def no_cut_before(self, sample: int) -> None:
        """Cut the open turn nowhere before a sample of the session."""
        self._no_cut_before = sample
        while self._pauses and self._pauses[0].sample < sample:
            self._pauses.popleft()

    def advance(self, probability: float, energies: Sequence[float]) -> list[Boundary]:
        """Take the next frame.

        Args:
            probability: That somebody speaks in it.
            energies: Of its `BLOCKS_PER_FRAME` blocks (`frames.block_energies`).

        Returns:
            The boundaries that are certain now, in order.
        """
        before = self._state
        frame_start = self._position
        self._position += FRAME_SAMPLES
        self._sound.hear(energies)
        if probability >= self._enter:
            self._signal(Signal.VOICE)
        elif probability < self._leave:
            self._signal(Signal.NO_VOICE)

        match self._state:
            case State.STARTING:
                if before is State.QUIET:
                    self._voice_start = frame_start
                if self._position - self._voice_start >= self._min_speech:
                    self._signal(Signal.ENOUGH_SPEECH)
                    return [self._open()]
            case State.SPEAKING:
                self._watch_pauses(probability, energies)
                if self._pauses and self._position - self._start >= self._max_utterance:
                    self._signal(Signal.TOO_LONG)
                    return self._cut(self._pauses[0].sample)
            case State.STOPPING:
                self._watch_pauses(probability, energies)
                if before is State.SPEAKING:
                    self._voice_end = frame_start
                if frame_start <= self._voice_end + END_REACH_FORWARD:
                    earliest = min(self._onset + FRAME_SAMPLES, self._voice_end)
                    self._end = max(self._sound.end(self._voice_end), earliest)
                if self._position - self._end >= self._silence:
                    self._signal(Signal.ENOUGH_SILENCE)
                    return [self._close(self._end)]
                if self._position - self._start >= self._max_utterance:
                    self._signal(Signal.TOO_LONG)
                    return [self._close(self._end)]
        return []

    def flush(self, position: int) -> list[SpeechStopped]:
        """End an open turn now: where its sound ended, or at `position` if it still sounds.

        A turn that is only starting is dropped: had it `min_speech_ms` of speech, it would be open. The rules go on.

        Args:
            position: Samples received so far, up to a frame more than `advance` has seen.
        """
        before = self._state
        self._signal(Signal.FLUSH)
        match before:
            case State.SPEAKING:
                return [self._close(position)]
            case State.STOPPING:
                return [self._close(self._end)]
        return []

    # Private.

    def _signal(self, signal: Signal) -> None:
        self._state = TRANSITIONS[self._state].get(signal, self._state)

    def _open(self) -> SpeechStarted:
        onset = self._sound.onset(self._voice_start)
        self._start = max(self._earliest_start, self._voice_start - self._lookback, onset - self._prefix_padding)
        self._onset = max(onset, self._start)
        self._pauses.clear()
        return SpeechStarted(self._start)

    def _close(self, end: int) -> SpeechStopped:
        self._earliest_start = max(end, self._position - self._lookback)
        self._pauses.clear()
        self._apply_parameters()
        return SpeechStopped(end)

    def _cut(self, sample: int) -> list[Boundary]:
        self._start = self._onset = sample
        self._pauses.clear()
        self._apply_parameters()
        return [SpeechStopped(sample, goes_on=True), SpeechStarted(sample)]

    def _watch_pauses(self, probability: float, energies: Sequence[float]) -> None:
        """Remember the best places for a cut: where speech is least likely, and there the quietest block."""
        frame_start = self._position - FRAME_SAMPLES
        if frame_start < self._start + self._max_utterance - min(_CUT_WINDOW, self._max_utterance // 2):
            return
        quietest = min(energies)
        block_start = frame_start + energies.index(quietest) * BLOCK_SAMPLES
        pause = _Pause(round(probability, 1), quietest, block_start + BLOCK_SAMPLES // 2)
        if pause.sample < self._no_cut_before:
            return
        while self._pauses and pause < self._pauses[-1]:
            self._pauses.pop()
        self._pauses.append(pause)

    def _apply_parameters(self) -> None:
        """Derive what the rules use, in samples."""
        parameters = self._next_parameters
        self._enter = parameters.threshold
        self._leave = max(parameters.threshold - 0.15, parameters.threshold / 3)
        self._silence = samples_from_ms(parameters.silence_ms)
        self._prefix_padding = samples_from_ms(parameters.prefix_padding_ms)
        self._min_speech = round(samples_from_ms(parameters.min_speech_ms) / FRAME_SAMPLES) * FRAME_SAMPLES
        self._max_utterance = samples_from_ms(parameters.max_utterance_ms)
        self._lookback = min(self._prefix_padding + ONSET_REACH, _MAX_LOOKBACK)
