from fuzz import fuzz

KINDS = {"event", "audio", "truncated", "noise", "nested", "binary", "garbage"}


async def test_garbage_on_the_wire_harms_nothing() -> None:
    survived, thrown = await fuzz(frames=5_000, seed=7)
    assert survived
    assert thrown.keys() == KINDS
