from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.engines.vllm.remote.pool import ranked

names = st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=8, unique=True)


@given(st.text(), names, st.randoms())
def test_the_order_does_not_depend_on_how_servers_are_listed(key, servers, random) -> None:
    shuffled = random.sample(servers, len(servers))

    assert ranked(key, shuffled) == ranked(key, servers)


@given(st.text(), names, st.data())
def test_without_a_server_the_others_keep_their_order(key, servers, data) -> None:
    """So its own segments move to where they would have gone next, and no others move at all."""
    gone = data.draw(st.sampled_from(servers))
    order = ranked(key, servers)

    assert ranked(key, [name for name in servers if name != gone]) == [name for name in order if name != gone]


def test_segments_spread_evenly_and_so_do_those_of_a_server_that_goes() -> None:
    servers = [f"http://vllm-{index}:8000" for index in range(4)]
    orders = [ranked(f"{key:032x}", servers) for key in range(4000)]

    first = Counter(order[0] for order in orders)
    second = Counter(order[1] for order in orders if order[0] == servers[0])

    assert all(900 < count < 1100 for count in first.values())
    assert len(second) == 3
    assert all(250 < count < 420 for count in second.values())
