"""The web page at /demo: plain files, which come with the package."""

from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PAGE_PATH = "/demo"

FOLDER = Path(__file__).parents[1] / "web"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; img-src 'self'; "
        "media-src blob:; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",  # after an upgrade, no file of the old page beside those of the new one
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self)",
}
"""The page runs its own scripts and no others, and talks to WebSockets, of any host: it may be pointed elsewhere."""


class DemoPage(StaticFiles):
    """The files of the page, with headers that let it do no more than it needs."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER, html=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, or 404."""
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response
