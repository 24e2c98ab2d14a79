import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recognition.hearing import HearingEngine, silence, text, words
from tests.recognition.talk import Talk
from tests.recognition.virtual_time import run

from qwen3_asr_realtime.recognition.utterance import TAIL_SAMPLES
from qwen3_asr_realtime.samples import SAMPLE_RATE


class TestLongSpeech:
    @pytest.mark.parametrize("speed", [1, 1000])
    async def test_is_cut_into_segments_whose_finals_are_joined(self, speed):
        talk = Talk(HearingEngine())
        talk.start()
        await talk.say(words(120), speed=speed)
        talk.stop()
        await talk.finish()

        assert talk.transcript == text(1, 120)
        assert len(talk.engine.finals) >= 4
        assert all(call.n_samples <= 15 * SAMPLE_RATE for call in talk.engine.calls)
        assert " ".join(call.text for call in talk.engine.finals) == text(1, 120)

    async def test_that_is_cut_in_the_silence_after_it_loses_no_word(self):
        """Of the segment that begins at the cut, nothing but silence is still to come."""
        talk = Talk(HearingEngine())
        talk.start()
        await talk.say(np.concatenate([words(20), silence(0.3), words(9, first=21), silence(0.8)]))
        talk.stop()
        await talk.finish()

        assert len(talk.engine.finals) == 2
        assert talk.transcript == text(1, 29)

    async def test_that_goes_on_in_another_utterance_gives_all_of_it_to_that_one(self):
        talk = Talk(HearingEngine())
        talk.start()
        await talk.say(words(20))
        talk.utterance.end_segment(8 * SAMPLE_RATE, goes_on=True)
        await talk.finish()

        (final,) = talk.engine.finals
        assert (final.n_samples, final.following_samples) == (8 * SAMPLE_RATE, 0)

    async def test_a_short_word_after_a_cut_is_heard(self):
        """The cut leaves 100 ms of silence and as much speech, less than what is worth decoding by itself."""
        talk = Talk(HearingEngine())
        talk.start()
        await talk.say(np.concatenate([words(29), silence(0.1), words(1, first=30)[:1600], silence(0.8)]))
        talk.stop()
        await talk.finish()

        assert [call.n_samples for call in talk.engine.finals][1:] == [1600 + 1600 + TAIL_SAMPLES]

    async def test_what_is_final_is_not_decoded_again(self):
        talk = Talk(HearingEngine())
        talk.start()
        await talk.say(words(120))
        talk.stop()
        await talk.finish()

        done = 0
        for call in talk.engine.calls:
            assert int(call.text.split()[0][1:]) > done
            if call.final:
                done = int(call.text.split()[-1][1:])

    async def test_segments_are_decoded_while_speech_goes_on(self):
        talk = Talk(HearingEngine())
        talk.start()
        await talk.say(words(120))

        assert len(talk.engine.finals) >= 3
        assert talk.ends == []

    @settings(deadline=None, max_examples=40)
    @given(pieces=st.lists(st.integers(1_000, 100_000), min_size=1, max_size=12))
    def test_the_same_audio_in_any_pieces_gives_the_same_segments_and_text(self, pieces):
        async def scenario():
            talk = Talk(HearingEngine())
            talk.start()
            audio = words(70)
            for piece in itertools.cycle(pieces):
                talk.add(audio[:piece])
                audio = audio[piece:]
                if not len(audio):
                    break
            talk.stop()
            await talk.finish()
            assert talk.transcript == text(1, 70)
            return [call.text for call in talk.engine.finals]

        assert run(scenario()) == [text(1, 19), text(20, 37), text(38, 56), text(57, 70)]
