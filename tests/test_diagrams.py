"""The protocol reference for users, held against the code: diagrams, examples, tables and the names in them."""

import asyncio
import inspect
import json
import re
import shutil
import sys
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from scripts import diagrams
from tests.protocol.driver import MODEL, SUPPORT, VAD, Driver, the_error
from tests.server.harness import running_server

from qwen3_asr_realtime.audio.errors import AudioField
from qwen3_asr_realtime.audio.intake import AudioIntake
from qwen3_asr_realtime.engines.scripted import ScriptedEngine
from qwen3_asr_realtime.protocol import events
from qwen3_asr_realtime.protocol.configuration import Configuration, Support
from qwen3_asr_realtime.protocol.events import ServerEvent, UnsupportedEvent, decode_client_event
from qwen3_asr_realtime.protocol.items import Item
from qwen3_asr_realtime.protocol.languages import CLOUD_LANGUAGES, EXTRA_LANGUAGES
from qwen3_asr_realtime.server import realtime
from qwen3_asr_realtime.server.service import session_rules
from qwen3_asr_realtime.settings import Settings
from qwen3_asr_realtime.vad.endpointing import Endpointer, EndpointingParameters, State, probability_from_threshold
from qwen3_asr_realtime.vad.frames import BLOCKS_PER_FRAME

DOCUMENT = Path(__file__).parents[1] / "docs" / "protocol.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
SPEECH = Path(__file__).parent / "speech"

SERVER_TYPES = {event.__struct_config__.tag: event for event in ServerEvent.__subclasses__()}
EXAMPLES = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)]
SERVER_EXAMPLES = [example for example in EXAMPLES if example["type"] in SERVER_TYPES]
CLIENT_EXAMPLES = [example for example in EXAMPLES if example["type"] not in SERVER_TYPES]


def section(heading):
    _, found, rest = TEXT.partition(f"\n## {heading}\n")
    assert found, f"no section {heading!r}"
    return rest.partition("\n## ")[0]


def rows(heading):
    """The cells of every table row of a section, heads and rules left out."""
    bodies = re.sub(r"^.*\n\|---.*$", "", section(heading), flags=re.MULTILINE)
    return [line.split(" | ") for line in re.findall(r"^\| (.+) \|$", bodies, re.MULTILINE)]


def names(cell):
    """What stands in a cell as code; None for the word null."""
    return [None] if cell == "null" else re.findall(r"`([^`]+)`", cell)


# --- diagrams --------------------------------------------------------------------------------------------------------


def test_the_diagrams_are_those_of_the_code():
    assert diagrams.main(["--check"]) == 0
    assert all(f"```mermaid\n{diagram}```\n" in TEXT for diagram in diagrams.DIAGRAMS.values())


def test_an_old_diagram_is_found_and_only_then_redrawn(tmp_path, monkeypatch, capsys):
    copy = tmp_path / "protocol.md"
    old = TEXT.replace("open --> cleared: clear\n", "open --> failed: clear\n")
    copy.write_text(old, encoding="utf-8")
    monkeypatch.setattr(diagrams, "DOCUMENT", copy)

    assert diagrams.main(["--check"]) == 1
    assert "old" in capsys.readouterr().err
    assert copy.read_text(encoding="utf-8") == old

    assert diagrams.main([]) == 0
    assert copy.read_text(encoding="utf-8") == TEXT


def test_a_document_without_a_place_is_left_alone(tmp_path, monkeypatch, capsys):
    copy = tmp_path / "protocol.md"
    copy.write_text(TEXT.replace("diagram: item", "diagram: thing"), encoding="utf-8")
    monkeypatch.setattr(diagrams, "DOCUMENT", copy)

    assert diagrams.main([]) == 1
    assert "item" in capsys.readouterr().err


