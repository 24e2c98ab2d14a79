"""Where the time of one utterance went, from the end of speech to the final on its way to the client.

All stations are on one monotonic clock. The parts follow one another without gap or overlap, so they sum to the total:

    end of speech ─silence▶ decision ─queue▶ engine starts ─decode▶ engine ends ─delivery▶ sent

A decode that began before the decision (a speculation) has no queue, and only what is left of it counts.
"""

from dataclasses import dataclass, field

from qwen3_asr_realtime.samples import SAMPLE_RATE


@dataclass(slots=True)
class Ledger:
    """The stations of one utterance, in seconds of the event loop's clock; None where it has not come by.

    Attributes:
        speech_found_s: Its start was detected.
        first_preview_s: The first preview went out.
        end_of_speech_s: The last sample of speech had come in.
        decided_s: The turn was ended, by silence or a commit.
        engine_started_s: The engine began the decode whose text is the final.
        engine_ended_s: And ended it.
        sent_s: The final went out.
        speech_samples: Audio that was recognised.
        speculative: The final was begun before the decision.
        retried: A guard or a failure made a second decode necessary.
        confirmation_delays_s: For each confirmed word (or character), the audio from the hypothesis that first had it
            to the one that confirmed it.
        changed: Confirmed words that the final does not have. Clients see them until it comes.
        previews_replaced: Previews that a newer one took the place of before they were shown.
        given_up: Decodes of partials and speculations whose slot something final took.
        errors: Decodes that failed.
        timeouts: Decodes that were stopped because they took too long.
    """

    speech_found_s: float | None = None
    first_preview_s: float | None = None
    end_of_speech_s: float | None = None
    decided_s: float | None = None
    engine_started_s: float | None = None
    engine_ended_s: float | None = None
    sent_s: float | None = None
    speech_samples: int = 0
    speculative: bool = False
    retried: bool = False
    confirmation_delays_s: list[float] = field(default_factory=list)
    changed: int = 0
    previews_replaced: int = 0
    given_up: int = 0
    errors: int = 0
    timeouts: int = 0

    @property
    def first_partial_s(self) -> float | None:
        """From the start of speech being found to the first preview; None if there was none."""
        if self.first_preview_s is None or self.speech_found_s is None:
            return None
        return self.first_preview_s - self.speech_found_s

    def summary(self) -> dict[str, float | int]:
        """One line about the utterance, for the log; times in milliseconds."""
        summary: dict[str, float | int] = {f"{name}_ms": value for name, value in self.parts_ms().items()}
        if (first_partial_s := self.first_partial_s) is not None:
            summary["first_preview_ms"] = round(1000 * first_partial_s, 3)
        return summary | {
            "audio_s": round(self.speech_samples / SAMPLE_RATE, 3),
            "speculative": self.speculative,
            "retried": self.retried,
            "confirmed": len(self.confirmation_delays_s),
            "changed": self.changed,
        }

    def parts_ms(self) -> dict[str, float]:
        """Silence, queue, decode, delivery and their total, in milliseconds; empty unless all stations were passed.

        An utterance without a decode has neither queue nor decode.
        """
        if self.end_of_speech_s is None or self.decided_s is None or self.sent_s is None:
            return {}
        started_s = max(self.decided_s, self.engine_started_s or self.decided_s)
        ended_s = max(started_s, self.engine_ended_s or started_s)
        stations = [self.end_of_speech_s, self.decided_s, started_s, ended_s, self.sent_s]
        names = ["silence", "queue", "decode", "delivery"]
        parts = {
            name: round(1000 * (later - earlier), 3)
            for name, earlier, later in zip(names, stations, stations[1:], strict=False)
        }
        return parts | {"total": round(1000 * (self.sent_s - self.end_of_speech_s), 3)}
