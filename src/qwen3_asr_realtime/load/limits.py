"""What a server must keep for a test to pass."""

from collections.abc import Callable, Mapping, Sequence

from qwen3_asr_realtime.load.figures import Stage, Verdict

LIMITS: Mapping[str, Callable[[Stage], float | None]] = {
    "max-first-partial-p95-ms": lambda stage: stage.first_partial_ms.p95,
    "max-final-p95-ms": lambda stage: stage.final_ms.p95,
    "max-decision-p95-ms": lambda stage: stage.decision_to_final_ms.p95,
    "max-lost": lambda stage: stage.lost,
    "max-duplicates": lambda stage: stage.duplicates,
    "max-errors": lambda stage: stage.n_errors,
    "max-wer": lambda stage: stage.wer,
    "max-wer-increase": lambda stage: stage.wer_increase,
}
"""The figure that each option bounds, in every stage."""


def judge(stages: Sequence[Stage], limits: Mapping[str, float]) -> list[Verdict]:
    """Hold the worst stage against every limit. A figure that a stage lacks is not within its limit.

    Args:
        stages: Those that were measured; without one, nothing is within its limit.
        limits: By the names of `LIMITS`.
    """
    verdicts = []
    for name, limit in limits.items():
        values = [value for stage in stages if (value := LIMITS[name](stage)) is not None]
        worst = max(values) if stages and len(values) == len(stages) else None
        verdicts.append(Verdict(name, limit, worst, worst is not None and worst <= limit))
    return verdicts
