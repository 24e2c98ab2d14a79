import dataclasses
import re

import pytest

from qwen3_asr_realtime.conformance.catalogue import CASES, picked
from qwen3_asr_realtime.conformance.vocabulary import Case, Connect, Use

CHECKLIST = [f"§15.{line}" for line in range(1, 24)]
"""The lines of section 15."""

ODD_CASES = [
    "commit in VAD mode",
    "commit with empty buffer",
    "append after finish",
    "second finish",
    "finish as very first event",
    "append before session.update",
    "session.update mid-stream",
    "second session.update before audio",
    "unknown event type",
    "malformed JSON / not an object",
    "binary frame",
    "bad base64",
    "audio > 15 MiB text",
    "frame > server limit",
    "unsupported sample rate / format / language / threshold / silence",
    "odd number of PCM bytes",
    "WAV header in a pcm stream",
    "client sends `Ping`",
    "too many sessions",
]
"""The rows of section 5.4."""

CLIENTS = [
    "vxbeamer",
    "OpenLess",
    "N.E.K.O",
    "MicType",
    "BiBi keyboard (Java SDK)",
    "cogd (ESP32)",
    "lingxi (Rust)",
]
"""The rows of section 11.3."""

EVENTS = [f"§4.{number}" for number in range(1, 12)]
"""The events of section 4, which has a part for each."""

PROVED = {section for case in CASES for section in case.proves}


@pytest.mark.parametrize("section", [*CHECKLIST, *EVENTS])
def test_every_line_has_a_case(section):
    assert section in PROVED


@pytest.mark.parametrize("row", ODD_CASES)
def test_every_odd_case_has_a_case(row):
    assert f"§5.4 {row}" in PROVED


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_has_a_case(client):
    assert f"§11.3 {client}" in PROVED


def test_no_case_proves_a_row_that_is_not_there():
    rows = {section for section in PROVED if re.match(r"§(5\.4|11\.3)\b", section)}
    assert rows == {f"§5.4 {row}" for row in ODD_CASES} | {f"§11.3 {client}" for client in CLIENTS}
    assert {section for section in PROVED if section.startswith("§15.")} == set(CHECKLIST)


def test_ids_and_titles_are_unique():
    for name in ("id", "title"):
        values = [getattr(case, name) for case in CASES]
        assert len(set(values)) == len(values)


def test_no_two_cases_say_the_same():
    said = [(str(dataclasses.replace(case, id="", title="", proves=()).script), case.always) for case in CASES]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_is_well_formed(case: Case):
    assert re.fullmatch(r"[a-z0-9-]+", case.id)
    assert case.proves
    assert case.script
    # What rests on our judgement alone cannot be held against the cloud.
    assert case.evidence != "JUDGE" or case.uncertain or case.id in JUDGED_AND_CERTAIN
    opened = [step.name for step in case.script if isinstance(step, Connect)]
    assert len(set(opened)) == len(opened)
    assert {step.name for step in case.script if isinstance(step, Use)} <= set(opened)


JUDGED_AND_CERTAIN = {"client-vanishes"}


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("vxbeamer", ["vxbeamer"]),
        ("neko-*", ["neko-commits", "neko-vad"]),
        ("15.5", ["no-close-after-finished"]),
        ("§15.20", ["fifteen-mib", "frame-too-large"]),
        ("11.3 MicType", ["mictype"]),
    ],
)
def test_cases_are_picked(name, ids):
    assert [case.id for case in picked([name])] == ids


def test_all_cases_are_picked_in_their_order():
    assert picked([]) == list(CASES)
    assert [case.id for case in picked(["vxbeamer", "created-unasked"])] == ["created-unasked", "vxbeamer"]


@pytest.mark.parametrize("name", ["15", "15.99", "no-such-case", ""])
def test_a_name_that_fits_nothing(name):
    with pytest.raises(ValueError, match="no case is called"):
        picked(["vxbeamer", name])
