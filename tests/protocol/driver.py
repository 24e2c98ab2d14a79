"""A session with everything around it played by the test: client, audio, speech detection and recognition.

Commands are answered as `server/connection.py` answers them, at once; every event is checked against the reference.
"""

import itertools
import json
from typing import Any

from tests.protocol.documented import Event, documented

from qwen3_asr_realtime.protocol.commands import AddAudio, Close, Command, FlushAudio
from qwen3_asr_realtime.protocol.configuration import Configuration, Support, TurnDetection
from qwen3_asr_realtime.protocol.errors import ProtocolError
from qwen3_asr_realtime.protocol.events import ServerEvent, decode_client_event
from qwen3_asr_realtime.protocol.session import Outputs, Session, SessionRules
from qwen3_asr_realtime.samples import samples_from_ms

MODEL = "qwen3-asr-flash-realtime"
VAD = TurnDetection(threshold=0.0, silence_duration_ms=400, prefix_padding_ms=300)
SUPPORT = Support(turn_detection=VAD, audio_formats=("pcm", "wav"), languages=None, engine="test")
AUDIO = "AAA="

UPDATED = "session.updated"
STARTED = "input_audio_buffer.speech_started"
STOPPED = "input_audio_buffer.speech_stopped"
COMMITTED = "input_audio_buffer.committed"
CREATED = "conversation.item.created"
TEXT = "conversation.item.input_audio_transcription.text"
COMPLETED = "conversation.item.input_audio_transcription.completed"
FAILED = "conversation.item.input_audio_transcription.failed"
CLEARED = "input_audio_buffer.cleared"
FINISHED = "session.finished"


class Driver:
    """Plays one session.

    Attributes:
        events: What the client has received, as JSON objects.
        commands: What the session has asked for.
        speaking: Whether speech detection has an open turn.
    """

    def __init__(self, *, manual: bool = False, support: Support = SUPPORT, **rules: Any) -> None:
        numbers = itertools.count(1)
        initial = Configuration(turn_detection=None if manual else support.turn_detection)
        self.session = Session(
            session_id="sess_1",
            model=MODEL,
            rules=SessionRules(support=support, initial=initial, **rules),
            new_id=lambda prefix: f"{prefix}_{next(numbers)}",
        )
        self.events: list[Event] = []
        self.commands: list[Command] = []
        self.position_ms = 0
        self.speaking = False
        self.carry_out(self.session.start())

    # --- client ------------------------------------------------------------------------------------------------------

    def send(self, type_: str, **fields: object) -> list[Event]:
        """Send an event; returns what comes back at once."""
        return self.send_frame(json.dumps({"type": type_, **fields}))

    def send_frame(self, frame: str) -> list[Event]:
        try:
            outputs = self.session.receive(decode_client_event(frame))
        except ProtocolError as error:
            outputs = self.session.refuse(error)
        return self.carry_out(outputs) + self.carry_out(self.session.settled())

    def update(self, **session: object) -> list[Event]:
        return self.send("session.update", session=session)

    def append(self, duration_ms: int = 1000) -> list[Event]:
        """Append audio that is taken to be of this length."""
        self.position_ms += duration_ms
        return self.send("input_audio_buffer.append", audio=AUDIO)

    def commit(self) -> list[Event]:
        return self.send("input_audio_buffer.commit")

    def clear(self) -> list[Event]:
        return self.send("input_audio_buffer.clear")

    def finish(self) -> list[Event]:
        return self.send("session.finish")

    # --- speech ------------------------------------------------------------------------------------------------------

    def start_speech(self, start_ms: int | None = None) -> str:
        """Report the start of speech, at the end of the audio unless told; returns the id of its item."""
        start_ms = self.position_ms if start_ms is None else start_ms
        self.speaking = True
        self.carry_out(self.session.speech_started(samples_from_ms(start_ms)))
        return self.open_item

    def stop_speech(self, end_ms: int | None = None) -> list[Event]:
        end_ms = self.position_ms if end_ms is None else end_ms
        self.speaking = False
        return self.carry_out(self.session.speech_stopped(samples_from_ms(end_ms)))

    def turn(self, duration_ms: int = 1000) -> str:
        """Play a whole turn of VAD mode up to its commit, at the end of the audio; returns the id of its item."""
        item_id = self.start_speech()
        self.append(duration_ms)
        self.stop_speech()
        return item_id

    @property
    def open_item(self) -> str:
        """Id of the item opened last."""
        return [command.item_id for command in self.commands if hasattr(command, "context")][-1]

    # --- recognition -------------------------------------------------------------------------------------------------

    def preview(self, item_id: str, text: str = "", stash: str = "", language: str = "") -> list[Event]:
        return self.carry_out(self.session.preview(item_id, text=text, stash=stash, language=language))

    def complete(self, item_id: str, transcript: str = "", language: str = "") -> list[Event]:
        return self.carry_out(self.session.completed(item_id, transcript=transcript, language=language))

    def fail(self, item_id: str) -> list[Event]:
        return self.carry_out(self.session.failed(item_id, code="server_error", message="broken"))

    # --- around ------------------------------------------------------------------------------------------------------

    def carry_out(self, outputs: Outputs) -> list[Event]:
        """Do all commands in order; returns the events sent meanwhile."""
        sent_before = len(self.events)
        for output in outputs:
            if isinstance(output, ServerEvent):
                self.events.append(documented(output))
                continue
            self.commands.append(output)
            match output:
                case AddAudio():
                    self.carry_out(self.session.audio_received(samples_from_ms(self.position_ms)))
                case FlushAudio():
                    if self.speaking:
                        self.stop_speech()
                    self.carry_out(self.session.audio_flushed())
        return self.events[sent_before:]

    @property
    def closes(self) -> list[Close]:
        return [command for command in self.commands if isinstance(command, Close)]


def types(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def the_error(events: list[Event]) -> Event:
    """The one thing that came back: an error the client can survive."""
    [event] = events
    assert event["type"] == "error"
    assert event["error"]["type"] == "invalid_request_error"
    return event["error"]


def commands_since(driver, action):
    """The commands that an action brings about."""
    before = len(driver.commands)
    action()
    return driver.commands[before:]
