"""Recordings from the disk, and what can be done with their transcripts."""

import base64
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page
from tests.web.conftest import SENTENCE, OpenedPage, OpenPage

WORDS = "there might be prudently"
DROP = """
([name, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type: "audio/wav" }));
  for (const type of ["dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
  }
}
"""


def as_fast_as_possible(opened: OpenedPage) -> Page:
    opened.page.locator("#pace").select_option("fast")
    return opened.page


@pytest.fixture
def transcribed(open_page: OpenPage, sentence: Path) -> OpenedPage:
    """The page with one sentence in it."""
    opened = open_page()
    as_fast_as_possible(opened).set_input_files("#file", sentence)
    opened.page.locator(".card[data-state=completed]").wait_for(timeout=30_000)
    opened.page.locator("#file-progress").wait_for(state="hidden")
    return opened


def saved(page: Page, name: str) -> str:
    with page.expect_download() as download:
        page.locator(f"[data-format={name}]").click()
    assert re.fullmatch(rf"transcript-[\d-]+\.{name}", download.value.suggested_filename)
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_a_file_at_full_speed(transcribed: OpenedPage):
    assert WORDS in " ".join(transcribed.texts())
    assert transcribed.page.locator("#state").get_attribute("data-state") == "closed"  # the session is finished


def test_a_file_that_is_dropped_in_real_time(open_page: OpenPage, sentence: Path):
    opened = open_page()
    page = opened.page
    page.evaluate(DROP, ["said.wav", base64.b64encode(sentence.read_bytes()).decode()])
    page.locator("#file-progress").wait_for()
    assert page.locator("#file-name").inner_text() == "said.wav"
    opened.wait_for_text("John")  # long before its end
    assert 0 < page.locator("#progress").evaluate("bar => bar.value") < 1
    opened.keep("file")
    opened.wait_for_text(WORDS)
    page.locator("#file-progress").wait_for(state="hidden", timeout=30_000)


def test_a_file_can_be_cancelled_and_another_one_follows(open_page: OpenPage, sentence: Path):
    opened = open_page()
    page = opened.page
    page.set_input_files("#file", sentence)
    page.locator(".card").wait_for(timeout=30_000)
    page.locator("#cancel").click()
    page.locator("#file-progress").wait_for(state="hidden")
    as_fast_as_possible(opened)
    page.set_input_files("#file", sentence)
    opened.wait_for_text(WORDS)


def test_a_file_in_place_of_another_one_is_heard_from_its_beginning(open_page: OpenPage, sentence: Path):
    opened = open_page()
    page = opened.page
    page.set_input_files("#file", sentence)
    page.locator(".card").wait_for(timeout=30_000)
    as_fast_as_possible(opened)
    page.set_input_files("#file", sentence)
    opened.wait_for_text(SENTENCE)
    page.locator(".card[data-state=completed]").nth(1).wait_for(timeout=30_000)  # what was heard of the first one, too


def test_a_file_that_is_no_audio(open_page: OpenPage, tmp_path: Path):
    (tmp_path / "letter.wav").write_text("Dear Sir,")
    opened = open_page()
    opened.page.set_input_files("#file", tmp_path / "letter.wav")
    opened.page.locator(".notice[data-kind=undecodable]").wait_for()
    assert "letter.wav" in opened.page.locator(".notice").inner_text()


def test_exports(transcribed: OpenedPage):
    page = transcribed.page
    (text,) = transcribed.texts()

    assert saved(page, "txt") == f"{text}\n"
    time = r"00:00:0\d{1}[.,]\d{3}"
    assert re.fullmatch(rf"1\n{time} --> {time}\n{re.escape(text)}\n", saved(page, "srt"))
    assert re.fullmatch(rf"WEBVTT\n\n{time} --> {time}\n{re.escape(text)}\n", saved(page, "vtt"))
    (entry,) = json.loads(saved(page, "json"))
    assert (entry["text"], entry["language"]) == (text, "en")
    assert 0 <= entry["start_ms"] < entry["end_ms"] < 8000
    assert entry["final_ms"] is None  # not in real time: that would say nothing


def test_copying(transcribed: OpenedPage):
    page = transcribed.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#copy").click()
    page.locator("#copy", has_text="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == transcribed.texts()[0] + "\n"


def test_an_item_plays_its_own_audio(transcribed: OpenedPage):
    page = transcribed.page
    page.locator(".play").click()
    transcribed.wait_until("document.getElementById('player').currentTime > 0.1")
    seconds = page.locator("#player").evaluate("player => player.duration")
    assert 6 < seconds < 8
    page.locator(".play").click()
    assert page.locator("#player").evaluate("player => player.paused")


def test_searching(transcribed: OpenedPage):
    page = transcribed.page
    page.locator("#search").fill("PRUDENTLY")
    page.locator("mark", has_text="prudently").wait_for()
    assert page.locator("#found").inner_text() == "1 of 1"
    page.locator("#search").fill("nowhere")
    page.locator(".card").wait_for(state="detached")
    assert page.locator("#found").inner_text() == "0 of 1"
