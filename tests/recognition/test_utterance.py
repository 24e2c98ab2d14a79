import asyncio
import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recognition.hearing import BROKEN, HANGING, HearingEngine, Reply, only, silence, text, words
from tests.recognition.talk import CADENCE, Talk, other_decode
from tests.recognition.virtual_time import everything_ready, run

from qwen3_asr_realtime.engines.base import Hypothesis, Priority
from qwen3_asr_realtime.recognition.previews import PREVIEW_INTERVAL_S
from qwen3_asr_realtime.recognition.recogniser import Recogniser
from qwen3_asr_realtime.recognition.utterance import TAIL_SAMPLES
from qwen3_asr_realtime.samples import SAMPLE_RATE


class TestCadence:
    async def test_a_first_partial_soon_and_then_at_the_idle_interval(self):
        talk = Talk(HearingEngine())
        talk.start()
        await talk.say(words(6))

        assert [call.n_samples / SAMPLE_RATE for call in talk.engine.calls] == [1.0, 1.5, 2.0, 2.5, 3.0]
        assert [call.began_s for call in talk.engine.calls] == pytest.approx([1.0, 1.5, 2.0, 2.5, 3.0])
        assert [call.priority for call in talk.engine.calls] == [Priority.FIRST_PARTIAL, *[Priority.PARTIAL] * 4]

    async def test_partials_are_as_far_apart_as_the_engine_says(self):
        """One that takes half a core for each is not asked twice a second."""
        heard = Hypothesis("w1", "zh", next_after_s=1.2)
        talk = Talk(HearingEngine(lambda call: Reply(hypothesis=heard)))
        talk.start()
        await talk.say(words(8))

        assert [call.n_samples / SAMPLE_RATE for call in talk.engine.calls] == pytest.approx([1.0, 2.2, 3.4])

    async def test_the_busy_interval_while_there_is_no_free_slot(self):
        talk = Talk(HearingEngine())
        talk.start()
        await talk.say(words(2))
        assert len(talk.engine.calls) == 1

        async with other_decode(talk.scheduler):
            await talk.say(words(3, first=3))
            await talk.say(silence(0.3) + 1)
            assert talk.scheduler.waiting == 0
            await talk.say(silence(0.2) + 1)
            assert talk.scheduler.waiting == 1

    async def test_the_first_partial_does_not_wait_longer_when_busy(self):
        talk = Talk(HearingEngine())
        talk.start()
        async with other_decode(talk.scheduler):
            await talk.say(words(2))
            assert talk.scheduler.waiting == 1

    async def test_the_newest_audio_wins(self):
        talk = Talk(HearingEngine())
        talk.start()
        async with other_decode(talk.scheduler):
            await talk.say(words(8))
            assert talk.scheduler.waiting == 1
        await everything_ready()

        assert [call.text for call in talk.engine.calls] == [text(1, 8)]

    async def test_nothing_is_decoded_again_while_only_silence_comes(self):
        """The ancestor fed all silence to the model."""
        talk = Talk(HearingEngine())
        talk.start()
        await talk.say(words(3))
        calls = len(talk.engine.calls)
        await talk.say(silence(5))
        assert len(talk.engine.calls) <= calls + 1

        await talk.say(words(2, first=4))
        assert talk.engine.calls[-1].text == text(1, 4)

    async def test_partials_keep_to_the_step_of_the_engine(self):
        """Vllm's are cheapest on whole seconds; what is beyond goes along as right context."""
        talk = Talk(HearingEngine(partial_step_s=1.0))
        talk.start()
        await talk.say(words(7), piece_s=0.3)

        assert [call.n_samples / SAMPLE_RATE for call in talk.engine.calls] == [1.0, 2.0, 3.0]
        assert [call.began_s for call in talk.engine.calls] == pytest.approx([1.2, 2.1, 3.0])
        assert [call.following_samples for call in talk.engine.calls] == [3200, 1600, 0]
        talk.stop()
        await talk.finish()
        assert talk.engine.calls[-1].n_samples == 3.5 * SAMPLE_RATE

    async def test_speech_without_words_is_no_reason_to_hurry(self):
        talk = Talk(HearingEngine(lambda call: Reply(hypothesis=Hypothesis(""))))
        talk.start()
        await talk.say(words(6))

        assert [call.n_samples / SAMPLE_RATE for call in talk.engine.calls] == [1.0, 1.5, 2.0, 2.5, 3.0]
        assert talk.previews == []

    async def test_previews_come_no_faster_than_people_read(self):
        talk = Talk(HearingEngine())
        talk.start()
        await talk.say(words(20), speed=10)

        assert len(talk.previews) == 5
        for one, other in itertools.pairwise(talk.previews):
            assert other.at_s - one.at_s >= PREVIEW_INTERVAL_S - 1e-6

    async def test_a_file_sent_at_once_is_decoded_once_for_each_segment(self):
        """The ancestor decoded growing pieces of it."""
        talk = Talk(HearingEngine())
        talk.start()
        talk.add(words(20))
        talk.stop()
        await talk.finish()

        assert [call.final for call in talk.engine.calls] == [True]

    async def test_one_decode_at_a_time_however_slow(self):
        talk = Talk(HearingEngine(lambda call: Reply(latency_s=1.7), concurrency=4))
        talk.start()
        await talk.say(words(12))
        talk.stop()
        await talk.finish()

        assert talk.engine.most_running == 1