def test_machines_begin_where_they_are_drawn_to_begin():
    begins = {
        "session": Driver().session.state,
        "item": Item("item_1", None).state,
        "endpointing": Endpointer(EndpointingParameters()).state,
    }

    for name, state in begins.items():
        assert f"[*] --> {state.name.lower()}\n" in diagrams.DIAGRAMS[name]


def test_every_signal_of_a_diagram_is_explained_below_it():
    for name, diagram in diagrams.DIAGRAMS.items():
        drawn = {signal for line in re.findall(r": (.+)$", diagram, re.MULTILINE) for signal in line.split(", ")}
        below = TEXT.partition(f"<!-- diagram: {name},")[2].partition("\n\n| signal |")[2].partition("\n\n")[0]
        assert set(re.findall(r"^\| ([a-z ]+) \|", below, re.MULTILINE)) == drawn


# --- events ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", SERVER_EXAMPLES, ids=lambda example: example["type"])
def test_an_example_of_a_server_event_is_one_to_the_last_field(example):
    frame = json.dumps(example)
    event = msgspec.json.decode(frame, type=SERVER_TYPES[example["type"]])

    assert json.loads(msgspec.json.encode(event)) == example


def test_every_event_has_an_example_or_no_fields():
    assert {example["type"] for example in SERVER_EXAMPLES} == SERVER_TYPES.keys()
    assert {example["type"] for example in CLIENT_EXAMPLES} == {"session.update", "input_audio_buffer.append"}


@pytest.mark.parametrize("example", CLIENT_EXAMPLES, ids=lambda example: example["type"])
def test_an_example_of_a_client_event_is_understood(example):
    event = decode_client_event(json.dumps(example))

    assert not isinstance(event, UnsupportedEvent)
    assert example.keys() - {"type", "event_id"} == {field.name for field in msgspec.structs.fields(event)} - {
        "event_id"
    }


def test_every_field_in_the_example_of_an_update_takes_effect():
    [session] = [example["session"] for example in EXAMPLES if example["type"] == "session.update"]
    configuration = Configuration().updated(session, SUPPORT)
    echo = msgspec.to_builtins(configuration.view("sess_1", MODEL))
    echo["turn_detection"]["prefix_padding_ms"] = configuration.turn_detection.prefix_padding_ms  # in force, not echoed
    del echo["input_audio_transcription"]["model"]

    assert session.items() <= echo.items()


def test_the_example_of_a_greeting_holds_the_defaults():
    [example] = [example["session"] for example in EXAMPLES if example["type"] == "session.created"]
    initial = session_rules(Settings(_env_file=None), ScriptedEngine()).initial

    assert json.loads(msgspec.json.encode(initial.view(example["id"], MODEL))) == example


def test_every_event_type_of_the_code_is_named():
    dotted = set(re.findall(r'"([a-z_]+(?:\.[a-z_]+)+)"', inspect.getsource(events)))
    types = (dotted | SERVER_TYPES.keys()) - {"realtime.session", "realtime.item"}  # kinds of objects

    assert {type_ for type_ in types if f"`{type_}`" not in TEXT} == set()


# --- tables ----------------------------------------------------------------------------------------------------------


