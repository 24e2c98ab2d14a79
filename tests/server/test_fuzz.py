from fuzz import fuzz


async def test_garbage_on_the_wire_harms_nothing() -> None:
    assert await fuzz(frames=5_000, seed=7)
