from tests.recognition.hearing import HearingEngine, Reply, silence, text, words
from tests.recognition.talk import Talk, speculating

from qwen3_asr_realtime.engines.base import Hypothesis, Priority, SegmentOptions
from qwen3_asr_realtime.recognition.guards import Doubt
from qwen3_asr_realtime.recognition.speaker import PreviousFinal
from qwen3_asr_realtime.samples import SAMPLE_RATE


class TestGuards:
    async def test_a_doubted_final_is_heard_again_without_context(self):
        tags = Hypothesis("language English<asr_text>w1 w2", "en")
        replies = iter([Reply(hypothesis=tags), Reply()])
        options = SegmentOptions(language="en", context="Pudong")
        talk = Talk(HearingEngine(lambda call: next(replies)), options=options)
        talk.start()
        talk.add(words(4))
        talk.stop()
        await talk.finish()

        assert talk.engine.opened == [options, SegmentOptions(language="en", expected="en")]
        first, second = talk.engine.calls
        assert second.n_samples == first.n_samples + SAMPLE_RATE // 2
        assert (second.use_prefix, second.priority) == (False, Priority.FINAL)
        assert talk.transcript == text(1, 4)
        assert talk.recogniser.doubts == {Doubt.TAGS: 1}
        talk.assert_nothing_left()

    async def test_what_is_still_doubted_is_dropped_or_cut_down(self):
        loop = Hypothesis("one two " * 20, "en", truncated=True)
        talk = Talk(HearingEngine(lambda call: Reply(hypothesis=loop)))
        talk.start()
        talk.add(words(4))
        talk.stop()
        await talk.finish()

        assert talk.transcript == "one two"
        assert talk.recogniser.doubts == {Doubt.LOOP: 2}

    async def test_a_copy_of_the_final_before_is_heard_again(self):
        sentence = "one two three four five six seven eight nine ten"
        previous = PreviousFinal()
        for seconds, said, second_hearing in ((8, sentence, sentence), (2, "Yes.", "Yes.")):
            replies = iter([Reply(hypothesis=Hypothesis(heard, "en")) for heard in (sentence, second_hearing)])
            talk = Talk(HearingEngine(lambda call, replies=replies: next(replies)), previous=previous)
            talk.start()
            talk.add(words(2 * seconds))
            talk.stop()
            await talk.finish()
            assert talk.transcript == said
            previous = talk.speaker.previous
            assert previous == PreviousFinal(said, talk.ledger.speech_samples / SAMPLE_RATE)
        assert talk.recogniser.doubts == {Doubt.COPY: 1}

    async def test_weak_voice_that_gives_other_words_each_time_said_nothing(self):
        replies = iter([Reply(hypothesis=Hypothesis("You", "en")), Reply(hypothesis=Hypothesis("Thanks", "en"))])
        talk = Talk(HearingEngine(lambda call: next(replies)))
        talk.start()
        talk.add(words(4), like_speech=0.53)
        talk.stop()
        await talk.finish()

        assert talk.transcript == ""

    async def test_a_speculation_is_doubted_in_time(self):
        replies = iter([Reply(hypothesis=Hypothesis("<|im_end|>", "en")), Reply()])
        talk = speculating(HearingEngine(lambda call: next(replies) if call.final else Reply()))
        talk.start()
        await talk.say(words(4)[:-1600])
        await talk.say(silence(0.4))
        talk.stop()
        before = len(talk.engine.calls)
        await talk.finish()

        assert talk.transcript == text(1, 4)
        assert len(talk.engine.calls) == before


class TestLoops:
    LOOP = Hypothesis("one two " * 20, "en", truncated=True)

    async def test_the_prefix_is_left_out_once_and_the_loop_not_shown(self):
        talk = Talk(
            HearingEngine(lambda call: Reply(hypothesis=self.LOOP if 3 <= call.n_samples / 8000 <= 5 else None))
        )
        talk.start()
        await talk.say(words(8))

        assert [call.use_prefix for call in talk.engine.partials] == [True, True, False, True, False, True, True]
        assert [len((shown.text + shown.stash).split()) for shown in talk.previews] == [2, 6, 7, 8]

    async def test_an_answer_at_its_bound_without_a_loop_is_shown(self):
        cut_off = Hypothesis("one two three", "en", truncated=True)
        talk = Talk(HearingEngine(lambda call: Reply(hypothesis=cut_off)))
        talk.start()
        await talk.say(words(4))

        assert talk.previews[0].stash == cut_off.text
        assert all(call.use_prefix for call in talk.engine.partials)
