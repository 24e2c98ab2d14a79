from tests.protocol.documented import ID

from qwen3_asr_realtime.protocol.identifiers import random_id


def test_the_cloud_s_style():
    assert ID.fullmatch(random_id("item"))
    assert random_id("sess").startswith("sess_")


def test_no_two_are_the_same():
    assert len({random_id("event") for _ in range(1000)}) == 1000
