"""The web page in a real browser: Chromium as the system has it, driven by Playwright.

It needs a browser, so these tests run only where they are asked for by name: `make test-web`. What they see is kept in
`.screenshots/`.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, sync_playwright
from tests.sdk.recordings import write_wav

from harness import english_clips, silence
from qwen3_asr_realtime.client.local_server import LocalServer, local_server

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / ".screenshots"

QUIETLY = (
    "--no-sandbox",  # Chromium refuses to run as root with one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-precise-memory-info",
)

OpenPage = Callable[..., "OpenedPage"]


class OpenedPage:
    """A page, and what went on in it.

    Attributes:
        page: Playwright's.
        frames: Of its WebSockets: direction and text.
        problems: Messages that a page should not give, and requests to other hosts.
    """

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.frames: list[tuple[str, str]] = []
        self.problems: list[str] = []
        host = url.split("/")[2]
        self.page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))
        self.page.on("console", self._note_message)
        self.page.on("request", lambda request: self._note_request(request.url, host))
        self.page.on("websocket", self._watch)
        self.page.goto(url)

    def _note_message(self, message: Any) -> None:
        # A connection that fails is said by the browser as an error of the page; some tests make it fail.
        if message.type in {"error", "warning"} and "WebSocket connection to" not in message.text:
            self.problems.append(f"{message.type}: {message.text}")

    def _note_request(self, url: str, host: str) -> None:
        if not url.startswith(("blob:", "data:")) and url.split("/")[2] != host:
            self.problems.append(f"request to another host: {url}")

    def _watch(self, socket: Any) -> None:
        socket.on("framesent", lambda frame: self.frames.append(("sent", frame)))
        socket.on("framereceived", lambda frame: self.frames.append(("received", frame)))

    def texts(self) -> list[str]:
        """What the cards in the document say, as a reader sees it."""
        return self.page.locator(".words").all_inner_texts()

    def wait_for_text(self, part: str, *, seconds: float = 60) -> None:
        """Wait until a card says something."""
        self.page.locator(".words", has_text=part).first.wait_for(timeout=seconds * 1000)

    def wait_until(self, expression: str, *, seconds: float = 60) -> None:
        """Wait until JavaScript says so. Playwright's own way evaluates text, which the page's policy forbids."""
        deadline_s = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline_s, f"not within {seconds:g} s: {expression}"
            self.page.wait_for_timeout(50)

    def keep(self, name: str) -> None:
        """Save a screenshot."""
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")


def keep_figures(name: str, **figures: object) -> None:
    """Save what was measured, beside the screenshots."""
    SCREENSHOTS.mkdir(exist_ok=True)
    (SCREENSHOTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "Chromium is needed (Debian, Ubuntu: apt install chromium)"
    return path


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServer]:
    """The server as `make start` runs it, but for its port; it says where the time of each final went."""
    with local_server(env={"TRACE_EVENTS": "true"}) as running:
        yield running


@pytest.fixture
def open_page(playwright: Playwright, chromium: str, server: LocalServer) -> Iterator[OpenPage]:
    """Opens the page. At the end of the test, none may have said that anything is wrong with it."""
    opened: list[OpenedPage] = []
    browsers = []

    def open_one(
        *,
        url: str = "",
        microphone: Path | None = None,
        arguments: tuple[str, ...] = (),
        script: str = "",
        **context: Any,
    ) -> OpenedPage:
        fake = (
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}%noloop",
        )
        browser = playwright.chromium.launch(
            executable_path=chromium, args=[*QUIETLY, *(fake if microphone else ()), *arguments]
        )
        browsers.append(browser)
        options = {"locale": "en-US", "viewport": {"width": 1440, "height": 900}, "accept_downloads": True}
        made = browser.new_context(**{**options, **context})
        if script:
            made.add_init_script(script)
        opened.append(OpenedPage(made, url or f"{server.http_url}/demo"))
        return opened[-1]

    yield open_one
    problems = [problem for page in opened for problem in page.problems]
    for browser in browsers:
        browser.close()
    assert problems == []


SENTENCE = (
    "And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power to do for them."
)


@pytest.fixture(scope="session")
def sentence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV file in which `SENTENCE` is said."""
    clip = next(clip for clip in english_clips() if clip.name == "libri_0870.wav")
    return write_wav(tmp_path_factory.mktemp("recordings") / "sentence.wav", clip.samples)


@pytest.fixture(scope="session")
def all_clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A WAV file of all English clips with pauses between them, and what is said in each."""
    clips = list(english_clips())
    audio = np.concatenate([piece for clip in clips for piece in (clip.samples, silence(1.5))])
    return write_wav(tmp_path_factory.mktemp("recordings") / "clips.wav", audio), [clip.transcript for clip in clips]


@contextmanager
def server_with(**env: str) -> Iterator[LocalServer]:
    """A server with other settings."""
    with local_server(env=env) as running:
        yield running
