from qwen3_asr_realtime.recognition.ledger import Ledger
from qwen3_asr_realtime.server.latencies import KEPT, WINDOW_S, Latencies, Percentiles


def ledger(total_s: float) -> Ledger:
    return Ledger(speech_found_s=0.0, first_preview_s=0.5, end_of_speech_s=1.0, decided_s=1.4, sent_s=1.0 + total_s)


def test_percentiles_are_values_that_were_measured() -> None:
    latencies = Latencies(lambda: 0.0)
    for hundredths in range(1, 101):
        latencies.add(ledger(0.4 + hundredths / 100))
    assert latencies.percentiles("final") == Percentiles(100, 900.0, 1350.0, 1390.0)
    assert latencies.percentiles("final_wait") == Percentiles(100, 500.0, 950.0, 990.0)
    assert latencies.percentiles("first_partial") == Percentiles(100, 500.0, 500.0, 500.0)


def test_without_utterances_there_are_none() -> None:
    assert Latencies().percentiles("final") == Percentiles(0, None, None, None)


def test_one_utterance_is_every_percentile() -> None:
    latencies = Latencies()
    latencies.add(ledger(0.42))
    assert latencies.percentiles("final") == Percentiles(1, 420.0, 420.0, 420.0)


def test_old_ones_are_forgotten() -> None:
    now_s = 0.0
    latencies = Latencies(lambda: now_s)
    latencies.add(ledger(1.0))
    now_s = WINDOW_S
    assert latencies.percentiles("final").count == 1
    now_s = WINDOW_S + 1
    assert latencies.percentiles("final").count == 0


def test_old_ones_are_forgotten_also_where_nobody_asks() -> None:
    now_s = 0.0
    latencies = Latencies(lambda: now_s)
    for _ in range(100):
        latencies.add(ledger(1.0))
        now_s += WINDOW_S / 10
    assert len(latencies._recent) <= 11


def test_an_utterance_without_a_decision_counts_for_its_partial_only() -> None:
    latencies = Latencies()
    latencies.add(Ledger(speech_found_s=1.0, first_preview_s=1.5))
    assert latencies.percentiles("final").count == 0
    assert latencies.percentiles("first_partial").count == 1


def test_no_more_are_kept_than_stated() -> None:
    latencies = Latencies(lambda: 0.0)
    for _ in range(KEPT + 1):
        latencies.add(ledger(0.5))
    assert latencies.percentiles("final").count == KEPT
