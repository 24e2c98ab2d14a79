"""A session of the Qwen3-ASR-realtime protocol, without I/O, clock or randomness of its own.

Client events and reports about audio, speech and recognition go in; server events and commands come out, to be sent and
carried out in order. Everything a client may observe about order is decided here.

    VAD      speech_started  text*  speech_stopped  committed  item.created  text*  completed | failed
    Manual                   text*                  committed  item.created  text*  completed | failed
    finish   all of the above for what is open, then session.finished, always last
    close    the same without session.finished, which answers the client's finish alone
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from msgspec import UNSET

from qwen3_asr_realtime.protocol.commands import (
    AddAudio,
    CancelUtterance,
    Close,
    Command,
    ConfigureDetection,
    ConfigureIntake,
    DiscardAudio,
    EndSegment,
    FinishUtterance,
    FlushAudio,
    OpenUtterance,
    StartSegment,
)
from qwen3_asr_realtime.protocol.configuration import Configuration, Support
from qwen3_asr_realtime.protocol.errors import ProtocolError, shown
from qwen3_asr_realtime.protocol.events import (
    AudioAppend,
    AudioClear,
    AudioCleared,
    AudioCommit,
    AudioCommitted,
    ClientEvent,
    ErrorEvent,
    ErrorView,
    FailureView,
    ItemCreated,
    ItemView,
    MalformedEvent,
    ServerEvent,
    SessionCreated,
    SessionFinish,
    SessionFinished,
    SessionUpdate,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TranscriptionCompleted,
    TranscriptionFailed,
    TranscriptionText,
    UnsupportedEvent,
    Usage,
)
from qwen3_asr_realtime.protocol.identifiers import IdSource
from qwen3_asr_realtime.protocol.items import IllegalTransition, Item, ItemSignal
from qwen3_asr_realtime.protocol.states import SESSION_TRANSITIONS, SessionSignal, SessionState
from qwen3_asr_realtime.samples import SAMPLE_RATE, ms_from_samples
from qwen3_asr_realtime.text import join_transcripts

MALFORMED_FRAMES_MAX = 20
"""Frames in a row that are no events before the connection is closed with 1007: the sender speaks something else."""

Outputs: TypeAlias = list[ServerEvent | Command]
VadCommit: TypeAlias = Literal["flush_or_ignore", "error"]


IDLE_TIMEOUT = Close(1000, "idle timeout")
TIME_LIMIT = Close(1000, "session time limit")
SERVER_SHUTDOWN = Close(1001, "server shutdown")


@dataclass(frozen=True, slots=True)
class SessionRules:
    """How this server decides what the protocol leaves open.

    Attributes:
        support: What it can offer.
        initial: Configuration before the first `session.update`.
        vad_commit: What a commit in VAD mode does: end the open turn (or nothing), or answer an error.
        finished_transcript: Whether `session.finished` carries all finals joined, as the official samples expect.
        append_chars_max: Longest `audio` text of one append, in characters.
    """

    support: Support
    initial: Configuration
    vad_commit: VadCommit = "flush_or_ignore"
    finished_transcript: bool = True
    append_chars_max: int = 15 * 1024 * 1024


class Session:
    """The state of one connection.

    Every method returns what is to be sent and done next, in order. None of them raises on what a client does; a
    report that cannot be true (such as a second end of one item) raises `IllegalTransition` and changes nothing.

    Attributes:
        id: On the wire.
        model: The model name the client asked for, echoed verbatim.
        configuration: What is in force now.
        state: See `SESSION_TRANSITIONS`.
        retractions_prevented: Previews that tried to change confirmed text; never sent, counted here.
    """

    def __init__(self, *, session_id: str, model: str, rules: SessionRules, new_id: IdSource) -> None:
        self.id = session_id
        self.model = model
        self.configuration = rules.initial
        self.state = SessionState.OPEN
        self.retractions_prevented = 0
        self._rules = rules
        self._new_id = new_id
        self._malformed_in_a_row = 0
        self._position = 0  # samples of audio received, on the session's timeline
        self._audio_ever_received = False
        self._commit_pending = False
        self._close = IDLE_TIMEOUT  # how it ends, if the server ends it
        self._audio_ended = False  # no more will be taken, and the last has been listened to
        self._current: Item | None = None  # the item that audio goes to
        self._unfinished: dict[str, Item] = {}  # in wire order; only the first may show text or end
        self._early_ends: dict[str, TranscriptionCompleted | TranscriptionFailed] = {}
        self._last_committed_id = ""
        self._transcripts: list[str] = []
        self._handlers: dict[type[ClientEvent], Callable[..., Outputs]] = {
            SessionUpdate: self._on_update,
            AudioAppend: self._on_append,
            AudioCommit: self._on_commit,
            AudioClear: self._on_clear,
            SessionFinish: self._on_finish,
            UnsupportedEvent: self._on_unsupported,
        }

    # --- client events -----------------------------------------------------------------------------------------------

    def start(self) -> Outputs:
        """Greet the client; once, before anything else. Audio and detection are set up for `rules.initial` by then."""
        return [SessionCreated(event_id=self._event_id(), session=self.configuration.view(self.id, self.model))]

    def receive(self, event: ClientEvent) -> Outputs:
        """Take one client event. After `session.finish` all of them are ignored: microphone threads race it.

        So they are while the server closes the session, but for a `session.finish`: whoever sends it waits for its
        answer.
        """
        self._malformed_in_a_row = 0
        if not self._is_open:
            if self.state is SessionState.CLOSING and isinstance(event, SessionFinish):
                self._signal(SessionSignal.FINISH)
            return []
        handler = self._handlers.get(type(event))
        if handler is None:
            return []
        try:
            return handler(event)
        except ProtocolError as error:
            error.event_id = event.event_id
            return [self._error(error)]

    def refuse(self, error: ProtocolError) -> Outputs:
        """Answer a frame or an append that could not be used. A row of malformed frames ends the connection."""
        if not self._is_open:
            return []
        outputs: Outputs = [self._error(error)]
        self._malformed_in_a_row = self._malformed_in_a_row + 1 if isinstance(error, MalformedEvent) else 0
        if self._malformed_in_a_row >= MALFORMED_FRAMES_MAX:
            outputs.append(Close(1007, f"{MALFORMED_FRAMES_MAX} malformed events in a row"))
        return outputs

    # --- ends that are not the client's doing ------------------------------------------------------------------------

    def expire(self) -> Outputs:
        """The client has sent nothing for too long: let what is open end, then close. Nothing, if it has finished."""
        return self._leave(IDLE_TIMEOUT)

    def outlive(self) -> Outputs:
        """The session has lasted as long as one may: likewise."""
        return self._leave(TIME_LIMIT)

    def retire(self) -> Outputs:
        """The server is about to stop: close at the next moment at which no item is open, which may be now.

        From then on `settled` has to be told.
        """
        if self.state is SessionState.OPEN:
            self._signal(SessionSignal.RETIRE)
        return self.settled()

    def settled(self) -> Outputs:
        """All that a client event asked for is done."""
        return self.cut() if self.state is SessionState.RETIRING and self._current is None else []

    def cut(self) -> Outputs:
        """The server can wait no longer: end what is open, then close."""
        return self._leave(SERVER_SHUTDOWN)

    def _leave(self, close: Close) -> Outputs:
        if not self._is_open:
            return []
        self._signal(SessionSignal.CLOSE)
        self._close = close
        return [FlushAudio()]

    # --- handlers of client events -----------------------------------------------------------------------------------

    def _on_update(self, event: SessionUpdate) -> Outputs:
        old, new = self.configuration, self.configuration.updated(event.session, self._rules.support)
        if self._current is not None:
            self._check_change_within_item(old, new)
        self.configuration = new
        outputs: Outputs = []
        if (new.audio_format, new.sample_rate) != (old.audio_format, old.sample_rate):
            outputs += [DiscardAudio(), ConfigureIntake(new.audio_format, new.sample_rate)]
        if new.turn_detection != old.turn_detection:
            outputs.append(ConfigureDetection(new.turn_detection))
        return [*outputs, SessionUpdated(event_id=self._event_id(), session=new.view(self.id, self.model))]

    @staticmethod
    def _check_change_within_item(old: Configuration, new: Configuration) -> None:
        """Refuse what cannot change while audio is open; language, context, threshold and silence wait for the next."""
        for changed, field in (
            ((old.turn_detection is None) != (new.turn_detection is None), "turn_detection"),
            (old.audio_format != new.audio_format, "input_audio_format"),
            (old.sample_rate != new.sample_rate, "sample_rate"),
        ):
            if changed:
                raise ProtocolError(
                    f"'session.{field}' cannot change while audio is being recognised; commit or clear it first.",
                    param=f"session.{field}",
                )

    def _on_append(self, event: AudioAppend) -> Outputs:
        if len(event.audio) > self._rules.append_chars_max:
            raise ProtocolError(
                f"'audio' has {len(event.audio)} characters; at most {self._rules.append_chars_max} are accepted in "
                "one event. Send smaller chunks.",
                param="audio",
            )
        return [AddAudio(event.audio, event.event_id)] if event.audio else []

    def _on_commit(self, event: AudioCommit) -> Outputs:
        if self.configuration.turn_detection is not None and self._rules.vad_commit == "error":
            raise ProtocolError("'input_audio_buffer.commit' is not available in VAD mode.", param="type")
        if self._current is not None:
            self._commit_pending = True
            return [FlushAudio()]
        if self.configuration.turn_detection is None and not self._audio_ever_received:
            raise ProtocolError(
                "Error committing input audio buffer: buffer too small, or have no audio.",
                code="input_audio_buffer_commit_empty",
            )
        return []  # a commit too many; real clients send one right before session.finish

    def _on_clear(self, event: AudioClear) -> Outputs:
        outputs: Outputs = [DiscardAudio()]
        if self._current is not None:
            item, self._current = self._current, None
            item.signal(ItemSignal.CLEAR)
            del self._unfinished[item.id]
            outputs.append(CancelUtterance(item.id))
        return [*outputs, AudioCleared(event_id=self._event_id())]

    def _on_finish(self, event: SessionFinish) -> Outputs:
        self._signal(SessionSignal.FINISH)
        return [FlushAudio()]

    def _on_unsupported(self, event: UnsupportedEvent) -> Outputs:
        raise ProtocolError(f"Unknown or unsupported event type: {shown(event.type)}.", param="type")

    # --- reports about audio and speech ------------------------------------------------------------------------------

    def audio_received(self, position: int) -> Outputs:
        """Audio came in and is about to be listened to.

        Args:
            position: Samples received since the session began, this audio included.
        """
        self._position = position
        self._audio_ever_received = True
        if self.configuration.turn_detection is None and self._current is None:
            return [self._open_item()]
        return []

    def speech_started(self, start_sample: int) -> Outputs:
        """Speech begins at `start_sample` (pre-roll included); its audio follows."""
        if self.configuration.turn_detection is None:
            return [StartSegment(self._open().id, start_sample)]
        if self._current is not None:
            raise IllegalTransition("speech was reported to start within speech")
        opened = self._open_item()
        return [
            SpeechStarted(
                event_id=self._event_id(), audio_start_ms=ms_from_samples(start_sample), item_id=opened.item_id
            ),
            opened,
            StartSegment(opened.item_id, start_sample),
        ]

    def speech_stopped(self, end_sample: int, *, goes_on: bool = False) -> Outputs:
        """The open speech ended at `end_sample`, or was cut there if it goes on. In VAD mode that ends the item."""
        item = self._open()
        outputs: Outputs = [EndSegment(item.id, end_sample, goes_on)]
        if self.configuration.turn_detection is not None:
            stopped = SpeechStopped(
                event_id=self._event_id(), audio_end_ms=ms_from_samples(end_sample), item_id=item.id
            )
            outputs += [stopped, *self._commit(item, end_sample)]
        return outputs

    def audio_flushed(self) -> Outputs:
        """A `FlushAudio` is done: whatever speech was open has been reported as stopped."""
        outputs: Outputs = []
        self._audio_ended = not self._is_open
        if self._current is not None and (self._commit_pending or self._audio_ended):
            outputs = self._commit(self._current, self._position)
        self._commit_pending = False
        return outputs + self._end_if_drained()

    # --- reports about recognition -----------------------------------------------------------------------------------

    def preview(self, item_id: str, *, text: str, stash: str, language: str) -> Outputs:
        """A new preview of an item; sent at once if nothing before it is still open, else kept until then.

        Args:
            item_id: The item; one that has ended is ignored.
            text: Confirmed prefix. It must begin with what was confirmed before; if not, the old text stays.
            stash: The tentative rest; a preview without either is not sent.
            language: Detected code, or "".
        """
        item = self._unfinished.get(item_id)
        if item is None:
            return []
        if not text.startswith(item.text):
            self.retractions_prevented += 1
            return []
        if (text, stash) in ((item.text, item.stash), ("", "")):
            return []
        item.text, item.stash, item.language = text, stash, language
        return [self._preview_event(item)] if self._is_first(item) else []

    def completed(
        self, item_id: str, *, transcript: str, language: str, trace: dict[str, float] | None = None
    ) -> Outputs:
        """The final transcript of an item, "" if nothing was said.

        Args:
            item_id: The item.
            transcript: Its text.
            language: Code of the detected language, or "".
            trace: Where its time went, in milliseconds, if the client is to be told.

        Raises:
            IllegalTransition: The item has ended, was cleared, or is not committed yet.
        """
        item = self._ending(item_id, ItemSignal.COMPLETE)
        spoken = transcript != ""
        event = TranscriptionCompleted(
            event_id=self._event_id(),
            item_id=item.id,
            language=(item.requested_language or language) if spoken else "",
            emotion="neutral" if spoken else "",
            transcript=transcript,
            usage=Usage(-(-item.end_sample // SAMPLE_RATE)),
            x_trace=trace or UNSET,
        )
        return self._end(item, event)

    def failed(self, item_id: str, *, code: str, message: str) -> Outputs:
        """An item could not be recognised; the session goes on.

        Raises:
            IllegalTransition: As for `completed`.
        """
        item = self._ending(item_id, ItemSignal.FAIL)
        event = TranscriptionFailed(
            event_id=self._event_id(), item_id=item.id, error=FailureView(code=code, message=message)
        )
        return self._end(item, event)

    # --- items -------------------------------------------------------------------------------------------------------

    def _open_item(self) -> OpenUtterance:
        configuration = self.configuration
        item = Item(self._new_id("item"), requested_language=configuration.requested_language)
        self._current = self._unfinished[item.id] = item
        return OpenUtterance(item.id, configuration.language, configuration.corpus_text or "")

    def _open(self) -> Item:
        if self._current is None:
            raise IllegalTransition("speech was reported with no item open")
        return self._current

    def _commit(self, item: Item, end_sample: int) -> Outputs:
        item.signal(ItemSignal.COMMIT)
        item.end_sample = end_sample
        self._current = None
        previous_id, self._last_committed_id = self._last_committed_id, item.id
        committed = AudioCommitted(event_id=self._event_id(), previous_item_id=previous_id, item_id=item.id)
        view = ItemView(id=item.id)
        created = ItemCreated(event_id=self._event_id(), previous_item_id=previous_id, item=view)
        return [committed, created, FinishUtterance(item.id)]

    def _is_first(self, item: Item) -> bool:
        return next(iter(self._unfinished.values())) is item

    def _ending(self, item_id: str, signal: ItemSignal) -> Item:
        item = self._unfinished.get(item_id)
        if item is None:
            raise IllegalTransition(f"{item_id}: {signal.name}, but it has ended")
        item.signal(signal)
        return item

    def _end(self, item: Item, event: TranscriptionCompleted | TranscriptionFailed) -> Outputs:
        """Send the end of an item and of every later one that was only waiting for it, then the next one's preview."""
        self._early_ends[item.id] = event
        outputs: Outputs = []
        while self._unfinished:
            first = next(iter(self._unfinished.values()))
            end = self._early_ends.pop(first.id, None)
            if end is None:
                if outputs and (first.text or first.stash):
                    outputs.append(self._preview_event(first))
                break
            del self._unfinished[first.id]
            outputs.append(end)
            if isinstance(end, TranscriptionCompleted):
                self._transcripts.append(end.transcript)
        return outputs + self._end_if_drained()

    def _preview_event(self, item: Item) -> TranscriptionText:
        return TranscriptionText(
            event_id=self._event_id(),
            item_id=item.id,
            language=item.requested_language or item.language,
            text=item.text,
            stash=item.stash,
        )

    # --- session -----------------------------------------------------------------------------------------------------

    @property
    def _is_open(self) -> bool:
        return self.state in (SessionState.OPEN, SessionState.RETIRING)

    def _end_if_drained(self) -> Outputs:
        if not self._audio_ended or self._unfinished:
            return []
        self._signal(SessionSignal.DRAINED)
        if self.state is SessionState.CLOSED:
            return [self._close]
        transcript = join_transcripts(self._transcripts) if self._rules.finished_transcript else UNSET
        return [
            SessionFinished(event_id=self._event_id(), transcript=transcript),
            Close(1000, "session finished", await_client=True),
        ]

    def _signal(self, signal: SessionSignal) -> None:
        try:
            self.state = SESSION_TRANSITIONS[self.state][signal]
        except KeyError:
            raise IllegalTransition(f"{signal.name} while {self.state.name}") from None

    def _error(self, error: ProtocolError) -> ErrorEvent:
        return ErrorEvent(
            event_id=self._event_id(),
            error=ErrorView(
                type="invalid_request_error",
                code=error.code,
                message=error.message,
                param=error.param,
                event_id=error.event_id,
            ),
        )

    def _event_id(self) -> str:
        return self._new_id("event")
