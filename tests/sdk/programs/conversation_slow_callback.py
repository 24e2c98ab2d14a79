"""A callback that blocks for longer than all else takes, while audio goes up."""

import time
from typing import Any

from recorder import Recorder, conversation_with
from report import arguments, chunks, say

BLOCKED_S = 1.5


class SlowRecorder(Recorder):
    def on_event(self, message: dict[str, Any]) -> None:
        super().on_event(message)
        if message["type"] == "input_audio_buffer.speech_started":
            time.sleep(BLOCKED_S)
            say("unblocked")


options = arguments()
recorder = SlowRecorder()
conversation = conversation_with(recorder, options.url)
for audio in chunks(options.audio, speed=3.0):
    conversation.append_audio(audio)
say("appended")
conversation.end_session()
say("ended")
conversation.close()
