"""Finds speech in the audio of one session: samples in, turns with their audio out."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np

from qwen3_asr_realtime.samples import NO_SAMPLES, Samples
from qwen3_asr_realtime.vad.endpointing import Endpointer, EndpointingParameters, SpeechStarted, SpeechStopped
from qwen3_asr_realtime.vad.frames import FRAME_SAMPLES, certain_voice_s
from qwen3_asr_realtime.vad.history import History
from qwen3_asr_realtime.vad.silero import CONTEXT_SAMPLES, Frames, SileroState

_SLICE_FRAMES = 8
"""Many frames are concluded from in slices of 256 ms, so that no long array is kept."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeechAudio:
    """Audio of the open turn, from where the last such event ended; the first one begins at the turn's start.

    Attributes:
        samples: float32 [n], read-only.
        first_sample: Position of the first of them in the session.
        voiced_until: Position up to which speech has been heard so far; what follows it is silence.
        voice_s: Certain voice in them, in seconds (`certain_voice_s`); none where they were not judged.
    """

    samples: Samples
    first_sample: int
    voiced_until: int
    voice_s: float = 0.0


VoiceEvent: TypeAlias = SpeechStarted | SpeechAudio | SpeechStopped


class SpeechDetector:
    """Speech detection for one session. Not for use by two threads at once.

    It works in three steps, of which the middle one is the model's, so that sessions can share its calls: `take` cuts
    new samples into frames, the frames are judged (`SileroModel.judge`, `FrameBatcher`), and `conclude` turns the
    probabilities into events. All three are done before the next samples are taken, and before anything else is asked.

    The events of a turn are `SpeechStarted`, `SpeechAudio` any number of times, `SpeechStopped`. The audio of a turn
    reaches beyond its end, for the silence had to be heard. They depend on the samples alone, not on how these were cut
    into pushes.

    Args:
        parameters: What the session chose.
    """

    def __init__(self, parameters: EndpointingParameters) -> None:
        self._state = SileroState()
        self._endpointer = Endpointer(parameters)
        self._remainder = NO_SAMPLES  # The last samples, not yet a frame.
        self._judged = 0  # Samples before the remainder.
        self._history = History()
        self._delivered: int | None = None  # End of the audio delivered of the open turn, if one is open.
        self._voices_s: deque[float] = deque()  # Certain voice in each of the last frames, as far back as the history.

    @property
    def parameters(self) -> EndpointingParameters:
        """What the session chose; a change while a turn is open applies from the next turn on."""
        return self._endpointer.parameters

    @parameters.setter
    def parameters(self, parameters: EndpointingParameters) -> None:
        self._endpointer.parameters = parameters

    @property
    def position(self) -> int:
        """Samples received so far."""
        return self._judged + len(self._remainder)

    def no_cut_before(self, sample: int) -> None:
        """Cut the open turn, if it grows too long, nowhere before a sample of the session."""
        self._endpointer.no_cut_before(sample)

    def take(self, samples: Samples) -> Frames | None:
        """Take the next samples of the session; what does not fill a frame waits for more.

        Args:
            samples: float32 [n], any n.

        Returns:
            Frames to be judged, or None if there is not one.
        """
        whole = (len(self._remainder) + len(samples)) // FRAME_SAMPLES * FRAME_SAMPLES
        if not whole:
            self._remainder = np.concatenate((self._remainder, samples))
            return None
        taken = whole - len(self._remainder)
        # One array in which every frame is preceded by its context: the model reads windows of it.
        stream = np.concatenate((self._state.context, self._remainder, samples[:taken]))
        stream.setflags(write=False)
        self._state.context = stream[-CONTEXT_SAMPLES:].copy()
        self._remainder = samples[taken:].copy()
        return Frames(stream, self._state)

    def conclude(self, frames: Frames) -> Iterator[VoiceEvent]:
        """What follows from frames that have been judged, slice by slice: to be iterated over to its end.

        Whoever answers an event with `no_cut_before` is heeded from the next slice on.

        Args:
            frames: The last ones `take` returned.
        """
        audio = frames.stream[CONTEXT_SAMPLES:]
        for first in range(0, len(frames.probabilities), _SLICE_FRAMES):
            end = first + _SLICE_FRAMES
            part = audio[first * FRAME_SAMPLES : end * FRAME_SAMPLES]
            self._history.append(part if len(part) == len(audio) else _read_only_copy(part))
            yield from self._conclude(frames.probabilities[first:end], frames.energies[first:end])

    def flush(self) -> list[VoiceEvent]:
        """End an open turn now, for a commit of the client or the end of the session.

        The turn ends where its sound ended or, if it still sounds, at `position`. Samples that do not fill a frame are
        not judged (they could not open a turn), but belong to the turn. The model's memory stays: after a commit the
        same voice goes on in the same room, and a fresh model needs some frames to find its way.
        """
        events: list[VoiceEvent] = []
        for boundary in self._endpointer.flush(self.position):
            if len(self._remainder):
                self._remainder.setflags(write=False)
                events.append(SpeechAudio(self._remainder, self._judged, boundary.end_sample))
            self._delivered = None
            events.append(boundary)
        return events

    # Private.

    def _conclude(self, probabilities: list[float], energies: list[list[float]]) -> Iterator[VoiceEvent]:
        for probability, frame_energies in zip(probabilities, energies, strict=True):
            self._judged += FRAME_SAMPLES
            boundaries = self._endpointer.advance(probability, frame_energies)
            self._voices_s.append(certain_voice_s(probability))
            for boundary in boundaries:
                match boundary:
                    case SpeechStarted(start_sample):
                        self._delivered = start_sample
                    case SpeechStopped(end_sample, goes_on):
                        yield from self._deliver(end_sample if goes_on else self._judged, end_sample)
                        self._delivered = None
                yield boundary
        yield from self._deliver(self._judged, self._judged - self._endpointer.silence_samples)
        keep_from = self._endpointer.keep_from
        self._history.drop_before(keep_from)
        while self._judged - (len(self._voices_s) - 1) * FRAME_SAMPLES < keep_from:
            self._voices_s.popleft()

    def _deliver(self, end: int, voiced_until: int) -> Iterator[SpeechAudio]:
        """Hand out what of the open turn lies before `end` and has not been handed out yet."""
        if self._delivered is not None and self._delivered < end:
            samples = self._history.read(self._delivered, end)
            begin = self._judged - len(self._voices_s) * FRAME_SAMPLES
            first, last = (self._delivered - begin) // FRAME_SAMPLES, (end - begin) // FRAME_SAMPLES
            voice_s = sum(islice(self._voices_s, first, last))
            yield SpeechAudio(samples, self._delivered, voiced_until, voice_s)
            self._delivered = end


def _read_only_copy(samples: Samples) -> Samples:
    copied = samples.copy()
    copied.setflags(write=False)
    return copied
