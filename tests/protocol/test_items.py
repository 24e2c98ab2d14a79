import itertools

import pytest

from qwen3_asr_realtime.protocol.items import ITEM_TRANSITIONS, IllegalTransition, Item, ItemSignal, ItemState

LEGAL = {
    (ItemState.OPEN, ItemSignal.COMMIT): ItemState.COMMITTED,
    (ItemState.OPEN, ItemSignal.CLEAR): ItemState.CLEARED,
    (ItemState.COMMITTED, ItemSignal.COMPLETE): ItemState.COMPLETED,
    (ItemState.COMMITTED, ItemSignal.FAIL): ItemState.FAILED,
}


@pytest.mark.parametrize(("state", "signal"), list(itertools.product(ItemState, ItemSignal)))
def test_every_pair_of_state_and_signal(state, signal):
    item = Item("item_1", requested_language=None, state=state)

    if (state, signal) in LEGAL:
        item.signal(signal)
        assert item.state is LEGAL[state, signal]
    else:
        with pytest.raises(IllegalTransition):
            item.signal(signal)
        assert item == Item("item_1", requested_language=None, state=state)


def test_the_table_names_every_state():
    assert ITEM_TRANSITIONS.keys() == set(ItemState)
