"""VAD mode as the SDK's users write it: configure, append, end."""

import time

from dashscope.audio.qwen_omni import MultiModality
from dashscope.audio.qwen_omni.omni_realtime import TranscriptionParams
from recorder import Recorder, conversation_with
from report import arguments, chunks, say

MICROPHONE_STOPS_S = 1.0

options = arguments()
recorder = Recorder()
conversation = conversation_with(recorder, options.url)
conversation.update_session(
    output_modalities=[MultiModality.TEXT],
    enable_turn_detection=True,
    turn_detection_type="server_vad",
    turn_detection_threshold=0.0,
    turn_detection_silence_duration_ms=400,
    transcription_params=TranscriptionParams(language="en", sample_rate=16000, input_audio_format="pcm"),
)
for audio in chunks(options.audio, speed=4.0):
    conversation.append_audio(audio)
# The official samples do both of these in VAD mode too.
conversation.commit()
conversation.create_response()
say("ending")
conversation.end_session()
say("ended", session_id=conversation.get_session_id(), last_message=conversation.get_last_message())
# A microphone thread stops a moment later than the session.
time.sleep(MICROPHONE_STOPS_S)
conversation.append_audio(audio)
say("closing")
conversation.close()
say("closed")
