import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from qwen3_asr_realtime.client.display import JsonDisplay, LiveDisplay, PlainDisplay, choose_display, preview_line
from qwen3_asr_realtime.client.events import Failed, Final, Preview, ServerError
from qwen3_asr_realtime.client.transcription import SendLog

WHEN = {"received_s": 12.5, "sent_ms": 4200}


def preview(text="", stash=""):
    return Preview(item_id="a", text=text, stash=stash, language="en", **WHEN)


def final(transcript, start_ms=1240, end_ms=4180):
    return Final(item_id="a", transcript=transcript, language="en", start_ms=start_ms, end_ms=end_ms, **WHEN)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def terminal_console(width=40):
    return Console(file=Terminal(), force_terminal=True, color_system="standard", width=width, _environ={})


def pipe_console(**environ):
    return Console(file=io.StringIO(), width=20, _environ=environ)


def shown(display, console, *events, file="talk.wav", duration_s=3.0, log=None):
    with display.open(file, duration_s, log or SendLog()):
        for event in events:
            display.show(event)
    return console.file.getvalue()


def test_finals_alone_are_plain_lines():
    console = pipe_console()
    display = choose_display(console, json_output=False, many_files=False)
    output = shown(
        display,
        console,
        preview("so", " far"),
        final("[bold]a line that is longer than the console is wide"),
        final(""),
        Failed(item_id="b", code="x", message="y", **WHEN),
        final("没有位置", start_ms=None, end_ms=None),
    )
    assert output == "[00:01.24 – 00:04.18] [bold]a line that is longer than the console is wide\n没有位置\n"


def test_many_files_are_told_apart():
    console = pipe_console()
    display = choose_display(console, json_output=False, many_files=True)
    shown(display, console, final("one"), file="a.wav")
    assert shown(display, console, final("two"), file="b.wav") == (
        "a.wav: [00:01.24 – 00:04.18] one\nb.wav: [00:01.24 – 00:04.18] two\n"
    )


@pytest.mark.parametrize("environ", [{}, {"FORCE_COLOR": "1"}])
def test_a_pipe_gets_no_live_display(environ):
    assert isinstance(choose_display(pipe_console(**environ), json_output=False, many_files=False), PlainDisplay)


def test_a_terminal_gets_one_unless_json_is_wanted():
    assert isinstance(choose_display(terminal_console(), json_output=False, many_files=False), LiveDisplay)
    assert isinstance(choose_display(terminal_console(), json_output=True, many_files=False), JsonDisplay)


@pytest.mark.parametrize(
    ("position_ms", "clock"), [(0, "00:00.00"), (59_999, "00:59.99"), (60_000, "01:00.00"), (3_725_010, "1:02:05.01")]
)
def test_positions(position_ms, clock):
    console = pipe_console()
    display = choose_display(console, json_output=False, many_files=False)
    assert shown(display, console, final("x", start_ms=0, end_ms=position_ms)) == f"[00:00.00 – {clock}] x\n"


def test_control_characters_of_the_server_do_not_reach_the_terminal():
    console = pipe_console()
    display = choose_display(console, json_output=False, many_files=False)
    output = shown(display, console, final("a\x1b[2Jb\nc\x9bd", start_ms=None, end_ms=None))
    assert output == "a [2Jb c d\n"
    assert preview_line(preview("a\x1b", "\rb"), 40).plain == "a  b"


def test_json_lines_carry_every_event():
    console = pipe_console()
    display = choose_display(console, json_output=True, many_files=True)
    output = shown(
        display,
        console,
        preview("浦", "东"),
        final("浦东"),
        Failed(item_id="b", code="x", message="y", **WHEN),
        ServerError(code="", message="m", param=None, **WHEN),
    )
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["type"] for line in lines] == ["preview", "final", "failed", "error"]
    assert lines[1] == {
        "type": "final",
        "file": "talk.wav",
        "received_s": 12.5,
        "sent_ms": 4200,
        "item_id": "a",
        "transcript": "浦东",
        "language": "en",
        "start_ms": 1240,
        "end_ms": 4180,
    }


def test_live_display_draws_the_preview_and_leaves_the_finals():
    console = terminal_console()
    display = choose_display(console, json_output=False, many_files=True)
    log = SendLog()
    log.record(12_000, 0.0)
    with display.open("talk.wav", 60.0, log):
        display.show(preview("go ", "fore"))
        display.show(final("go forward"))
        display.show(preview("ten ", "meters"))
        console.print("redraw")
    output = console.file.getvalue()
    assert "talk.wav" in output
    assert "[00:01.24 – 00:04.18] go forward" in output
    assert "ten \x1b[2mmeters\x1b[0m" in output
    assert "12 of 60 s" in output
    assert output.endswith("\x1b[2K")  # the live lines are wiped
    assert output.count("\x1b[?25h") == output.count("\x1b[?25l") == 1  # the cursor is back


def test_a_long_final_is_left_to_the_terminal_to_wrap():
    console = terminal_console(width=30)
    display = choose_display(console, json_output=False, many_files=False)
    assert "[00:01.24 – 00:04.18] " + "浦东机场" * 10 in shown(display, console, final("浦东机场" * 10))


def test_short_audio_gets_no_progress_bar():
    console = terminal_console()
    display = choose_display(console, json_output=False, many_files=False)
    output = shown(display, console, final("x"))
    assert " of " not in output


def test_a_long_preview_shows_its_tail():
    line = preview_line(preview("我今天想去", "浦东机场"), 10)
    assert line.plain == "…浦东机场"
    assert [(span.start, span.end) for span in line.spans if span.style == "dim"] == [(0, 1), (1, 5)]
    assert preview_line(preview("我今天想去", "浦东机场"), 11).plain == "…去浦东机场"
    assert preview_line(preview("abc", "def"), 6).plain == "abcdef"
    assert preview_line(preview("abc", "defg"), 6).plain == "…cdefg"


@given(st.text(max_size=60), st.text(st.sampled_from("ab 浦东\u0301\u200d👩"), max_size=60), st.integers(1, 30))
def test_a_preview_never_exceeds_the_width_and_ends_as_it_should(text, stash, width):
    line = preview_line(preview(text, stash), width)
    assert cell_len(line.plain) <= width
    whole = preview_line(preview(text, stash), 1000).plain
    assert whole.endswith(line.plain.removeprefix("…"))
    # Nothing is cut that would have fit; a character takes two cells at most.
    if line.plain != whole and all(cell_len(char) for char in whole):
        assert cell_len(line.plain) >= width - 1
