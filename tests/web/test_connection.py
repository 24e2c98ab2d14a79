"""What goes wrong between page and server, and what is seen of it."""

from pathlib import Path

from tests.web.conftest import OpenPage, server_with

from qwen3_asr_realtime.client.local_server import local_server, reserved_port

COMPLETED = ".card[data-state=completed]"


def test_a_server_that_restarts_in_the_middle(open_page: OpenPage, all_clips: tuple[Path, list[str]]):
    """What was chosen and heard stays, what is said meanwhile is kept, and the next server goes on."""
    with reserved_port() as port:
        with local_server(port=port) as server:
            opened = open_page(url=f"{server.http_url}/demo", microphone=all_clips[0])
            page = opened.page
            page.locator("#context").fill("Dashwood")
            page.locator("#talk").click()
            page.locator(COMPLETED).first.wait_for(timeout=60_000)
        page.locator("#state[data-state=waiting]").wait_for()
        opened.keep("reconnecting")
        assert page.locator("#talk").get_attribute("aria-pressed") == "true"
        assert page.locator("#context").input_value() == "Dashwood"
        before = page.locator(COMPLETED).count()
        with local_server(port=port):
            page.locator("#state[data-state=open]").wait_for(timeout=30_000)
            opened.wait_until(f"document.querySelectorAll('{COMPLETED}').length > {before}")


def test_a_server_that_wants_a_key(open_page: OpenPage, sentence: Path):
    with server_with(API_KEYS="open-sesame-open") as server:
        opened = open_page(url=f"{server.http_url}/demo", microphone=sentence)
        page = opened.page
        page.locator("#talk").click()
        page.locator(".notice[data-kind=connection]").wait_for()
        assert "key" in page.locator(".notice").inner_text()
        opened.keep("no-connection")
        page.locator("#talk").click()
        page.locator("#api-key").fill("open-sesame-open")
        page.locator("#api-key").press("Tab")
        page.locator("#talk").click()
        page.locator("#state[data-state=open]").wait_for()
        page.locator(".notice").wait_for(state="detached")


def test_a_language_that_the_server_does_not_know(open_page: OpenPage, sentence: Path):
    opened = open_page(microphone=sentence)
    page = opened.page
    page.locator("#language option[value=zh]", has_text="not on this server").wait_for(state="attached")
    page.locator("#language").select_option("zh")
    page.locator("#talk").click()
    page.locator(".notice[data-kind=server]").wait_for()
    assert "'zh'" in page.locator(".notice").inner_text()
