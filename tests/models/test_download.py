import hashlib
import threading

import pytest
from tests.models.standin import CONTENT, HALF, deaf_address, file_of

from qwen3_asr_realtime.models.catalogue import File
from qwen3_asr_realtime.models.download import ATTEMPTS, SourceError, download, is_right, new_client

WEIGHTS = CONTENT["model.bin"]
FILE = file_of("model.bin")
PATH = "/acme/tiny/model.bin"


@pytest.fixture
def get(hub, tmp_path):
    hub.files[PATH] = WEIGHTS

    def get(url=hub.url + PATH, file=FILE, **given):
        with new_client(connect_timeout_s=0.3, read_timeout_s=0.3) as client:
            download(client, url, file, tmp_path, **given)

    return get


def here(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_and_leaves_nothing_else(get, hub, tmp_path):
    seen = []

    get(on_progress=seen.append)

    assert (tmp_path / "model.bin").read_bytes() == WEIGHTS
    assert here(tmp_path) == ["model.bin"]
    assert seen == sorted(seen)
    assert seen[-1] == len(WEIGHTS)
    assert hub.requests[0][1]["accept-encoding"] == "identity"


@pytest.mark.parametrize("ranges", ["honoured", "as 200"])
def test_what_broke_off_goes_on_where_it_was(get, hub, tmp_path, ranges):
    hub.ranges = ranges
    hub.breaks[PATH] = [HALF, 1000]

    get()

    assert (tmp_path / "model.bin").read_bytes() == WEIGHTS
    assert hub.asked_ranges(PATH) == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]


def test_a_part_from_before_is_used(get, hub, tmp_path):
    (tmp_path / "model.bin.part").write_bytes(WEIGHTS[:HALF])

    get()

    assert (tmp_path / "model.bin").read_bytes() == WEIGHTS
    assert hub.asked_ranges(PATH) == [f"bytes={HALF}-"]


def test_a_whole_part_is_only_moved(get, hub, tmp_path):
    (tmp_path / "model.bin.part").write_bytes(WEIGHTS)

    get()

    assert hub.requests == []
    assert here(tmp_path) == ["model.bin"]


def test_where_ranges_are_ignored_it_begins_anew(get, hub, tmp_path):
    hub.ranges = "ignored"
    hub.breaks[PATH] = [HALF]

    get()

    assert (tmp_path / "model.bin").read_bytes() == WEIGHTS
    assert hub.asked_ranges(PATH) == [None, f"bytes={HALF}-"]


def test_a_range_that_was_not_asked_for_is_not_taken(get, hub, tmp_path):
    hub.ranges = "wrong"
    (tmp_path / "model.bin.part").write_bytes(WEIGHTS[:HALF])

    get()

    assert (tmp_path / "model.bin").read_bytes() == WEIGHTS
    assert hub.asked_ranges(PATH) == [f"bytes={HALF}-", None]


