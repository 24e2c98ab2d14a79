"""Finds speech in the audio of one session: samples in, turns with their audio out."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from qwen3_asr_realtime.samples import NO_SAMPLES, Samples
from qwen3_asr_realtime.vad.endpointing import Endpointer, EndpointingParameters, SpeechStarted, SpeechStopped, State
from qwen3_asr_realtime.vad.frames import FRAME_SAMPLES, block_energies, certain_voice_s
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
        voice_s: Certain voice in them, in seconds (`certain_voice_s`); none where they were not judged.
    """

    samples: Samples
    first_sample: int
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
        self._voice_s = 0.0  # Certain voice since then, or since the turn that may be starting.

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

    @property
    def silence_samples(self) -> int:
        """How long the open turn has been without sound, in samples; 0 while it sounds or none is open."""
        return self._endpointer.silence_samples

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

    def conclude(self, frames: Frames) -> list[VoiceEvent]:
        """What follows from frames that have been judged.

        Args:
            frames: The last ones `take` returned.
        """
        events: list[VoiceEvent] = []
        audio = frames.stream[CONTEXT_SAMPLES:]
        for first in range(0, len(frames.probabilities), _SLICE_FRAMES):
            probabilities = frames.probabilities[first : first + _SLICE_FRAMES]
            part = audio[first * FRAME_SAMPLES :][: len(probabilities) * FRAME_SAMPLES]
            self._conclude(part if len(part) == len(audio) else _read_only_copy(part), probabilities, events)
        return events

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
                events.append(SpeechAudio(self._remainder, self._judged))
            self._delivered = None
            events.append(boundary)
        return events

    # Private.

    def _conclude(self, audio: Samples, probabilities: list[float], events: list[VoiceEvent]) -> None:
        self._history.append(audio)
        for probability, energies in zip(probabilities, block_energies(audio), strict=True):
            self._judged += FRAME_SAMPLES
            boundaries = self._endpointer.advance(probability, energies)
            quiet = self._endpointer.state is State.QUIET and not boundaries
            self._voice_s = 0.0 if quiet else self._voice_s + certain_voice_s(probability)
            for boundary in boundaries:
                match boundary:
                    case SpeechStarted(start_sample):
                        events.append(boundary)
                        self._delivered = start_sample
                    case SpeechStopped():
                        self._deliver(events)
                        self._delivered = None
                        events.append(boundary)
        self._deliver(events)
        self._history.drop_before(self._endpointer.keep_from)

    def _deliver(self, events: list[VoiceEvent]) -> None:
        """Hand out what has been judged of the open turn and not been handed out yet."""
        if self._delivered is not None and self._delivered < self._judged:
            samples = self._history.read(self._delivered, self._judged)
            events.append(SpeechAudio(samples, self._delivered, self._voice_s))
            self._delivered = self._judged
            self._voice_s = 0.0


def _read_only_copy(samples: Samples) -> Samples:
    copied = samples.copy()
    copied.setflags(write=False)
    return copied
