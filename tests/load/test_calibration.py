import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from qwen3_asr_realtime.cli import app
from qwen3_asr_realtime.load.calibration import CLOSE_ENOUGH, SHARE, Search


def stage(sessions, *, final_ms=50.0, lost=0, duplicates=0, n_errors=0):
    return SimpleNamespace(
        sessions=sessions,
        decision_to_final_ms=SimpleNamespace(p95=final_ms),
        lost=lost,
        duplicates=duplicates,
        n_errors=n_errors,
    )


def search(server, most=512):
    """All numbers that were tried on a server, and the search."""
    looking, tried = Search(most, slack_ms=300), []
    for sessions in looking:
        tried.append(sessions)
        looking.observe(server(sessions))
    return tried, looking


def test_doubles_and_then_halves_the_gap():
    tried, found = search(lambda sessions: stage(sessions, final_ms=50 if sessions <= 21 else 2000))
    assert tried == [1, 2, 4, 8, 16, 32, 24, 20, 22]
    assert (found.passed, found.failed) == (20, 22)
    assert found.proposal == int(20 * SHARE)


@given(st.integers(1, 600), st.integers(1, 512))
def test_what_is_found_was_tried_and_is_near_the_bound(bound, most):
    tried, found = search(lambda sessions: stage(sessions, final_ms=50 if sessions <= bound else 2000), most)
    assert found.passed <= min(bound, most)
    assert found.passed in tried
    assert max(tried) <= most
    if bound >= most:
        assert found.passed == most
    else:
        assert bound - found.passed <= max(1, CLOSE_ENOUGH * found.passed)
    assert len(tried) <= 2 * math.log2(most) + 4


@pytest.mark.parametrize(
    "trouble", [{"lost": 1}, {"duplicates": 1}, {"n_errors": 1}, {"final_ms": 351}, {"final_ms": None}]
)
def test_what_is_not_borne(trouble):
    _, found = search(lambda sessions: stage(sessions, **(trouble if sessions > 4 else {})))
    assert found.passed == 4


def test_a_little_later_is_borne():
    _, found = search(lambda sessions: stage(sessions, final_ms=50 if sessions == 1 else 350), most=8)
    assert found.passed == 8


def test_a_server_that_bears_nobody():
    tried, found = search(lambda sessions: stage(sessions, lost=1))
    assert (tried, found.proposal) == ([1], 0)


def test_a_stage_that_was_cut_short_ends_it():
    looking = Search(512, slack_ms=300)
    assert list(looking) == [1]


def calibrate(*options):
    return CliRunner().invoke(app, ["calibrate", *options])


def test_the_command_proposes_a_limit(server):
    done = calibrate("--url", server.url, "--most", "2", "--duration", "2", "--slack-ms", "60000")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-2:] == ["2 sessions were borne, none failed", "MAX_SESSIONS=1"]


def test_the_command_proposes_nothing_if_nothing_was_borne(monkeypatch):
    def bench(plan, url, **_):
        for sessions in plan.sessions:
            plan.observe(stage(sessions, lost=1))
        return 0

    monkeypatch.setattr("qwen3_asr_realtime.load.command.run_bench", bench)
    done = calibrate("--url", "ws://nowhere")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "qwen3-asr-realtime: not even one session was borne\n"
