"""The 2.x client in Manual mode, reading up to each final before it goes on."""

from dashscope import Client
from report import KEY, MODEL, arguments, chunks, say

options = arguments()
with Client(api_key=KEY).audio.realtime.connect(model=MODEL, ws_url=options.url) as session:
    session.update_session(["text"], enable_turn_detection=False, transcription_params={"corpus_text": "Dashwood"})
    for _ in range(2):
        for audio in chunks(options.audio, speed=1000.0):
            session.append_audio(audio)
        session.commit()
        event = {}
        while event.get("type") != "conversation.item.input_audio_transcription.completed":
            event = session.recv_event()
            say("event", event=event)
    session.end_session()
    for event in session.events():
        say("event", event=event)
say("ended")
