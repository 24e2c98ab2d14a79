"""Any order of client events and reports, legal or not: what the client sees is always in order.

The machine plays the world as `server/connection.py` runs it: client events are taken one at a time, each command that
waits for audio to be looked at is done before the next event, and recognition may report between any two of them.
"""

import itertools
import json
from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tests.protocol.documented import Event, documented
from tests.protocol.driver import (
    AUDIO,
    COMMITTED,
    CREATED,
    MODEL,
    SUPPORT,
    VAD,
)

from qwen3_asr_realtime.protocol.commands import (
    AddAudio,
    CancelUtterance,
    Close,
    Command,
    DiscardAudio,
    EndSegment,
    FinishUtterance,
    FlushAudio,
    OpenUtterance,
    StartSegment,
)
from qwen3_asr_realtime.protocol.configuration import Configuration
from qwen3_asr_realtime.protocol.errors import ProtocolError
from qwen3_asr_realtime.protocol.events import ServerEvent, SessionUpdated, decode_client_event
from qwen3_asr_realtime.protocol.items import IllegalTransition
from qwen3_asr_realtime.protocol.session import (
    IDLE_TIMEOUT,
    SERVER_SHUTDOWN,
    Outputs,
    Session,
    SessionRules,
    SessionState,
)

OPEN = (SessionState.OPEN, SessionState.RETIRING)
FINISHED = (Close(1000, "session finished", await_client=True),)

UPDATES = [
    {},
    {"turn_detection": None},
    {"turn_detection": {"type": "server_vad", "threshold": 0.4}},
    {"sample_rate": 8000},
    {"sample_rate": 16000, "turn_detection": None},
    {"input_audio_format": "wav", "input_audio_transcription": {"language": "de"}},
    {"input_audio_format": "mp3", "turn_detection": None},
    {"input_audio_transcription": {"language": "xx"}},
    "nonsense",
]
ODD_FRAMES = [
    "",
    "[]",
    '{"type":5}',
    '{"type":"session.update"}',
    '{"type":"response.create"}',
    '{"type":"conversation.item.create"}',
    '{"type":"input_audio_buffer.append"}',
    '{"type":"input_audio_buffer.append","audio":""}',
    '{"type":"input_audio_buffer.append","audio":"%s"}' % ("A" * 101),
]


class Ledger:
    """What the client has been told, checked against sections 4 to 6 of the reference as it comes."""

    def __init__(self) -> None:
        self.phases: dict[str, str] = {}  # of every item, in the order in which they were opened
        self.finished = False
        self._event_ids: set[str] = set()
        self._texts: dict[str, str] = {}
        self._last_committed = ""
        self._duration = 0
        self._previous: Event = {}

    def opened(self, item_id: str) -> None:
        self.phases.setdefault(item_id, "manual")

    def see(self, event: Event) -> None:
        assert not self.finished, "an event after session.finished"
        assert event["event_id"] not in self._event_ids
        self._event_ids.add(event["event_id"])
        item_id = event["item"]["id"] if event["type"] == CREATED else event.get("item_id", "")
        match event["type"]:
            case "input_audio_buffer.speech_started":
                assert item_id not in self.phases
                self.phases[item_id] = "speaking"
            case "input_audio_buffer.speech_stopped":
                self._move(item_id, "speaking", to="stopped")
            case "input_audio_buffer.committed":
                self._move(item_id, "stopped", "manual", to="committed")
                assert event["previous_item_id"] == self._last_committed
            case "conversation.item.created":
                assert self._previous["type"] == COMMITTED
                assert event["previous_item_id"] == self._last_committed
                self._last_committed = item_id
                self._move(item_id, "committed", to="created")
            case "conversation.item.input_audio_transcription.text":
                self._move(item_id, "speaking", "manual", "created", to=self.phases[item_id])
                self._assert_first(item_id)
                assert event["text"] + event["stash"] != ""
                assert event["text"].startswith(self._texts.get(item_id, ""))
                self._texts[item_id] = event["text"]
            case "conversation.item.input_audio_transcription.completed":
                self._assert_first(item_id)
                self._move(item_id, "created", to="ended")
                assert event["usage"]["duration"] >= self._duration
                self._duration = event["usage"]["duration"]
            case "conversation.item.input_audio_transcription.failed":
                self._assert_first(item_id)
                self._move(item_id, "created", to="ended")
            case "session.finished":
                assert set(self.phases.values()) <= {"ended", "cleared"}
                self.finished = True
        self._previous = event

    def _move(self, item_id: str, *allowed: str, to: str) -> None:
        assert self.phases[item_id] in allowed, f"{item_id} is {self.phases[item_id]}, not {allowed}"
        self.phases[item_id] = to

    def _assert_first(self, item_id: str) -> None:
        """No text and no end of an item while one before it is still to end."""
        before = itertools.takewhile(lambda other: other != item_id, self.phases)
        assert {self.phases[other] for other in before} <= {"ended", "cleared"}


