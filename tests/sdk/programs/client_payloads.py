"""The same forms of `session.update` from the 2.x client."""

from dashscope import Client
from report import KEY, MODEL, arguments, say

UPDATES = [
    {},
    {
        "turn_detection_threshold": 0.0,
        "turn_detection_silence_duration_ms": 400,
        "turn_detection_param": {"create_response": True},
        "transcription_params": {},
    },
    {"enable_turn_detection": False, "transcription_params": {"language": "zh", "corpus_text": "foo"}},
    {
        "input_audio_config": {"type": "pcm", "sample_rate": 16000},
        "transcription_params": {"language": "en"},
    },
    {"enable_input_audio_transcription": False},
]

options = arguments()
with Client(api_key=KEY).audio.realtime.connect(model=MODEL, ws_url=options.url) as session:
    say("event", event=session.recv_event())
    for update in UPDATES:
        session.update_session(["text"], **update)
        say("event", event=session.recv_event())
    session.end_session()
    for event in session.events():
        say("event", event=event)
