"""What the page looks like and says, to eyes, keyboards and screen readers; and what it does not let others do."""

import json
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.web.conftest import ROOT, OpenPage

PAGE = ROOT / "src" / "qwen3_asr_realtime" / "web"
EVIL = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>'

SPEAKING_SERVER = """
// A server that says what the test tells it to, whatever it hears.
window.sockets = [];
window.WebSocket = class extends EventTarget {
  constructor(url, protocols) {
    super();
    this.bufferedAmount = 0;
    this.sent = 0;
    window.sockets.push(this);
    setTimeout(() => this.onopen?.());
  }
  send() {
    this.sent++;
  }
  say(event) {
    this.onmessage?.({ data: JSON.stringify(event), timeStamp: performance.now() });
  }
  close(code) {
    setTimeout(() => this.onclose?.({ code, reason: "" }));
  }
};
"""

SAY = """
(events) => events.forEach((event) => window.sockets.at(-1).say(event))
"""


def turn(item: str, text: str, *, begin_ms: int = 0, end_ms: int = 1000) -> list[dict[str, object]]:
    """The events of an item."""
    about = {"item_id": item}
    text_type = "conversation.item.input_audio_transcription"
    return [
        {"type": "input_audio_buffer.speech_started", "audio_start_ms": begin_ms, **about},
        {"type": f"{text_type}.text", "text": text[:3], "stash": text[3:], "language": "en", **about},
        {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": end_ms, **about},
        {"type": "input_audio_buffer.committed", "previous_item_id": "", **about},
        {"type": f"{text_type}.completed", "transcript": text, "language": "en", "emotion": "neutral", **about},
    ]


def test_no_text_becomes_markup(open_page: OpenPage, sentence: Path):
    """From the context, through the server and back; and from a server that means ill."""
    opened = open_page(microphone=sentence)
    page = opened.page
    page.locator("#context").fill(EVIL)
    page.locator("#talk").click()
    page.locator("#events .type", has_text="session.updated").first.wait_for()
    page.locator("#events .frame", has_text="session.updated").first.click()
    assert "onerror" in page.locator("#event").inner_text()
    assert page.locator("img, script:not([src])").count() == 0
    assert page.title() == "Qwen3-ASR realtime"

    opened = open_page(microphone=sentence, script=SPEAKING_SERVER)
    page = opened.page
    page.locator("#talk").click()
    opened.wait_until("window.sockets.length > 0 && window.sockets[0].sent > 0")
    page.evaluate(SAY, [*turn("i1", EVIL), {"type": "error", "error": {"message": EVIL}}])
    page.locator("#search").fill("onerror")
    page.locator("mark").first.wait_for()
    page.locator(".notice").wait_for()
    assert EVIL in page.locator(".words").first.inner_text()
    assert page.locator("img, script:not([src])").count() == 0
    assert page.title() == "Qwen3-ASR realtime"


def test_a_script_that_got_in_would_not_run(open_page: OpenPage):
    opened = open_page()
    opened.page.evaluate(f"document.body.insertAdjacentHTML('beforeend', {EVIL!r})")
    opened.page.wait_for_timeout(300)
    assert opened.page.title() == "Qwen3-ASR realtime"
    assert any("Content Security Policy" in problem for problem in opened.problems)
    opened.problems.clear()


def test_both_languages_say_everything_and_the_choice_is_remembered(open_page: OpenPage):
    opened = open_page(locale="zh-CN")
    page = opened.page
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    assert page.locator("#talk-text").inner_text() == "开始"
    opened.keep("chinese")
    page.locator("#locale").click()
    assert page.locator("#talk-text").inner_text() == "Start"
    texts = page.locator("body").inner_text()
    assert not any("\u4e00" <= character <= "\u9fff" for character in texts.replace("中文", ""))
    page.reload()
    assert page.locator("#talk-text").inner_text() == "Start"


def test_the_two_languages_have_the_same_texts(open_page: OpenPage):
    page = open_page().page
    keys = page.evaluate(
        """async () => {
          const texts = await Promise.all(["en", "zh"].map((name) => import(`/demo/page/text/${name}.js`)));
          const gaps = (said) => (said.match(/{\\w+}/g) ?? []).sort();
          return texts.map((text) => Object.entries(text.default).map(([key, said]) => [key, ...gaps(said)]));
        }"""
    )
    assert keys[0] == keys[1]


VIEWS = {
    "desktop": {},
    "dark": {"color_scheme": "dark"},
    "laptop": {"viewport": {"width": 1024, "height": 700}},
    "phone": {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 2, "has_touch": True},
    "phone-dark-chinese": {
        "viewport": {"width": 390, "height": 780},
        "device_scale_factor": 2,
        "color_scheme": "dark",
        "locale": "zh-CN",
    },
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("state", ["empty", "used"])
def test_nothing_stands_in_anybodys_way(open_page: OpenPage, sentence: Path, view: str, state: str):
    opened = open_page(microphone=sentence, script=SPEAKING_SERVER, **VIEWS[view])
    page = opened.page
    if state == "used":
        page.locator("#talk").click()
        opened.wait_until("window.sockets.length > 0 && window.sockets[0].sent > 12")
        page.evaluate(SAY, turn("i1", "And Mr. John Dashwood had then leisure."))
        page.evaluate(SAY, turn("i2", "你好，世界。", begin_ms=1100, end_ms=1200)[:2])
        page.evaluate(SAY, [{"type": "error", "error": {"message": "Too much of a good thing."}}])
        page.locator(".stash").wait_for()
        page.locator("#events .frame").first.wait_for(state="attached")
    page.wait_for_timeout(300)
    opened.keep(f"{view}-{state}")
    found = Axe().run(page).response["violations"]
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]


def test_the_theme_is_chosen_and_remembered(open_page: OpenPage):
    page = open_page(color_scheme="light").page
    assert page.locator("html").get_attribute("data-theme") == "light"
    page.locator("#theme").click()
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_the_keyboard_alone(open_page: OpenPage, sentence: Path):
    opened = open_page(microphone=sentence)
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(40):
        if page.evaluate("document.activeElement.id") == "talk":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("#talk[aria-pressed=true]").wait_for()
    page.keyboard.press("Space")  # a button's own key: it stops, and nothing is held
    page.locator("#talk[aria-pressed=false]").wait_for()


def test_the_panel_shows_what_is_sent(open_page: OpenPage, sentence: Path):
    opened = open_page(microphone=sentence)
    page = opened.page
    page.locator("#silence").fill("800")
    page.locator("#threshold").fill("0.2")
    page.locator("#context").fill("Norland")
    page.locator("#context").press("Tab")
    page.locator("#talk").click()
    page.locator("#events .type", has_text="session.updated").first.wait_for()
    shown = json.loads(page.locator("#update").inner_text())
    sent = [json.loads(text) for direction, text in opened.frames if direction == "sent"]
    assert {key: value for key, value in sent[0].items() if key != "event_id"} == shown
    assert shown["session"]["turn_detection"]["silence_duration_ms"] == 800
    assert shown["session"]["input_audio_transcription"] == {"corpus": {"text": "Norland"}}


def test_it_is_small_and_the_same_without_the_server():
    sizes = [path.stat().st_size for path in PAGE.rglob("*") if path.is_file()]
    assert sum(sizes) <= 250_000
    assert (ROOT / "demo" / "index.html").read_bytes() == (PAGE / "index.html").read_bytes()
    assert (ROOT / "demo" / "page" / "main.js").is_file()