class TestPreviews:
    async def test_text_grows_and_stash_is_the_rest(self):
        talk = Talk(HearingEngine())
        talk.start()
        await talk.say(words(4))

        assert [(shown.text, shown.stash) for shown in talk.previews] == [
            ("", "w1 w2"),
            ("w1 w2", " w3"),
            ("w1 w2 w3", " w4"),
        ]
        assert {shown.language for shown in talk.previews} == {"en"}

    async def test_go_on_over_a_pause(self):
        talk = Talk(HearingEngine())
        talk.start()
        await talk.say(words(4))
        talk.stop()
        talk.start()
        await talk.say(words(2, first=5))

        assert [(shown.text, shown.stash) for shown in talk.previews[-2:]] == [
            (text(1, 4), " w5"),
            (text(1, 5), " w6"),
        ]

    async def test_show_at_a_pause_all_that_was_said(self):
        talk = Talk(HearingEngine())
        talk.start()
        await talk.say(words(4))
        talk.stop()
        await asyncio.sleep(1)

        assert (talk.previews[-1].text, talk.previews[-1].stash) == (text(1, 4), "")
        assert talk.previews[-1].at_s == pytest.approx(2.0 + PREVIEW_INTERVAL_S)

    async def test_end_with_the_utterance(self):
        talk = Talk(HearingEngine())
        talk.start()
        await talk.say(words(4))
        await asyncio.sleep(1)
        talk.stop()
        before = len(talk.previews)
        await talk.finish()

        assert len(talk.previews) == before

    async def test_of_long_speech_hold_every_word_once_and_none_vanishes(self):
        """What was shown of the audio behind a cut belongs to the segment that begins there."""
        talk = Talk(HearingEngine(lambda call: Reply(latency_s=0.15)))
        talk.start()
        await talk.say(words(50))

        shown = [(preview.text + preview.stash).split() for preview in talk.previews]
        said = text(1, 50).split()
        assert all(seen == said[: len(seen)] for seen in shown)
        assert shown == sorted(shown, key=len)


