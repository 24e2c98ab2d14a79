"""Connecting with a key. A server that refuses it leaves the SDK waiting, whatever the HTTP status."""

from recorder import Recorder, conversation_with
from report import arguments, say

options = arguments()
recorder = Recorder()
try:
    conversation = conversation_with(recorder, options.url)
except TimeoutError:
    say("timed out")
else:
    recorder.wait_for("session.created")
    say("connected")
    conversation.close()
