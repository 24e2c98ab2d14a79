"""Finds speech in the audio of one session: samples in, turns with their audio out."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from qwen3_asr_realtime.samples import NO_SAMPLES, Samples
from qwen3_asr_realtime.vad.endpointing import Endpointer, EndpointingParameters, SpeechStarted, SpeechStopped, State
from qwen3_asr_realtime.vad.frames import FRAME_SAMPLES, block_energies
from qwen3_asr_realtime.vad.history import History
from qwen3_asr_realtime.vad.silero import CONTEXT_SAMPLES, WINDOW_SAMPLES, SileroModel, SileroState

_SLICE_SAMPLES = 8 * FRAME_SAMPLES  # A long push is worked through in slices of 256 ms, so that no long array is kept.


@dataclass(frozen=True, slots=True, eq=False)
class SpeechAudio:
    """Audio of the open turn, from where the last such event ended; the first one begins at the turn's start.

    Attributes:
        samples: float32 [n], read-only.
        first_sample: Position of the first of them in the session.
        probability: The highest probability of speech in them; 0 where they were not judged.
    """

    samples: Samples
    first_sample: int
    probability: float = 0.0


VoiceEvent: TypeAlias = SpeechStarted | SpeechAudio | SpeechStopped


class SpeechDetector:
    """Speech detection for one session. Not for use by two threads at once.

    The events of a turn are `SpeechStarted`, `SpeechAudio` any number of times, `SpeechStopped`. The audio of a turn
    reaches beyond its end, for the silence had to be heard. They depend on the samples alone, not on how these were cut
    into pushes.

    Args:
        model: The shared model.
        parameters: What the session chose.
    """

    def __init__(self, model: SileroModel, parameters: EndpointingParameters) -> None:
        self._model = model
        self._state = SileroState()
        self._endpointer = Endpointer(parameters)
        self._remainder = NO_SAMPLES  # The last samples, not yet a frame.
        self._judged = 0  # Samples before the remainder.
        self._history = History()
        self._delivered: int | None = None  # End of the audio delivered of the open turn, if one is open.
        self._probability = 0.0  # The highest since then, or since the turn that may be starting.

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

    def push(self, samples: Samples) -> list[VoiceEvent]:
        """Take the next samples of the session; what does not fill a frame waits for the next push.

        Args:
            samples: float32 [n], any n.
        """
        events: list[VoiceEvent] = []
        for offset in range(0, len(samples), _SLICE_SAMPLES):
            self._push_slice(samples[offset : offset + _SLICE_SAMPLES], events)
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

    def _push_slice(self, samples: Samples, events: list[VoiceEvent]) -> None:
        whole = (len(self._remainder) + len(samples)) // FRAME_SAMPLES * FRAME_SAMPLES
        if not whole:
            self._remainder = np.concatenate((self._remainder, samples))
            return
        taken = whole - len(self._remainder)
        # One array in which every frame is preceded by its context: the model reads it in place.
        stream = np.concatenate((self._state.context, self._remainder, samples[:taken]))
        stream.setflags(write=False)
        self._state.context = stream[-CONTEXT_SAMPLES:]
        self._remainder = samples[taken:].copy()
        frames = stream[CONTEXT_SAMPLES:]
        self._history.append(frames)

        for offset, energies in zip(range(0, whole, FRAME_SAMPLES), block_energies(frames), strict=True):
            window = stream[offset : offset + WINDOW_SAMPLES]
            probabilities, self._state.recurrent = self._model.probabilities(window[None], self._state.recurrent)
            self._judged += FRAME_SAMPLES
            boundaries = self._endpointer.advance(float(probabilities[0]), energies)
            quiet = self._endpointer.state is State.QUIET and not boundaries
            self._probability = 0.0 if quiet else max(self._probability, float(probabilities[0]))
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
            events.append(SpeechAudio(samples, self._delivered, self._probability))
            self._delivered = self._judged
            self._probability = 0.0
