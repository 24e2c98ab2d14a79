"""The figures for people: their names, their meaning, and how they are written."""

from collections.abc import Callable
from dataclasses import dataclass

from qwen3_asr_realtime.load.figures import Report, Spread, Stage, Verdict

LATE_CLIENT_MS = 20.0
"""Lateness of the clients (p99) past which the delays of the server are in doubt: as much as a frame of telephony."""

_NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        name: Title, with the unit.
        text: Writes the value of a stage.
        meaning: One or two sentences.
    """

    name: str
    text: Callable[[Stage], str]
    meaning: str


def _spread(spread: Spread) -> str:
    if not spread.count:
        return _NOTHING
    return " / ".join(f"{value:.0f}" for value in (spread.p50, spread.p95, spread.p99) if value is not None)


def _share(share: float | None) -> str:
    return _NOTHING if share is None else f"{share:.1%}"


def _server_cpu(stage: Stage) -> str:
    if stage.server is None:
        return _NOTHING
    return f"{stage.server.cpu_s:.1f} ({stage.server.cpu_s_per_audio_s:.3f})"


def _trace(stage: Stage) -> str:
    trace = stage.trace
    if trace is None or trace.difference_median_ms is None:
        return _NOTHING
    return f"{trace.difference_median_ms:.0f} / {trace.difference_max_ms:.0f}"


FIGURES = (
    Figure(
        "end of speech to final, ms p50 / p95 / p99",
        lambda stage: _spread(stage.final_ms),
        "From the last sound of the utterance, found in the clean recording by its energy, to its final. Audio counts "
        "as spoken when the schedule says so, so the wait for a frame to fill up and the silence that ends a turn are "
        "in it.",
    ),
    Figure(
        "endpoint decision to final, ms p50 / p95 / p99",
        lambda stage: _spread(stage.decision_to_final_ms),
        "From speech_stopped, or the commit in Manual mode, to completed, as they reach the client.",
    ),
    Figure(
        "first partial, ms p50 / p95 / p99",
        lambda stage: _spread(stage.first_partial_ms),
        "From the first sound of the utterance to the first preview with text.",
    ),
    Figure(
        "age of partials, ms p50 / p95 / p99",
        lambda stage: _spread(stage.partial_lag_ms),
        "How old the audio is that a preview shows. Estimated: a preview with half of the final's characters is taken "
        "to show the first half of the speech.",
    ),
    Figure(
        "between partials, ms p50 / p95 / p99",
        lambda stage: _spread(stage.partial_interval_ms),
        "Time from one preview of an item to the next.",
    ),
    Figure(
        "stash that changed",
        lambda stage: _share(stage.stash_flicker),
        "Share of the characters of a stash that the next preview changed.",
    ),
    Figure(
        "confirmed text changed",
        lambda stage: str(stage.confirmed_rewritten),
        "Previews whose text did not begin with the text before it. The protocol allows none.",
    ),
    Figure(
        "end of the item, ms p50 / p95 / p99",
        lambda stage: _spread(stage.end_offset_ms),
        "audio_end_ms less the true end of speech.",
    ),
    Figure(
        "utterances",
        lambda stage: str(stage.utterances),
        "Utterances said to their end.",
    ),
    Figure(
        "lost / duplicate / stray finals",
        lambda stage: f"{stage.lost} / {stage.duplicates} / {stage.strays}",
        "Utterances without text; finals too many for the same audio; finals with text where nobody spoke.",
    ),
    Figure(
        "split / merged utterances",
        lambda stage: f"{stage.splits} / {stage.merges}",
        "Utterances that became several items, as at a long pause within a sentence; items over several utterances.",
    ),
    Figure(
        "errors",
        lambda stage: str(stage.n_errors),
        "Error events, failed items, and sessions that could not start or broke.",
    ),
    Figure(
        "word / character errors",
        lambda stage: f"{_share(stage.wer)} / {_share(stage.cer)}",
        "Against the transcripts, without case and punctuation. Numbers are not spelled out.",
    ),
    Figure(
        "more than with one session",
        lambda stage: f"{_share(stage.wer_increase)} / {_share(stage.cer_increase)}",
        "Word and character errors less those of the same recordings in the stage of one session.",
    ),
    Figure(
        "connecting, ms p50 / p95 / p99",
        lambda stage: _spread(stage.connect_ms),
        "From the attempt to connect to session.updated.",
    ),
    Figure(
        "server CPU seconds (per second of audio)",
        _server_cpu,
        "Of the server's process and its children.",
    ),
    Figure(
        "server memory, MiB",
        lambda stage: _NOTHING if stage.server is None else f"{stage.server.rss_mib:.0f}",
        "Largest resident memory, looked at once a second.",
    ),
    Figure(
        "clients late, ms p50 / p95 / p99",
        lambda stage: _spread(stage.client.late_ms),
        "By how much frames left after their deadline by the client's own fault. What is late here is in the delays "
        "above too.",
    ),
    Figure(
        "clients blocked",
        lambda stage: _share(stage.client.blocked_share),
        "Share of the time in which the connection did not take the next frame.",
    ),
    Figure(
        "client less server, ms median / max",
        _trace,
        "Delay of finals as measured here, less what the server says in x_trace, both from where the server sees the "
        "end of speech; – if it says nothing.",
    ),
)
"""The table, line by line."""


def n_sessions(count: int) -> str:
    """A number of sessions in words."""
    return f"{count} session{'s' * (count != 1)}"


def stage_line(stage: Stage) -> str:
    """A stage in one line."""
    return (
        f"{n_sessions(stage.sessions)}: {stage.utterances} utterances, "
        f"end of speech to final {_spread(stage.final_ms)} ms, "
        f"first partial {_spread(stage.first_partial_ms)} ms (p50 / p95 / p99), "
        f"{stage.lost} lost, {stage.duplicates} duplicates, {stage.n_errors} errors, "
        f"{_share(stage.wer)} words wrong, clients late p99 {stage.client.late_ms.p99 or 0:.0f} ms"
    )


def conditions(report: Report) -> list[str]:
    """What was tried, in a few lines."""
    pace = "as fast as possible" if report.speed is None else f"{report.speed:g} x real time"
    silence = "" if report.silence_ms is None else f", turns end after {report.silence_ms} ms of silence"
    names = ", ".join(recording.name for recording in report.recordings)
    return [
        f"{report.url}, {report.started_at}, qwen3-asr-realtime {report.version}",
        f"{report.mode} mode{silence}, frames of {report.frame_ms} ms, {pace}, {report.duration_s:g} s a session, "
        f"seed {report.seed}",
        f"recordings: {names}",
    ]


def notes(report: Report) -> list[str]:
    """What keeps the figures from meaning what they seem to mean."""
    found = []
    if report.interrupted:
        found.append("interrupted: these are the figures of what there was")
    if report.speed is None:
        found.append("no pace: audio counts as spoken when it was sent, and delays grow with what waits at the server")
    found += [
        f"{n_sessions(stage.sessions)}: the clients were late themselves (p99 {stage.client.late_ms.p99:.0f} ms), "
        "which makes the server look slower than it is"
        for stage in report.stages
        if (stage.client.late_ms.p99 or 0) > LATE_CLIENT_MS
    ]
    return found


def verdict_line(verdict: Verdict) -> str:
    """A limit and how it was kept, in one line."""
    worst = "not measured" if verdict.worst is None else f"{verdict.worst:g}"
    return f"{'within' if verdict.within else 'BEYOND'} --{verdict.name} {verdict.limit:g}: {worst}"
