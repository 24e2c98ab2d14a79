"""The web page as the server hands it out; what it does is tried in a browser, in `tests/web/`."""

import re

from tests.server.harness import running_server
from tests.server.test_http import get

from qwen3_asr_realtime.server.demo import FOLDER


async def test_the_page_comes_with_its_policy_and_all_its_files() -> None:
    async with running_server() as server:
        assert (await get(server, "/demo")).headers["location"].endswith("/demo/")
        page = await get(server, "/demo/")
        names = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
        files = [await get(server, f"/demo/{name}") for name in names]
        missing = await get(server, "/demo/page/nothing.js")
    assert len(names) >= 5
    assert [file.status_code for file in files] == [200] * len(files)
    assert missing.status_code == 404
    for answer in (page, *files):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-cache"


async def test_the_page_says_its_policy_itself_where_another_server_hands_it_out() -> None:
    async with running_server() as server:
        policy = (await get(server, "/demo/")).headers["content-security-policy"]
    (own,) = re.findall(r'content="(default-src[^"]+)"', (FOLDER / "index.html").read_text(encoding="utf-8"))
    assert policy == f"{own}; frame-ancestors 'none'"  # which a page cannot say


async def test_nothing_but_the_page_is_handed_out() -> None:
    async with running_server() as server:
        for path in ("/demo/../settings.py", "/demo/%2e%2e/settings.py", "/demo/page/..%2f..%2f..%2fsettings.py"):
            assert (await get(server, path)).status_code == 404


async def test_the_page_can_be_switched_off() -> None:
    async with running_server(demo_page=False) as server:
        assert (await get(server, "/demo/")).status_code == 404
        assert (await get(server, "/")).json()["demo"] is None
