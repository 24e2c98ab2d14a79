from tests.recognition.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories(config, item):
    """All tests of this room run in virtual time."""
    del config, item
    return {"virtual time": VirtualTimeLoop}
