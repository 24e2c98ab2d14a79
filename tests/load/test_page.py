import re
from html.parser import HTMLParser

import msgspec
import pytest
from tests.load.material import conversation, item_events, recording

from qwen3_asr_realtime.load.charts import histogram, line_chart
from qwen3_asr_realtime.load.figures import Report, SentRecording, Stage
from qwen3_asr_realtime.load.measuring import Run, measure
from qwen3_asr_realtime.load.page import page
from qwen3_asr_realtime.load.session import SessionLog, Spoken

HOSTILE = '<script>alert("1")</script>&amp;\x1b[31m\x00'
VOID = {"meta"}


class Outline(HTMLParser):
    """Checks that every element is closed where it should be, and remembers them."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.data = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.data.append(data)


def report(*logs, name="a.wav", url="ws://there"):
    recordings = [recording(name)]
    spoken = conversation(1.0, recordings=recordings)
    stages = [measure(Run(recordings, [spoken], [log], 30.0, 1, None)) for log in logs]
    sent = [SentRecording(name, (200, 2200), "one")]
    return Report("1", "now", url, "vad", 1.0, 100, None, None, 30.0, 1, sent, stages, [], False)


def session(**fields):
    events = item_events("a", 1.0, 2.8, "one", final_s=3.4, previews=[(2.0, "", "o"), (2.5, "o", "ne")])
    return SessionLog(0, 5.0, 30_000, [Spoken(1.2, 2.8)], received=events, **fields)


def test_the_page_is_well_formed_and_has_a_histogram_for_each_stage():
    outline = Outline(page(report(session(), session())))
    assert outline.tags.count("svg") == 5 + 2
    assert "script" not in outline.tags


def test_the_page_needs_nothing_from_elsewhere():
    assert not re.search(r"(?i)\b(src|href|url\(|@import)", page(report(session(), url="there")))


def test_what_others_say_is_text_and_no_markup():
    outline = Outline(page(report(session(failure=HOSTILE), name=HOSTILE, url=HOSTILE)))
    assert "script" not in outline.tags
    shown = "".join(outline.data)
    assert shown.count('<script>alert("1")</script>&amp;') == 3
    assert "\x1b" not in shown
    assert "\x00" not in shown


@pytest.mark.parametrize("logs", [(), (SessionLog(0, failure="refused"),)])
def test_a_test_without_figures_has_a_page_too(logs):
    Outline(page(report(*logs)))


def test_a_gap_in_a_line_stays_a_gap():
    svg = line_chart("t", "x", "y", list("abcde"), {"p50": [1.0, 2.0, None, 3.0, 4.0]})
    assert [len(line.get("points").split()) for line in svg.iter("polyline")] == [2, 2]


@pytest.mark.parametrize("values", [[], [0.0], [-120.0, 80.0], [100.0] * 7, [1.0, 1e5]])
def test_every_value_is_in_a_bar(values):
    svg = histogram("t", "x", values)
    counts = [int(title.text.rpartition(": ")[2]) for title in svg.iter("title")]
    assert sum(counts) == len(values)
    assert all(float(bar.get("y")) >= 0 and float(bar.get("height")) > 0 for bar in svg.iter("rect"))


def test_the_json_report_reads_back():
    written = report(session())
    read = msgspec.json.decode(msgspec.json.encode(written), type=Report)
    assert isinstance(read.stages[0], Stage)
    assert read == written
