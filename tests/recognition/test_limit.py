from qwen3_asr_realtime.recognition.limit import WINDOW, ConcurrencyLimit


def serve(limit, service_s, count):
    """Decodes that take as long as `service_s` says for so many at a time, always as many as there may be."""
    for _ in range(count):
        limit.observe(service_s(limit.slots), full=True)


def test_a_fast_engine_is_not_limited():
    limit = ConcurrencyLimit(cap=64, target_s=1.0)
    serve(limit, lambda slots: 0.2, 1000)
    assert limit.slots == 64


def test_a_slow_one_gets_about_as_many_as_it_can_do_in_time():
    limit = ConcurrencyLimit(cap=64, target_s=1.0)
    serve(limit, lambda slots: slots / 20, 5000)  # 20 at a time take a second
    assert 14 <= limit.slots <= 24


def test_it_finds_back_up():
    limit = ConcurrencyLimit(cap=64, target_s=1.0)
    serve(limit, lambda slots: 5.0, 500)
    assert limit.slots == 1
    serve(limit, lambda slots: 0.1, 5000)
    assert limit.slots == 64


def test_nothing_is_learned_upwards_from_an_engine_that_is_not_full():
    limit = ConcurrencyLimit(cap=64, target_s=1.0)
    serve(limit, lambda slots: 5.0, 500)
    for _ in range(1000):
        limit.observe(0.1, full=False)
    assert limit.slots == 1


def test_one_slow_decode_is_no_reason():
    limit = ConcurrencyLimit(cap=8, target_s=1.0)
    serve(limit, lambda slots: 0.3, WINDOW)
    limit.observe(8.0, full=True)
    assert limit.slots == 8