def test_every_setting_that_is_named_exists():
    code = " ".join(re.findall(r"`([^`\n]+)`", TEXT))
    named = {name.lower() for name in re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", code)}
    given = {name.lower(): value for name, value in re.findall(r"\b([A-Z][A-Z0-9_]+)=(\w+)", code)}

    assert len(named) > 15
    assert named <= Settings.model_fields.keys()
    Settings(_env_file=None, **given)


def test_limits_have_the_defaults_of_the_settings():
    limits = {names(setting)[0].lower(): names(default)[0] for setting, default, _ in rows("Limits")}

    assert limits == {name: str(Settings.model_fields[name].default) for name in limits}


def test_thresholds_stand_for_the_probabilities_of_the_table():
    table = [[float(cell.split()[0].replace("−", "-")) for cell in row] for row in rows("How turns are found")[-6:]]
    energies = [1.0] * BLOCKS_PER_FRAME
    for threshold, enter, leave in table:
        endpointer = Endpointer(EndpointingParameters(threshold=probability_from_threshold(threshold), min_speech_ms=0))
        states = []
        for probability in (enter - 0.001, enter, leave + 0.001, leave - 0.001):
            endpointer.advance(probability, energies)
            states.append(endpointer.state)
        assert states == [State.QUIET, State.SPEAKING, State.SPEAKING, State.STOPPING]


def test_languages_are_those_of_the_code():
    cloud, extra = (set(names(codes)) for _, codes in rows("Languages"))

    assert (cloud, extra) == (CLOUD_LANGUAGES, EXTRA_LANGUAGES)


def test_audio_formats_are_those_of_the_code():
    assert {name for row in rows("Audio") for name in names(row[0])} == {*AudioIntake.formats, "pcm16"}


TRANSCRIPTION = "input_audio_transcription"
REFUSED = [
    "{",
    "{}",
    '{"type": "nonsense"}',
    '{"type": "input_audio_buffer.append"}',
    '{"type": "input_audio_buffer.commit"}',
    *(
        json.dumps({"type": "session.update", "session": session})
        for session in (
            None,
            {"input_audio_format": "mp3"},
            {"sample_rate": 44100},
            {TRANSCRIPTION: 1},
            {TRANSCRIPTION: {"language": "tlh"}},
            {TRANSCRIPTION: {"language": "zh"}},
            {TRANSCRIPTION: {"corpus": 1}},
            {TRANSCRIPTION: {"corpus": {"text": 1}}},
            {"turn_detection": 1},
            {"turn_detection": {"type": "semantic_vad"}},
            {"turn_detection": {"threshold": 2}},
            {"turn_detection": {"silence_duration_ms": 1}},
            {"turn_detection": {"prefix_padding_ms": -1}},
        )
    ),
]
"""One frame for each way to be refused by the session, in Manual mode, with an engine that knows English."""


def test_the_table_of_errors_is_complete_and_true():
    documented = {
        (names(code)[0], param)
        for code, params, _ in (row for row in rows("Errors") if len(row) == 3)
        for param in names(params)
    }
    support = Support(turn_detection=VAD, audio_formats=("pcm",), languages=frozenset({"en"}), engine="test")
    sent = {(realtime.BINARY_FRAME.code, realtime.BINARY_FRAME.param)}
    for frame in REFUSED:
        error = the_error(Driver(manual=True, support=support).send_frame(frame))
        sent.add((error["code"], error["param"]))

    assert documented == sent
    audio_params = {field if field == "audio" else f"session.{field}" for field in get_args(AudioField)}
    assert {("invalid_value", param) for param in audio_params} <= documented


def test_the_ways_the_server_ends_a_connection_are_documented():
    source = inspect.getsource(realtime)
    last_errors = {names(code)[0] for code, *rest in rows("Errors") if len(rest) == 1}
    close_codes = {row[0] for row in rows("Connection") if row[0].isdigit()}

    assert last_errors == set(re.findall(r'_refuse\(websocket, "(\w+)"', source))
    assert set(re.findall(r"code=(\d{4})", source)) <= close_codes


# --- around ----------------------------------------------------------------------------------------------------------


async def test_the_client_in_15_lines_is_that_and_works(tmp_path):
    [program] = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    shutil.copy(SPEECH / "libri_0870.wav", tmp_path / "audio.wav")

    async with asyncio.timeout(30), running_server() as server:
        local = program.replace("localhost:8001", f"127.0.0.1:{server.port}")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", local, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await process.communicate()

    assert len(program.splitlines()) == 15
    assert process.returncode == 0
    assert printed.decode().startswith("w1 w2 w3 w4")


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", TEXT):
        path, _, anchor = target.partition("#")
        document = (DOCUMENT.parent / path).resolve() if path else DOCUMENT
        headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
        assert anchor in anchors, f"{target} leads nowhere"