class SessionMachine(RuleBasedStateMachine):
    @initialize(
        manual=st.booleans(),
        vad_commit=st.sampled_from(["flush_or_ignore", "error"]),
        way=st.sampled_from(["finish", "expire", "cut"]),
    )
    def connect(self, manual, vad_commit, way):
        self.way = way
        numbers = itertools.count(1)
        self.session = Session(
            session_id="sess_1",
            model=MODEL,
            rules=SessionRules(
                support=SUPPORT,
                initial=Configuration(turn_detection=None if manual else VAD),
                vad_commit=vad_commit,
                append_chars_max=100,
            ),
            new_id=lambda prefix: f"{prefix}_{next(numbers)}",
        )
        self.ledger = Ledger()
        self.closes: list[Close] = []
        self.to_do: deque[ServerEvent | Command] = deque()  # what came of the client's last event
        self.position = 0
        self.boundary = 0  # last start or stop of speech
        self.speaking = False
        self.held = False  # whether intake may hold samples back
        self.recognising: dict[str, str] = {}  # utterances: their last confirmed text
        self.finishing: set[str] = set()  # those that were told to finish
        self.do(self.session.start())

    # --- client ------------------------------------------------------------------------------------------------------

    @rule()
    def client_appends(self):
        self.send("input_audio_buffer.append", audio=AUDIO)

    @rule()
    def client_commits(self):
        self.send("input_audio_buffer.commit")

    @rule()
    def client_clears(self):
        self.send("input_audio_buffer.clear")

    @rule(session=st.sampled_from(UPDATES))
    def client_updates(self, session):
        self.drain(samples=16_000, boundaries=1)
        before = self.session.configuration
        self.send("session.update", session=session)
        if not any(isinstance(output, SessionUpdated) for output in self.to_do):
            assert self.session.configuration == before

    @rule(frame=st.sampled_from(ODD_FRAMES))
    def client_sends_something_odd(self, frame):
        self.send_frame(frame)

    @rule(really=st.integers(0, 9).map(lambda number: number == 9), way=st.sampled_from(["finish", "expire", "cut"]))
    def session_is_left(self, really, way):
        if really:  # not in every run, and late
            self.leave(way)

    @rule(really=st.integers(0, 3).map(lambda number: number == 3))
    def server_retires(self, really):
        if really:
            self.drain(samples=16_000, boundaries=1)
            self.to_do.extend(self.session.retire())

    def leave(self, way):
        """The client finishes, or sends nothing for too long, or the server can wait no longer."""
        if way == "finish":
            self.send("session.finish")
        else:
            self.drain(samples=16_000, boundaries=1)
            self.to_do.extend(self.session.expire() if way == "expire" else self.session.cut())

    def send(self, type_, **fields):
        self.send_frame(json.dumps({"type": type_, **fields}))

    def send_frame(self, frame):
        self.drain(samples=16_000, boundaries=1)
        self.to_do.extend(self.session.settled())
        self.drain(samples=16_000, boundaries=1)
        was_open = self.session.state in OPEN
        try:
            outputs = self.session.receive(decode_client_event(frame))
        except ProtocolError as error:
            outputs = self.session.refuse(error)
        assert was_open or outputs == []
        self.to_do.extend(outputs)

    # --- audio and speech --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.to_do)
    @rule(usable=st.integers(0, 9).map(bool), samples=st.integers(0, 40_000), boundaries=st.integers(0, 3))
    def work_goes_on(self, usable, samples, boundaries):
        """Do what is to be done, up to and including the next command that waits for audio to be looked at."""
        while self.to_do:
            output = self.to_do.popleft()
            match output:
                case AddAudio():
                    if usable:
                        self.hear(samples, boundaries)
                        self.held = True
                    else:
                        self.do(self.session.refuse(ProtocolError("not base64", param="audio")))
                    return
                case FlushAudio():
                    if self.held and samples:
                        self.hear(samples % 100 + 1, boundaries)
                    if self.speaking:
                        self.turn_speech()
                    self.held = False
                    self.boundary = self.position  # no later turn ends before
                    self.do(self.session.audio_flushed())
                    return
                case DiscardAudio():
                    self.speaking = self.held = False
                    return
                case _:
                    self.do([output])

    def hear(self, samples, boundaries):
        self.position += samples
        self.do(self.session.audio_received(self.position))
        for _ in range(boundaries):
            self.turn_speech()

    def turn_speech(self):
        self.speaking = not self.speaking
        if self.speaking:
            self.boundary = max(self.boundary, self.position - 4_800)
            self.do(self.session.speech_started(self.boundary))
        else:
            self.boundary = max(self.boundary, self.position - 6_400)
            self.do(self.session.speech_stopped(self.boundary))

    # --- recognition -------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.recognising)
    @rule(choice=st.integers(0), keep=st.booleans(), text=st.text("ab", max_size=2), stash=st.text("ab", max_size=2))
    def preview_comes(self, choice, keep, text, stash):
        item_id = self.choose(self.recognising, choice)
        text = self.recognising[item_id] * keep + text  # else perhaps one that takes confirmed text back
        self.recognising[item_id] = max(self.recognising[item_id], text)
        self.do(self.session.preview(item_id, text=text, stash=stash, language="en"))

    @precondition(lambda self: self.finishing)
    @rule(choice=st.integers(0), transcript=st.sampled_from(["", "hello"]), fails=st.booleans())
    def end_comes(self, choice, transcript, fails):
        self.end(self.choose(self.finishing, choice), transcript, fails=fails)

    def end(self, item_id, transcript="", *, fails=False):
        del self.recognising[item_id]
        self.finishing.remove(item_id)
        self.do(self.ended(item_id, transcript, fails=fails))

    def ended(self, item_id, transcript, *, fails):
        if fails:
            return self.session.failed(item_id, code="server_error", message="broken")
        return self.session.completed(item_id, transcript=transcript, language="en")

    @precondition(lambda self: self.ledger.phases)
    @rule(choice=st.integers(0), fails=st.booleans())
    def impossible_end_comes(self, choice, fails):
        item_id = self.choose(self.ledger.phases, choice)
        if item_id in self.finishing:
            return
        with pytest.raises(IllegalTransition):
            self.ended(item_id, "hello", fails=fails)

    @staticmethod
    def choose(items, choice):
        return sorted(items)[choice % len(items)]

    # --- around ------------------------------------------------------------------------------------------------------

    def do(self, outputs: Outputs) -> None:
        """Send events and start what needs no waiting."""
        for output in outputs:
            match output:
                case ServerEvent():
                    assert all(close.code == 1007 for close in self.closes), "an event after the close"
                    event = documented(output)
                    if event["type"] == "error":
                        assert self.session.state in OPEN
                    self.ledger.see(event)
                case OpenUtterance(item_id):
                    assert item_id not in self.recognising
                    self.ledger.opened(item_id)
                    self.recognising[item_id] = ""
                case StartSegment(item_id) | EndSegment(item_id):
                    assert item_id in self.recognising.keys() - self.finishing
                case FinishUtterance(item_id):
                    assert item_id in self.recognising.keys() - self.finishing
                    assert not self.speaking
                    self.finishing.add(item_id)
                case CancelUtterance(item_id):
                    assert item_id not in self.finishing
                    del self.recognising[item_id]
                    self.ledger.phases[item_id] = "cleared"
                case Close():
                    self.closes.append(output)

    def teardown(self):
        """Whatever has happened, the session can be left, and every item comes to its one end."""
        self.leave(self.way)
        self.end_all()  # before the last audio has been looked at, which may hold one more turn
        self.drain(samples=16_000, boundaries=1)
        self.end_all()
        assert set(self.ledger.phases.values()) <= {"ended", "cleared"}
        assert self.ledger.finished == (self.session.state is SessionState.FINISHED)
        [close] = [close for close in self.closes if close.code != 1007]
        assert close in (FINISHED if self.ledger.finished else (IDLE_TIMEOUT, SERVER_SHUTDOWN))

    def drain(self, *, samples, boundaries):
        while self.to_do:
            self.work_goes_on(usable=True, samples=samples, boundaries=boundaries)

    def end_all(self):
        for item_id in sorted(self.finishing, reverse=True):
            self.end(item_id)


SessionMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestSessionMachine = SessionMachine.TestCase
