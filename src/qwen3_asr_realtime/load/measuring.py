"""From the logs of a stage to its figures."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from qwen3_asr_realtime.load.conversation import Conversation, Turn
from qwen3_asr_realtime.load.error_rate import Errors, character_errors, word_errors
from qwen3_asr_realtime.load.figures import Client, Server, Spread, Stage, Trace, Utterance
from qwen3_asr_realtime.load.items import Group, Item, match_by_order, match_by_time, read_items
from qwen3_asr_realtime.load.previews import Flicker, flicker, intervals_ms, lags_ms
from qwen3_asr_realtime.load.recordings import Recording
from qwen3_asr_realtime.load.session import SessionLog, Spoken
from qwen3_asr_realtime.samples import ms_from_samples, samples_from_ms
from qwen3_asr_realtime.text import join_transcripts

_TO_SENT = ("sent", "total")
"""What a trace may call the time from the end of speech to the final on its way."""


@dataclass(frozen=True, slots=True)
class Run:
    """What there is of a stage when it is over.

    Attributes:
        recordings: What could be said.
        conversations: What each session was to say.
        logs: What became of each session, in the same order.
        wall_s: Length of the stage.
        processes: Processes the clients ran in.
        server: What the server used, but for the figure per second of audio; None if nobody looked.
    """

    recordings: Sequence[Recording]
    conversations: Sequence[Conversation]
    logs: Sequence[SessionLog]
    wall_s: float
    processes: int
    server: tuple[float, float] | None


def measure(run: Run) -> Stage:
    """The figures of a stage, but for the comparison with another one."""
    tally = _Tally(run.recordings)
    for conversation, log in zip(run.conversations, run.logs, strict=True):
        tally.add(conversation, log)
    audio_s = sum(log.sent_ms for log in run.logs) / 1000
    wer, cer = _error_rates(tally.utterances)
    return Stage(
        sessions=len(run.logs),
        utterances=tally.said,
        audio_s=round(audio_s, 1),
        wall_s=round(run.wall_s, 1),
        interrupted=any(log.interrupted for log in run.logs),
        connect_ms=Spread.of(_known(log.connect_ms for log in run.logs)),
        first_partial_ms=Spread.of(_known(row.first_partial_ms for row in tally.utterances)),
        final_ms=Spread.of(_known(row.final_ms for row in tally.utterances)),
        decision_to_final_ms=Spread.of(tally.decision_to_final_ms),
        end_offset_ms=Spread.of(tally.end_offset_ms),
        partial_lag_ms=Spread.of(tally.lag_ms),
        partial_interval_ms=Spread.of(tally.interval_ms),
        stash_flicker=_rounded(tally.flicker.share),
        confirmed_rewritten=tally.flicker.rewritten,
        lost=tally.lost,
        duplicates=tally.duplicates,
        strays=tally.strays,
        splits=tally.splits,
        merges=tally.merges,
        errors=dict(tally.errors.most_common()),
        wer=_rounded(wer.rate),
        cer=_rounded(cer.rate),
        wer_increase=None,
        cer_increase=None,
        client=_client(run),
        server=_server(run.server, audio_s),
        trace=tally.trace(),
        details=tally.utterances,
    )


def compared(stage: Stage, base: Stage) -> Stage:
    """The stage with how many more errors it has than `base` would have had, recording by recording.

    Recordings that were not heard in `base` are left out, so that the mixture of recordings makes no difference.
    """
    rates: dict[tuple[str, ...], list[Utterance]] = {}
    for row in base.details:
        rates.setdefault(tuple(row.recordings), []).append(row)
    here = [row for row in stage.details if tuple(row.recordings) in rates]
    before = {recordings: _error_rates(rows) for recordings, rows in rates.items()}
    increases = []
    for which, errors in enumerate(_error_rates(here)):
        expected = sum(
            (before[tuple(row.recordings)][which].rate or 0.0) * _error_rates([row])[which].of for row in here
        )
        increases.append(round((errors.wrong - expected) / errors.of, 4) if errors.of else None)
    return msgspec.structs.replace(stage, wer_increase=increases[0], cer_increase=increases[1])


@dataclass(slots=True)
class _Tally:
    """What has been counted so far, over all sessions."""

    recordings: Sequence[Recording]
    utterances: list[Utterance] = field(default_factory=list)
    said: int = 0
    decision_to_final_ms: list[float] = field(default_factory=list)
    end_offset_ms: list[float] = field(default_factory=list)
    lag_ms: list[float] = field(default_factory=list)
    interval_ms: list[float] = field(default_factory=list)
    flicker: Flicker = field(default_factory=Flicker)
    lost: int = 0
    duplicates: int = 0
    strays: int = 0
    splits: int = 0
    merges: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    stations_ms: dict[str, list[float]] = field(default_factory=dict)
    differences_ms: list[float] = field(default_factory=list)

    def add(self, conversation: Conversation, log: SessionLog) -> None:
        """Count one session."""
        heard = read_items(log.received, log.commits_s)
        self.errors += heard.errors
        if log.failure:
            self.errors[log.failure] += 1
        for item in heard.items:
            self.flicker += flicker(item)
            self.interval_ms += intervals_ms(item)
            if item.finals and item.stopped_s is not None:
                self.decision_to_final_ms.append((item.finals[0].received_s - item.stopped_s) * 1000)
            for station, at_ms in item.trace.items():
                self.stations_ms.setdefault(station, []).append(at_ms)
        match = match_by_order if log.commits_s else match_by_time
        for group in match(conversation.turns, heard.items):
            if not group.turns:
                self.strays += 1
            elif group.turns[-1] < len(log.spoken) and (group.items or not log.interrupted):
                self._add_group(group, conversation, log)

    def _add_group(self, group: Group, conversation: Conversation, log: SessionLog) -> None:
        spoken = Spoken(log.spoken[group.turns[0]].onset_s, log.spoken[group.turns[-1]].end_s)
        self.said += len(group.turns)
        self.duplicates += group.duplicates
        self.splits += len(group.items) > 1
        self.merges += len(group.turns) > 1
        if not group.transcript:
            self.lost += len(group.turns)
        row = self._row(group, conversation, log.session, spoken)
        self.utterances.append(row)
        if len(group.turns) == len(group.items) == 1:
            (item,) = group.items
            self.lag_ms += lags_ms(item, spoken)
            self._add_end(item, conversation.turns[group.turns[0]], spoken)

    def _add_end(self, item: Item, turn: Turn, spoken: Spoken) -> None:
        """Hold what the server says about the end of speech and the time since against what is known here."""
        offset = 0
        if item.end_ms is not None:
            offset = samples_from_ms(item.end_ms) - turn.end
            self.end_offset_ms.append(ms_from_samples(offset))
        server_ms = next((item.trace[name] for name in _TO_SENT if name in item.trace), None)
        if server_ms is not None:
            s_per_sample = (spoken.end_s - spoken.onset_s) / (turn.end - turn.onset)
            since_s = item.finals[0].received_s - (spoken.end_s + offset * s_per_sample)
            self.differences_ms.append(since_s * 1000 - server_ms)

    def _row(self, group: Group, conversation: Conversation, session: int, spoken: Spoken) -> Utterance:
        said = [self.recordings[conversation.turns[turn].recording] for turn in group.turns]
        first_s = min((_first_text_s(item) for item in group.items), default=None, key=_or_never)
        final_s = max((final.received_s for item in group.items for final in item.finals[:1]), default=None)
        transcripts = [recording.transcript for recording in said if recording.transcript is not None]
        words = characters = None
        if len(transcripts) == len(said):
            reference = join_transcripts(transcripts)
            words = word_errors(reference, group.transcript)
            characters = character_errors(reference, group.transcript)
        return Utterance(
            session=session,
            recordings=[recording.name for recording in said],
            onset_s=round(spoken.onset_s, 3),
            end_s=round(spoken.end_s, 3),
            items=len(group.items),
            first_partial_ms=None if first_s is None else round((first_s - spoken.onset_s) * 1000, 1),
            final_ms=None if final_s is None else round((final_s - spoken.end_s) * 1000, 1),
            transcript=group.transcript,
            word_errors=words.wrong if words else None,
            reference_words=words.of if words else 0,
            character_errors=characters.wrong if characters else None,
            reference_characters=characters.of if characters else 0,
        )

    def trace(self) -> Trace | None:
        """What the server said about itself."""
        if not self.stations_ms:
            return None
        differences = sorted(self.differences_ms, key=abs)
        return Trace(
            {station: round(statistics.median(times), 1) for station, times in self.stations_ms.items()},
            round(statistics.median(differences), 1) if differences else None,
            round(differences[-1], 1) if differences else None,
        )


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _first_text_s(item: Item) -> float | None:
    return next((preview.received_s for preview in item.previews if preview.text or preview.stash), None)


def _or_never(at_s: float | None) -> float:
    return float("inf") if at_s is None else at_s


def _error_rates(rows: Sequence[Utterance]) -> tuple[Errors, Errors]:
    """Errors in words and in characters."""
    return (
        sum((Errors(row.word_errors or 0, row.reference_words) for row in rows), Errors()),
        sum((Errors(row.character_errors or 0, row.reference_characters) for row in rows), Errors()),
    )


def _client(run: Run) -> Client:
    late_ms = [late for log in run.logs for late in log.late_ms]
    blocked_s = sum(log.blocked_ms for log in run.logs) / 1000
    talked_s = run.wall_s * len(run.logs)
    return Client(run.processes, Spread.of(late_ms), round(blocked_s / talked_s, 4) if talked_s else 0.0)


def _server(used: tuple[float, float] | None, audio_s: float) -> Server | None:
    if used is None:
        return None
    cpu_s, rss_mib = used
    return Server(round(cpu_s, 2), round(cpu_s / audio_s, 4) if audio_s else 0.0, round(rss_mib, 1))


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
