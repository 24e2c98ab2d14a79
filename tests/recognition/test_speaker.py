from qwen3_asr_realtime.recognition.speaker import ARRIVALS_KEPT, Arrivals


def test_audio_up_to_a_sample_had_come_with_the_piece_that_holds_it():
    arrivals = Arrivals()
    for until_sample, now_s in ((1600, 0.1), (3200, 0.2), (4800, 0.3)):
        arrivals.note(until_sample, now_s)
    assert arrivals.when(3200) == 0.2
    assert arrivals.when(3201) == 0.3
    assert arrivals.when(4801) is None


def test_only_the_last_pieces_are_remembered():
    arrivals = Arrivals()
    for piece in range(1, ARRIVALS_KEPT + 11):
        arrivals.note(piece * 320, piece / 50)
    assert arrivals.when(1) == 11 / 50
