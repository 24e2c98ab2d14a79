"""The SDK before 1.25.6, which has no `end_session`."""

import json

from recorder import Recorder, conversation_with
from report import arguments, chunks, say

options = arguments()
recorder = Recorder()
conversation = conversation_with(recorder, options.url)
say("has end_session", answer=hasattr(conversation, "end_session"))
for audio in chunks(options.audio, speed=1000.0):
    conversation.append_audio(audio)
conversation.send_raw(json.dumps({"type": "session.finish"}))
recorder.wait_for("session.finished")
conversation.close()
