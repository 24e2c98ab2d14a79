"""An hour of speech and its events, as fast as the page takes them."""

import wave
from pathlib import Path

import numpy as np
import pytest
from tests.web.conftest import OpenPage, keep_figures
from tests.web.test_interface import SPEAKING_SERVER

from qwen3_asr_realtime.samples import SAMPLE_RATE

MINUTES = 60
FILE_MINUTES = 10
SPEAK = """
// For every five seconds of audio an item, with eight partials.
const send = window.WebSocket.prototype.send;
window.WebSocket.prototype.send = function (text) {
  send.call(this, text);
  const event = JSON.parse(text);
  if (event.type === "session.finish") {
    this.say({ type: "session.finished" });
    return;
  }
  if (event.type !== "input_audio_buffer.append") return;
  this.heard = (this.heard ?? 0) + 1;
  if (this.heard % 50) return;
  window.items = (window.items ?? 0) + 1;
  const item_id = `item_${window.items}`;
  const end = this.heard * 100;
  const kind = "conversation.item.input_audio_transcription";
  this.say({ type: "input_audio_buffer.speech_started", item_id, audio_start_ms: end - 4800 });
  const words = `This is sentence number ${window.items}, and it goes on for a while, as sentences do.`;
  for (let part = 1; part <= 8; part++) {
    const said = Math.floor((words.length * part) / 9);
    const text = { text: words.slice(0, said), stash: words.slice(said, said + 9) };
    this.say({ type: `${kind}.text`, item_id, language: "en", ...text });
  }
  this.say({ type: "input_audio_buffer.speech_stopped", item_id, audio_end_ms: end - 400 });
  this.say({ type: "input_audio_buffer.committed", item_id });
  this.say({ type: `${kind}.completed`, item_id, language: "en", emotion: "neutral", transcript: words });
};
"""
SCROLL = """
async () => {
  const tasks = [];
  const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map((entry) => entry.duration)));
  observer.observe({ type: "longtask" });
  const scroller = document.getElementById("transcript");
  scroller.dispatchEvent(new WheelEvent("wheel")); // as if a reader did it
  const steps = 60;
  for (let step = 0; step <= steps; step++) {
    scroller.scrollTop = scroller.scrollHeight * (1 - step / steps);
    await new Promise(requestAnimationFrame);
  }
  for (let step = 0; step <= steps; step++) {
    scroller.scrollTop = scroller.scrollHeight * (step / steps);
    await new Promise(requestAnimationFrame);
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
  return tasks;
}
"""


@pytest.fixture(scope="module")
def ten_minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "ten-minutes.wav"
    tone = (np.sin(np.arange(SAMPLE_RATE * 5) / 20) * 8000).astype("<i2").tobytes()
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(tone * (FILE_MINUTES * 12))
    return path


def test_an_hour(open_page: OpenPage, ten_minutes: Path):
    opened = open_page(script=SPEAKING_SERVER + SPEAK)
    page = opened.page
    page.locator("#pace").select_option("fast")
    developer = page.context.new_cdp_session(page)

    def heap_mb() -> float:
        developer.send("HeapProfiler.collectGarbage")
        return float(page.evaluate("performance.memory.usedJSHeapSize")) / 1e6

    before_mb = heap_mb()
    for turn in range(MINUTES // FILE_MINUTES):
        page.set_input_files("#file", ten_minutes)
        opened.wait_until(f"window.items === {(turn + 1) * FILE_MINUTES * 12}", seconds=120)
        page.locator("#file-progress").wait_for(state="hidden", timeout=30_000)
    opened.wait_for_text("sentence number 720,")
    grown_mb = heap_mb() - before_mb
    in_document = page.locator(".card").count()
    long_tasks_ms = page.evaluate(SCROLL)
    opened.wait_for_text("sentence number 720,")
    page.locator("#search").fill("number 36,")
    opened.wait_for_text("sentence number 36,")
    opened.keep("hour")
    keep_figures("hour", grown_mb=grown_mb, cards_in_document=in_document, long_tasks_ms=long_tasks_ms)
    assert grown_mb < 30, grown_mb
    assert in_document < 60
    assert max(long_tasks_ms, default=0) <= 100
