"""What one session says: utterances with pauses between them, the same at every run.

A person on the telephone speaks some 40 % of the time (ITU-T P.59 has 38.5 % for one side of a conversation). Each
session goes through the recordings in an order of its own, all of them once before any is heard again, and pauses for
about one and a half times as long as it has spoken.

After a recording, the room that it was made in goes on. With digital silence there instead, the sound of the room would
end with the recording, and a detector could take that for the end of speech; with another noise, for speech.
"""

import random
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qwen3_asr_realtime.audio.files import pcm16_bytes
from qwen3_asr_realtime.load.recordings import Recording
from qwen3_asr_realtime.samples import SAMPLE_RATE, samples_from_ms

SPEECH_SHARE = 0.4

MIN_PAUSE_MS = 1500
"""Shortest pause: longer than the server takes to end a turn by default, so that every utterance is a turn."""

_PAUSE_BEYOND_SILENCE_MS = 700
"""What a pause has at least on top of the silence that ends a turn, where that is longer than by default."""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.5, 1.5
"""Pauses vary in this range around their mean."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance of a conversation; positions are samples of the session's audio at 16 kHz.

    Attributes:
        recording: Which recording.
        first: Where the recording begins.
        last: The sample after its end.
        onset: Where the speech in it begins.
        end: The sample after the speech.
    """

    recording: int
    first: int
    last: int
    onset: int
    end: int


class Conversation:
    """The audio of one session.

    Args:
        recordings: What there is to say.
        turns: When it is said, in order and apart from each other.
        n_samples: Length of the whole.
    """

    def __init__(self, recordings: Sequence[Recording], turns: Sequence[Turn], n_samples: int) -> None:
        self.turns = tuple(turns)
        self.n_samples = n_samples
        self._pcm = [pcm16_bytes(recording.samples) for recording in recordings]
        self._lasts = [turn.last for turn in turns]
        self._rooms = [pcm16_bytes(recording.room) or bytes(2) for recording in recordings]

    def pcm(self, first: int, last: int) -> bytes:
        """The samples from `first` to before `last` as 16-bit PCM."""
        pieces = []
        position = first
        index = bisect_left(self._lasts, first + 1)
        room = self._room_before(index)
        for turn in self.turns[index:]:
            if turn.first >= last:
                break
            begin, end = max(position, turn.first), min(last, turn.last)
            pieces += [
                _repeated(room, position, begin),
                self._pcm[turn.recording][(begin - turn.first) * 2 : (end - turn.first) * 2],
            ]
            position = end
            room = self._rooms[turn.recording]
        return b"".join([*pieces, _repeated(room, position, last)])

    def _room_before(self, index: int) -> bytes:
        """What is heard before a turn: the room of the one before, if any."""
        return self._rooms[self.turns[max(index - 1, 0)].recording]


def _repeated(sound: bytes, first: int, last: int) -> bytes:
    """The samples from `first` to before `last` of a sound that is heard over and over."""
    period = len(sound) // 2
    begin, length = first % period, last - first
    return (sound * ((begin + length) // period + 1))[begin * 2 : (begin + length) * 2]


def plan(
    recordings: Sequence[Recording], *, duration_s: float, session: int, seed: int, silence_ms: int | None
) -> Conversation:
    """Lay out the conversation of one session; the same arguments give the same conversation.

    Args:
        recordings: What there is to say.
        duration_s: Length of the audio. Where not even one utterance fits in, it is longer, and has one.
        session: Number of the session, from 0; it is the same person in every stage of a test.
        seed: Another seed makes other conversations.
        silence_ms: Silence that ends a turn, if it is known.
    """
    chance = random.Random(f"{seed} {session}")  # noqa: S311 - for variety, not for secrets
    shortest_pause = samples_from_ms(max(MIN_PAUSE_MS, (silence_ms or 0) + _PAUSE_BEYOND_SILENCE_MS))
    turns: list[Turn] = []
    n_samples = int(duration_s * SAMPLE_RATE)
    position = int(shortest_pause * chance.random())
    for index in _order(len(recordings), chance):
        recording = recordings[index]
        onset, end = recording.speech
        stop = position + len(recording.samples)
        # The last pause is there too: a final that comes with the end of the session tells nothing about endpointing.
        if turns and stop + shortest_pause > n_samples:
            break
        turns.append(Turn(index, position, stop, position + onset, position + end))
        mean_pause = (end - onset) * (1 / SPEECH_SHARE - 1) - (len(recording.samples) - (end - onset))
        pause = max(shortest_pause, int(mean_pause * chance.uniform(_SHORTEST_PAUSE, _LONGEST_PAUSE)))
        position = stop + pause
    return Conversation(recordings, turns, max(n_samples, turns[0].last + shortest_pause))


def mean_period_s(recordings: Sequence[Recording]) -> float:
    """Time from one utterance to the next, in the mean over the recordings."""
    speech = [recording.speech[1] - recording.speech[0] for recording in recordings]
    return sum(speech) / len(speech) / SPEECH_SHARE / SAMPLE_RATE


def _order(count: int, chance: random.Random) -> Iterator[int]:
    while True:
        yield from chance.sample(range(count), count)
