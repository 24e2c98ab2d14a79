"""The 2.x client as its documentation has it: send from one thread, read events in another."""

import threading

from dashscope import Client
from report import KEY, MODEL, arguments, chunks, say

options = arguments()
with Client(api_key=KEY).audio.realtime.connect(model=MODEL, ws_url=options.url) as session:
    session.update_session(
        ["text"],
        turn_detection_threshold=0.0,
        turn_detection_silence_duration_ms=400,
        transcription_params={"language": "en", "sample_rate": 16000},
    )

    def speak() -> None:
        for audio in chunks(options.audio, speed=3.0):
            session.append_audio(audio)
        say("ending")
        session.end_session()

    speaker = threading.Thread(target=speak)
    speaker.start()
    for event in session.events():
        say("event", event=event)
    say("ended", session_id=session.session_id)
    speaker.join()
