from churn import churn


async def test_a_thousand_clients_that_come_and_go_leave_nothing() -> None:
    assert await churn(cycles=1000, every=250, seed=7, engine="scripted")
