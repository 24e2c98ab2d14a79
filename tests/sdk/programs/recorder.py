"""A callback for `OmniRealtimeConversation` that tells everything it is told."""

import threading
from typing import Any

from dashscope.audio.qwen_omni import OmniRealtimeCallback, OmniRealtimeConversation
from report import KEY, MODEL, say

PATIENCE_S = 20


class Recorder(OmniRealtimeCallback):
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._counts: dict[str, int] = {}

    def on_open(self) -> None:
        say("open")

    def on_event(self, message: dict[str, Any]) -> None:
        say("event", event=message)
        with self._changed:
            self._counts[message["type"]] = self._counts.get(message["type"], 0) + 1
            self._changed.notify_all()

    def on_close(self, close_status_code: int | None, close_msg: str | None) -> None:
        say("close", code=close_status_code, reason=close_msg)

    def wait_for(self, event_type: str, count: int = 1) -> None:
        """Return once so many events of this type have come."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._counts.get(event_type, 0) >= count, PATIENCE_S):
                raise TimeoutError(event_type)


def conversation_with(recorder: Recorder, url: str, model: str = MODEL) -> OmniRealtimeConversation:
    """A connected conversation."""
    conversation = OmniRealtimeConversation(model=model, callback=recorder, url=url, api_key=KEY)
    conversation.connect()
    return conversation