def test_a_hub_that_has_less_than_is_here_is_asked_for_all_of_it(get, hub, tmp_path):
    (tmp_path / "model.bin.part").write_bytes(WEIGHTS[:HALF])
    hub.files[PATH] = WEIGHTS[: HALF // 2]

    with pytest.raises(SourceError, match=r"model\.bin breaks off"):
        get()

    assert hub.asked_ranges(PATH)[:2] == [f"bytes={HALF}-", None]
    assert len(hub.requests) <= ATTEMPTS


@pytest.mark.parametrize("part", [b"x" * HALF, b"x" * len(WEIGHTS), b"x" * (len(WEIGHTS) + 1)])
def test_a_part_of_something_else_is_thrown_away(get, hub, tmp_path, part):
    (tmp_path / "model.bin.part").write_bytes(part)

    get()

    assert (tmp_path / "model.bin").read_bytes() == WEIGHTS
    assert hub.asked_ranges(PATH)[-1] is None


@pytest.mark.parametrize("place", [0, HALF, len(WEIGHTS) - 1])
def test_one_changed_byte_is_refused_and_not_kept(get, hub, tmp_path, place):
    hub.files[PATH] = WEIGHTS[:place] + bytes([WEIGHTS[place] ^ 1]) + WEIGHTS[place + 1 :]

    with pytest.raises(SourceError, match=r"model\.bin is not what it should be"):
        get()

    assert here(tmp_path) == []
    assert len(hub.requests) == 1


def test_more_than_there_should_be_is_refused_before_it_fills_the_disk(get, hub, tmp_path):
    hub.files[PATH] = WEIGHTS * 512

    with pytest.raises(SourceError, match=r"model\.bin is not what it should be"):
        get()

    assert here(tmp_path) == []
    assert hub.sent < len(WEIGHTS) * 256  # what buffers hold


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_an_error_is_named(get, hub, tmp_path, status):
    hub.statuses[PATH] = status

    with pytest.raises(SourceError, match=rf"HTTP {status} for model\.bin"):
        get()

    assert here(tmp_path) == []


def test_an_error_on_the_way_keeps_what_came(get, hub, tmp_path):
    hub.breaks[PATH] = [HALF]

    def then_fail(path):
        if len(hub.requests) > 1:
            hub.statuses[path] = 503

    hub.before = then_fail
    with pytest.raises(SourceError, match="HTTP 503"):
        get()

    assert (tmp_path / "model.bin.part").read_bytes() == WEIGHTS[:HALF]


def test_a_hub_that_always_breaks_off_is_left(get, hub):
    hub.breaks[PATH] = [100] * 1000

    with pytest.raises(SourceError, match="breaks off again and again"):
        get()

    assert len(hub.requests) == ATTEMPTS


def test_a_hub_that_sends_nothing_is_left_at_once(get, hub):
    hub.breaks[PATH] = [0] * 1000

    with pytest.raises(SourceError):
        get()

    assert len(hub.requests) == 1


def test_an_address_that_takes_no_connection_is_left_soon(get):
    with deaf_address() as url, pytest.raises(SourceError, match="cannot be reached"):
        get(url)


def test_a_hub_that_falls_silent_is_left_soon(get, hub):
    done = threading.Event()
    hub.before = lambda _: done.wait(30) and None
    try:
        with pytest.raises(SourceError, match="does not answer"):
            get()
    finally:
        done.set()


def test_a_redirect_is_followed_without_the_token(get, hub, other_hub, tmp_path):
    hub.redirects[PATH] = f"{other_hub.url}/elsewhere"
    other_hub.files["/elsewhere"] = WEIGHTS
    other_hub.breaks["/elsewhere"] = [HALF]

    get(headers={"Authorization": "Bearer secret"})

    assert (tmp_path / "model.bin").read_bytes() == WEIGHTS
    assert [headers.get("authorization") for _, headers in hub.requests] == ["Bearer secret"] * 2
    assert [headers.get("authorization") for _, headers in other_hub.requests] == [None] * 2
    assert other_hub.asked_ranges("/elsewhere") == [None, f"bytes={HALF}-"]


@pytest.mark.parametrize("there", ["file:///etc/passwd", "http://[", "/acme/tiny/model.bin"])
def test_a_redirect_to_nowhere_is_an_error_of_the_source(get, hub, there):
    hub.redirects[PATH] = there

    with pytest.raises(SourceError):
        get()


def test_an_empty_file_is_a_file(get, hub, tmp_path):
    get(file=File("empty.txt", 0, hashlib.sha256().hexdigest()))

    assert (tmp_path / "empty.txt").read_bytes() == b""
    assert hub.requests == []


def test_a_file_of_which_no_digest_is_known_is_never_right(tmp_path):
    (tmp_path / "model.bin").write_bytes(WEIGHTS)

    assert is_right(tmp_path / "model.bin", FILE)
    assert not is_right(tmp_path / "model.bin", File("model.bin", len(WEIGHTS)))


def test_a_name_of_git_is_a_digest_too(tmp_path):
    content = CONTENT["config.json"]
    name = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    (tmp_path / "config.json").write_bytes(content)

    assert is_right(tmp_path / "config.json", File("config.json", len(content), blob_sha1=name))
    assert not is_right(tmp_path / "config.json", File("config.json", len(content), blob_sha1="0" * 40))