class TestFinal:
    async def test_cancels_a_partial_under_way(self):
        talk = Talk(HearingEngine(only("partial", HANGING)))
        talk.start()
        await talk.say(words(4))
        talk.stop()
        await talk.finish()

        partial, final = talk.engine.calls
        assert (partial.ended, final.ended) == ("cancelled", "answered")
        assert final.began_s == pytest.approx(2.0)
        assert talk.transcript == text(1, 4)

    async def test_waits_until_a_cancelled_partial_has_stopped(self):
        """Its slot is not free before."""
        talk = Talk(HearingEngine(only("partial", Reply(latency_s=math.inf, stopping_s=0.3))))
        talk.start()
        await talk.say(words(4))
        talk.stop()
        await talk.finish()

        assert talk.engine.most_running == 1
        assert talk.engine.finals[0].began_s == pytest.approx(2.3)

    async def test_is_decoded_afresh_and_as_urgently_as_can_be(self):
        talk = Talk(HearingEngine())
        talk.start()
        await talk.say(words(4))
        talk.stop()
        await talk.finish()

        [final] = talk.engine.finals
        assert (final.use_prefix, final.priority) == (False, Priority.FINAL)

    async def test_is_never_cancelled(self):
        talk = Talk(HearingEngine(only("final", Reply(latency_s=3))))
        talk.start()
        talk.add(words(4))
        talk.stop()
        await everything_ready()
        talk.start()
        await talk.say(words(2, first=5))
        talk.stop()
        await talk.finish()

        assert [(call.text, call.ended) for call in talk.engine.finals] == [
            (text(1, 4), "answered"),
            (text(5, 6), "answered"),
        ]
        assert talk.transcript == text(1, 6)

    async def test_takes_the_place_of_a_partial_that_waits(self):
        talk = Talk(HearingEngine())
        talk.start()
        async with other_decode(talk.scheduler):
            await talk.say(words(4))
            talk.stop()
            talk.utterance.finish()
        await talk.task

        assert [call.final for call in talk.engine.calls] == [True]

    async def test_goes_before_partials_of_others(self):
        recogniser = Recogniser(engine := HearingEngine(), CADENCE)
        talks = [Talk(engine, recogniser) for _ in range(3)]
        async with other_decode(recogniser.scheduler):
            for first, talk in zip((1, 11, 21), talks, strict=True):
                talk.start()
                talk.add(words(4, first))
                await everything_ready()
            talks[2].stop()
            talks[2].utterance.finish()
        await everything_ready()

        assert [call.text for call in engine.calls] == [text(21, 24), text(1, 4), text(11, 14)]

    async def test_hears_a_little_beyond_the_end_of_speech_and_no_more(self):
        talk = Talk(HearingEngine())
        talk.start()
        talk.add(words(4))
        talk.add(silence(2))
        talk.stop()
        await talk.finish()

        assert [call.n_samples for call in talk.engine.calls] == [2 * SAMPLE_RATE + TAIL_SAMPLES]

    async def test_is_given_what_follows_but_nothing_of_the_next_segment(self):
        talk = Talk(HearingEngine(max_segment_s=5))
        talk.start()
        talk.add(words(12))
        talk.add(silence(2))
        talk.stop()
        await talk.finish()

        assert [call.following_samples for call in talk.engine.finals] == [0, SAMPLE_RATE // 2]
        assert talk.transcript == text(1, 12)

    @pytest.mark.parametrize(("like_speech", "confirmed"), [(0.53, [False, False]), (0.75, [True, True])])
    async def test_knows_whether_it_is_sure_that_somebody_speaks(self, like_speech, confirmed):
        """If not, there is no partial, and what was heard is heard twice."""
        talk = Talk(HearingEngine())
        talk.start()
        talk.add(words(4), like_speech=like_speech)
        await asyncio.sleep(1)
        talk.stop()
        await talk.finish()

        assert [call.speech_confirmed for call in talk.engine.calls] == confirmed
        assert [call.final for call in talk.engine.calls] == [not confirmed[0], True]
        assert talk.transcript == text(1, 4)

    async def test_hears_what_there_is_if_speech_was_cut_off(self):
        talk = Talk(HearingEngine())
        talk.start()
        talk.add(words(4))
        talk.stop()
        await talk.finish()

        assert [call.n_samples for call in talk.engine.calls] == [2 * SAMPLE_RATE]

    @pytest.mark.parametrize(("duration_ms", "decoded"), [(0, 0), (100, 0), (299, 0), (300, 1)])
    async def test_speech_that_is_too_short_is_not_decoded(self, duration_ms, decoded):
        talk = Talk(HearingEngine())
        talk.start()
        talk.add(words(1)[: duration_ms * 16])
        talk.add(silence(1))
        talk.stop()
        await talk.finish()

        assert len(talk.engine.calls) == decoded
        assert talk.ends == [("completed", "w1", "en") if decoded else ("completed", "", "")]

    @pytest.mark.parametrize(("like_speech", "decoded"), [(0.51, False), (0.75, True)])
    async def test_what_does_not_sound_like_speech_is_not_decoded(self, like_speech, decoded):
        """Models invent words for noise, and a client may set detection so that it takes noise for speech."""
        talk = Talk(HearingEngine())
        talk.start()
        for first in range(1, 9):
            talk.add(words(1, first), like_speech=like_speech)
            await asyncio.sleep(0.5)
        talk.stop()
        await talk.finish()

        assert (talk.engine.partials != []) == (talk.engine.finals != []) == decoded
        assert talk.transcript == (text(1, 8) if decoded else "")
        talk.assert_nothing_left()

    async def test_one_moment_that_sounds_like_speech_is_enough(self):
        talk = Talk(HearingEngine())
        talk.start()
        talk.add(words(2), like_speech=0.1)
        talk.add(words(1, 3), like_speech=1.0)
        talk.add(words(2, 4), like_speech=0.1)
        talk.stop()
        await talk.finish()

        assert talk.transcript == text(1, 5)

    async def test_no_speech_at_all(self):
        talk = Talk(HearingEngine())
        await talk.finish()

        assert talk.ends == [("completed", "", "")]

    async def test_segments_are_joined_and_the_first_language_counts(self):
        replies = iter([Hypothesis("", ""), Hypothesis("Guten Tag.", "de"), Hypothesis("Hello.", "en")])
        talk = Talk(HearingEngine(lambda call: Reply(hypothesis=next(replies))))
        for first in (1, 2, 3):
            talk.start()
            talk.add(words(1, first))
            talk.stop()
        await talk.finish()

        assert talk.ends == [("completed", "Guten Tag. Hello.", "de")]


STEPS = st.lists(
    st.tuples(st.just("say"), st.floats(0.1, 8))
    | st.tuples(st.just("dump"), st.floats(0.1, 20))
    | st.tuples(st.just("pause"), st.floats(0.1, 3))
    | st.tuples(st.just("turn"), st.just(0.0)),
    max_size=8,
)


REPLIES = st.lists(
    st.sampled_from([Reply(), Reply(), Reply(latency_s=0.3), Reply(latency_s=4), BROKEN, HANGING]),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=150)
@given(steps=STEPS, replies=REPLIES, end=st.sampled_from(["finish", "finish and cancel", "cancel"]))
def test_whatever_happens_there_is_one_end_and_nothing_is_left(steps, replies, end):
    async def scenario():
        talk = Talk(HearingEngine(lambda call: replies[len(talk.engine.calls) % len(replies)]))
        speaking, said = False, 0
        for step, duration_s in [*steps, ("last", 0.0)]:
            if step in ("say", "dump") and not speaking:
                talk.start()
                speaking = True
            elif step in ("turn", "last") and speaking:
                talk.stop()
                speaking = False
            match step:
                case "say" | "dump":
                    audio = words(int(duration_s * 2) + 1, first=said + 1)
                    said += int(duration_s * 2) + 1
                    await talk.say(audio, speed=1 if step == "say" else 1e6, piece_s=0.25)
                case "pause" if speaking:
                    await talk.say(silence(duration_s))
                case "pause":
                    await asyncio.sleep(duration_s)
        if end != "cancel":
            talk.utterance.finish()
        if end != "finish":
            await everything_ready()
            talk.task.cancel()
        await asyncio.gather(talk.task, return_exceptions=True)

        assert talk.task.cancelled() or talk.task.exception() is None
        assert len(talk.ends) == (not talk.task.cancelled())
        talk.assert_nothing_left()
        assert talk.engine.most_running <= 1
        assert all(call.n_samples <= 15 * SAMPLE_RATE for call in talk.engine.calls)
        for one, other in itertools.pairwise(talk.previews):
            assert other.text.startswith(one.text)
            assert other.at_s - one.at_s >= PREVIEW_INTERVAL_S - 1e-6
        if talk.ends and talk.ends[0][0] == "completed":
            assert talk.transcript == text(1, said)

    run(scenario())
