"""A client that goes in mid-speech without `end_session`: by `close()` once it reads a line, or killed before."""

import sys

from recorder import Recorder, conversation_with
from report import arguments, chunks, say

options = arguments()
recorder = Recorder()
conversation = conversation_with(recorder, options.url)
for audio in chunks(options.audio, speed=3.0):
    conversation.append_audio(audio)
recorder.wait_for("conversation.item.input_audio_transcription.text")
say("in mid-speech")
sys.stdin.readline()
conversation.close()
