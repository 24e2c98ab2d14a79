"""Manual mode: a turn, audio thought better of, a turn committed once too often, and a rest that nobody commits."""

from dashscope.audio.qwen_omni import MultiModality
from dashscope.audio.qwen_omni.omni_realtime import TranscriptionParams
from recorder import Recorder, conversation_with
from report import arguments, chunks, say

options = arguments()
recorder = Recorder()
conversation = conversation_with(recorder, options.url)
conversation.update_session(
    output_modalities=[MultiModality.TEXT],
    enable_turn_detection=False,
    transcription_params=TranscriptionParams(language="en", corpus_text="Dashwood"),
)


def append(speed: float) -> None:
    for audio in chunks(options.audio, speed=speed):
        conversation.append_audio(audio)


append(3.0)
conversation.commit()
recorder.wait_for("conversation.item.input_audio_transcription.completed")
append(1000.0)
conversation.clear_appended_audio()
recorder.wait_for("input_audio_buffer.cleared")
append(1000.0)
conversation.commit()
conversation.commit()
append(1000.0)
say("ending")
conversation.end_session()
say("ended")
conversation.close()
