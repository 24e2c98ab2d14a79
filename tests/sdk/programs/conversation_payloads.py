"""Every form of `session.update` the SDK's users send, each answered before the next."""

import dashscope.audio.qwen_omni.omni_realtime as sdk
from recorder import Recorder, conversation_with
from report import arguments, chunks

options = arguments()
recorder = Recorder()
conversation = conversation_with(recorder, options.url, model="qwen3-asr-flash-realtime-2025-10-27")
updates = [
    {},
    {
        "turn_detection_threshold": 0.0,
        "turn_detection_silence_duration_ms": 400,
        "turn_detection_param": {"create_response": True},
        "transcription_params": sdk.TranscriptionParams(),
    },
    {
        "enable_turn_detection": False,
        "transcription_params": sdk.TranscriptionParams(language="zh", corpus_text="foo"),
    },
]
if hasattr(sdk, "AudioFormatConfig"):
    updates.append(
        {
            "input_audio_config": sdk.AudioFormatConfig("pcm", 16000),
            "transcription_params": sdk.TranscriptionParams(language="en"),
        }
    )
updates.append({"enable_input_audio_transcription": False})
for count, update in enumerate(updates, start=1):
    conversation.update_session(output_modalities=[sdk.MultiModality.TEXT], **update)
    recorder.wait_for("session.updated", count)
for audio in chunks(options.audio, speed=1000.0):
    conversation.append_audio(audio)
conversation.end_session()
conversation.close()
