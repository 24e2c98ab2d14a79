"""Somebody speaks: Chromium plays a recording into its microphone."""

import json
from pathlib import Path

import pytest
from tests.web.conftest import SENTENCE, OpenedPage, OpenPage, keep_figures

from word_error_rate import word_error_rate

COMPLETED = "conversation.item.input_audio_transcription.completed"
TEXT = "conversation.item.input_audio_transcription.text"


def received(opened: OpenedPage) -> list[dict[str, object]]:
    return [json.loads(text) for direction, text in opened.frames if direction == "received"]


def test_vad_mode_all_recordings(open_page: OpenPage, all_clips: tuple[Path, list[str]]):
    """The words are right, partials come before sentences end, and the bars say what the server's ledger says."""
    recording, said = all_clips
    opened = open_page(microphone=recording)
    page = opened.page
    page.locator("#language").select_option("en")
    page.locator("#talk").click()
    opened.wait_for_text("for your country", seconds=120)  # the end of the last recording
    page.locator("#talk").click()
    opened.wait_until("document.querySelectorAll('.card:not([data-state=completed])').length === 0")
    opened.keep("transcript")

    events = received(opened)
    finals = [event for event in events if event["type"] == COMPLETED]
    errors = word_error_rate([" ".join(said)], [" ".join(str(final["transcript"]) for final in finals)])
    stopped = next(i for i, event in enumerate(events) if event["type"] == "input_audio_buffer.speech_stopped")
    assert any(event["type"] == TEXT for event in events[:stopped])
    shown_ms = [int(bar) for bar in page.eval_on_selector_all(".pair", "bars => bars.map(bar => bar.dataset.final)")]
    traces = [final["x_trace"]["total"] for final in finals]
    assert len(shown_ms) == len(traces)
    apart_ms = [abs(shown - trace) for shown, trace in zip(shown_ms, traces, strict=True)]
    keep_figures("ledger", finals=len(finals), apart_ms=apart_ms, word_error_rate=errors)
    assert errors <= 0.10
    assert max(apart_ms) <= 50
    assert page.locator("#final-latency").inner_text().startswith("p50")


def test_manual_mode_hold_to_talk(open_page: OpenPage, sentence: Path):
    opened = open_page(microphone=sentence)
    page = opened.page
    page.get_by_label("committed by hand (Manual)").check()
    hold = page.locator("#hold")
    hold.hover()
    page.mouse.down()
    page.locator(".stash, .words").first.wait_for(timeout=30_000)
    page.wait_for_timeout(7000)  # the sentence takes as long
    opened.keep("manual")
    page.mouse.up()
    page.locator(".card[data-state=completed]").wait_for(timeout=30_000)

    assert word_error_rate([SENTENCE], [" ".join(opened.texts())]) <= 0.10
    assert ("sent", True) in [(d, '"input_audio_buffer.commit"' in text) for d, text in opened.frames]
    assert page.locator(".card").count() == 1


def test_holding_the_space_bar(open_page: OpenPage, sentence: Path):
    opened = open_page(microphone=sentence)
    page = opened.page
    page.locator("body").click(position={"x": 5, "y": 300})
    page.keyboard.down("Space")
    opened.wait_for_text("leisure to consider")
    assert page.locator("#talk").get_attribute("aria-pressed") == "true"
    page.keyboard.up("Space")
    page.locator("#talk[aria-pressed=false]").wait_for()
    page.locator(".card[data-state=completed]").first.wait_for(timeout=30_000)


def test_a_space_in_a_text_is_a_space(open_page: OpenPage, sentence: Path):
    page = open_page(microphone=sentence).page
    page.locator("#context").press_sequentially("Norland Park")
    assert page.locator("#context").input_value() == "Norland Park"
    assert page.locator("#talk").get_attribute("aria-pressed") == "false"


@pytest.mark.parametrize(
    ("reason", "options"),
    [
        ("insecure", {"arguments": ("--host-resolver-rules=MAP somewhere.test 127.0.0.1",), "host": "somewhere.test"}),
        ("denied", {"arguments": ("--use-fake-device-for-media-stream", "--deny-permission-prompts")}),
        ("missing", {"arguments": ("--use-fake-ui-for-media-stream",)}),
    ],
)
def test_without_a_microphone_it_says_what_to_do(open_page: OpenPage, server, reason: str, options: dict[str, object]):
    host = options.pop("host", None)
    url = f"{server.http_url}/demo".replace("127.0.0.1", str(host)) if host else ""
    opened = open_page(url=url, **options)
    opened.page.locator("#talk").click()
    opened.page.locator(f".notice[data-kind={reason}]").wait_for()
    opened.keep(f"no-microphone-{reason}")
    assert opened.page.locator("#talk").get_attribute("aria-pressed") == "false"
