"""Updates that are refused, and speech all the same."""

from dashscope.audio.qwen_omni import MultiModality
from dashscope.audio.qwen_omni.omni_realtime import TranscriptionParams
from recorder import Recorder, conversation_with
from report import arguments, chunks, say

options = arguments()
recorder = Recorder()
conversation = conversation_with(recorder, options.url)
conversation.update_session(output_modalities=[MultiModality.TEXT], turn_detection_threshold=7)
conversation.update_session(
    output_modalities=[MultiModality.TEXT], transcription_params=TranscriptionParams(language="tlh")
)
conversation.update_session(
    output_modalities=[MultiModality.TEXT], transcription_params=TranscriptionParams(sample_rate=44100)
)
recorder.wait_for("error", 3)
for audio in chunks(options.audio, speed=1000.0):
    conversation.append_audio(audio)
conversation.end_session()
say("ended")
conversation.close()
