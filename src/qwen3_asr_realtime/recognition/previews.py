"""When a preview is shown: at once if the last one has been seen for long enough, and else as soon as it has.

A newer preview takes the place of one that waits for its time.
"""

from collections.abc import Callable

from qwen3_asr_realtime.recognition.hypothesis import Preview

PREVIEW_INTERVAL_S = 0.2
"""Shortest time between two previews; people read no faster, and a file sent at full speed needs none in between."""

_NEVER = float("-inf")


class Previews:
    """The previews of one utterance.

    Attributes:
        first_s: When the first one was shown, or None.
        replaced: Those that a newer one took the place of before they were shown.
    """

    def __init__(self, show: Callable[[str, str, str], None], now_s: Callable[[], float]) -> None:
        """Begin with none.

        Args:
            show: Takes text, stash and language.
            now_s: A monotonic clock.
        """
        self.first_s: float | None = None
        self.replaced = 0
        self._show = show
        self._now_s = now_s
        self._shown_at_s = _NEVER
        self._offered: tuple[Preview, str] | None = None
        self._closed = False

    @property
    def wait_s(self) -> float:
        """Time until the next one may be shown; not positive if that is now."""
        return self._shown_at_s + PREVIEW_INTERVAL_S - self._now_s()

    @property
    def waits(self) -> bool:
        """Whether one waits for its time."""
        return self._offered is not None

    def offer(self, preview: Preview, language: str) -> None:
        """Show a preview in its time; an empty one says nothing."""
        if (preview.text or preview.stash) and not self._closed:
            self.replaced += self.waits
            self._offered = preview, language
            self.show_if_due()

    def show_if_due(self) -> None:
        """Show what waits, if its time has come."""
        if self._offered is None or self.wait_s > 0:
            return
        (preview, language), self._offered = self._offered, None
        self._shown_at_s = self._now_s()
        if self.first_s is None:
            self.first_s = self._shown_at_s
        self._show(preview.text, preview.stash, language)

    def close(self) -> None:
        """The final is due: a preview would only come between."""
        self._closed = True
        self._offered = None
