"""A refused update is an exception of the 2.x client; the session goes on."""

from dashscope import Client
from dashscope.v2 import DashScopeError
from report import KEY, MODEL, arguments, chunks, say

options = arguments()
with Client(api_key=KEY).audio.realtime.connect(model=MODEL, ws_url=options.url) as session:
    say("event", event=session.recv_event())
    session.update_session(["text"], turn_detection_threshold=7)
    try:
        session.recv_event()
    except DashScopeError as error:
        say("exception", kind=type(error).__name__, message=str(error))
    for audio in chunks(options.audio, speed=1000.0):
        session.append_audio(audio)
    session.end_session()
    for event in session.events():
        say("event", event=event)
say("ended")
