"""The 2.x client answers pings only while it reads: a minute of audio goes up, in most of a minute, before it does."""

from dashscope import Client
from report import KEY, MODEL, arguments, chunks, say

options = arguments()
with Client(api_key=KEY).audio.realtime.connect(model=MODEL, ws_url=options.url) as session:
    say("uploading")
    for audio in chunks(options.audio, speed=1.3):
        session.append_audio(audio)
    say("ending")
    session.end_session()
    for event in session.events():
        say("event", event=event)
say("ended")
