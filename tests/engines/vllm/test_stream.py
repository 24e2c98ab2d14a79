import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from qwen3_asr_realtime.engines.base import EngineError, Hypothesis, Priority, SegmentOptions
from qwen3_asr_realtime.engines.vllm.backend import Answer, Request
from qwen3_asr_realtime.engines.vllm.stream import (
    BASE_TOKENS,
    ROLL_BACK_TOKENS,
    TOKENS_PER_SECOND,
    UNFIXED_UPDATES,
    Qwen3Stream,
    StreamLimits,
)
from qwen3_asr_realtime.engines.vllm.tokens import Token, text_of
from qwen3_asr_realtime.samples import SAMPLE_RATE

LIMITS = StreamLimits(max_segment_s=60, max_new_tokens=32, max_context_tokens=10)
SPECIAL = Token(b"", 7)


def tokens(text: str) -> list[Token]:
    """One token for each word, with its blank before it; the tag is one of its own."""
    head, tag, rest = text.rpartition("<asr_text>")
    pieces = [*head.replace(" ", "\0 ").split("\0"), tag, *rest.replace(" ", "\0 ").split("\0")]
    return [Token(piece.encode(), number) for number, piece in enumerate(pieces) if piece]


class FakeBackend:
    """Says `w1 w2 …`, two words for each second of audio, in English; a test may have it say something else."""

    def __init__(self, reply: Callable[[Request], str | None] = lambda request: None) -> None:
        self.requests: list[Request] = []
        self.truncations: list[str] = []
        self.reply = reply
        self.truncated = False

    async def generate(self, request: Request) -> Answer:
        self.requests.append(request)
        await asyncio.sleep(0)
        answer = self.reply(request)
        if answer is None:
            n_words = sum(len(window.samples) for window in request.windows) * 2 // SAMPLE_RATE
            said = " ".join(f"w{number}" for number in range(1, n_words + 1))
            answer = ("" if request.head else "language English<asr_text>") + said.removeprefix(text_of(request.prefix))
        return Answer([*tokens(answer), SPECIAL], self.truncated)

    async def truncate(self, text: str, max_tokens: int) -> str:
        self.truncations.append(text)
        return " ".join(text.split()[:max_tokens])


def seconds(duration_s: float) -> np.ndarray:
    return np.full(int(duration_s * SAMPLE_RATE), 0.1, np.float32)


def words(first: int, last: int) -> str:
    return " ".join(f"w{number}" for number in range(first, last + 1))


def stream(backend: FakeBackend, **options: str) -> Qwen3Stream:
    return Qwen3Stream(backend, SegmentOptions(**options), LIMITS, features=False)


async def partials(of: Qwen3Stream, last_s: int, first_s: int = 1, **options: bool) -> list[Hypothesis]:
    return [await of.refresh(seconds(s), final=False, **options) for s in range(first_s, last_s + 1)]


class TestPrefix:
    async def test_none_at_first_then_all_but_the_last_tokens(self):
        backend = FakeBackend()
        heard = await partials(stream(backend), 8)

        assert [hypothesis.text for hypothesis in heard] == [words(1, 2 * s) for s in range(1, 9)]
        assert [text_of(request.prefix) for request in backend.requests] == [
            *[""] * UNFIXED_UPDATES,
            *(words(1, 2 * s - ROLL_BACK_TOKENS) for s in range(UNFIXED_UPDATES, 8)),
        ]
        assert [token.token_id for token in backend.requests[-1].prefix] != [SPECIAL.token_id]

    async def test_the_engine_vouches_for_what_it_will_go_on_from(self):
        backend = FakeBackend()
        heard = await partials(stream(backend), 8)

        assert [hypothesis.stable_chars for hypothesis in heard[: UNFIXED_UPDATES - 1]] == [None] * (
            UNFIXED_UPDATES - 1
        )
        for hypothesis, request in zip(heard[UNFIXED_UPDATES - 1 :], backend.requests[UNFIXED_UPDATES:], strict=False):
            assert hypothesis.text[: hypothesis.stable_chars] == text_of(request.prefix)

    async def test_none_where_the_caller_wants_none(self):
        backend = FakeBackend()
        opened = stream(backend)
        await partials(opened, 6)
        await partials(opened, 7, 7, use_prefix=False)
        await partials(opened, 8, 8)

        assert [bool(request.prefix) for request in backend.requests] == [False] * 4 + [True, True, False, True]
        assert text_of(backend.requests[-1].prefix) == words(1, 9)

    async def test_none_in_a_final(self):
        backend = FakeBackend()
        opened = stream(backend)
        await partials(opened, 8)
        final = await opened.refresh(seconds(8.3), final=True, use_prefix=True, priority=Priority.FINAL)

        assert final == Hypothesis(words(1, 17), "en")
        assert (backend.requests[-1].prefix, backend.requests[-1].priority) == ((), Priority.FINAL)

    async def test_none_that_could_be_read_as_a_control_token(self):
        backend = FakeBackend(lambda request: "language English<asr_text>a <|im_end|> b c d e f g h")
        heard = await partials(stream(backend), UNFIXED_UPDATES + 1)

        assert backend.requests[-1].prefix == ()
        assert heard[-1].text == "a  b c d e f g h"

    async def test_a_failed_or_cancelled_update_changes_nothing(self):
        backend = FakeBackend()
        opened = stream(backend)
        await partials(opened, 6)

        def out_of_order(request: Request) -> str:
            raise EngineError("out of order")

        backend.reply, answers = out_of_order, backend.reply
        with pytest.raises(EngineError, match="out of order"):
            await opened.refresh(seconds(7), final=False)
        cancelled = asyncio.create_task(opened.refresh(seconds(7), final=False))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        backend.reply = answers
        await opened.refresh(seconds(7), final=False)

        assert text_of(backend.requests[-1].prefix) == words(1, 12 - ROLL_BACK_TOKENS)


class TestBounds:
    async def test_of_new_tokens(self):
        backend = FakeBackend()
        opened = stream(backend)
        await partials(opened, UNFIXED_UPDATES + 1)
        await opened.refresh(seconds(5.5), final=True)

        assert [request.max_new_tokens for request in backend.requests] == [
            *(BASE_TOKENS + TOKENS_PER_SECOND * s for s in range(1, UNFIXED_UPDATES + 1)),
            LIMITS.max_new_tokens,
            BASE_TOKENS + 66,
        ]

    async def test_that_are_reached_are_told(self):
        backend = FakeBackend()
        backend.truncated = True
        [heard] = await partials(stream(backend), 1)
        assert heard.truncated


class TestLanguage:
    async def test_is_left_to_the_model_until_two_updates_agree(self):
        backend = FakeBackend()
        opened = stream(backend)
        heard = await partials(opened, 3)
        await opened.refresh(seconds(3), final=True)

        assert [request.head for request in backend.requests] == ["", "", *["language English<asr_text>"] * 2]
        assert [hypothesis.language for hypothesis in heard] == ["en"] * 3

    async def test_that_changes_is_not_decided(self):
        names = iter(["English", "Chinese", "English", "None", "English", "English"])
        backend = FakeBackend(lambda request: f"language {next(names)}<asr_text>ja")
        heard = await partials(stream(backend), 3)

        assert [hypothesis.language for hypothesis in heard] == ["en", "zh", "en"]
        assert [request.head for request in backend.requests] == [""] * 3

    async def test_of_a_prefix_stays_its_own(self):
        names = iter(["English", "Chinese", "English", "Chinese"])
        backend = FakeBackend(
            lambda request: " more" if request.prefix else f"language {next(names)}<asr_text>a b c d e f g h"
        )
        await partials(stream(backend), 5)

        assert (backend.requests[-1].head, text_of(backend.requests[-1].prefix)) == (
            "language Chinese<asr_text>",
            "a b c",
        )

    async def test_that_the_client_fixed_is_forced(self):
        backend = FakeBackend(lambda request: "早上好")
        [heard] = await partials(stream(backend, language="zh"), 1)

        assert backend.requests[0].head == "language Chinese<asr_text>"
        assert heard == Hypothesis("早上好", "zh")

    async def test_is_not_forced_before_it_is_sure_that_somebody_speaks(self):
        """Forced, the model cannot answer that nobody does."""
        backend = FakeBackend(lambda request: "language None<asr_text>")
        heard = await partials(stream(backend, language="zh"), 3, speech_confirmed=False)

        assert [request.head for request in backend.requests] == [""] * 3
        assert heard == [Hypothesis("")] * 3

    @pytest.mark.parametrize("code", ["uk", "is", "no"])
    async def test_the_model_does_not_know_runs_undetermined(self, code):
        backend = FakeBackend()
        await partials(stream(backend, language=code), 1)
        assert backend.requests[0].head == ""


class TestContext:
    async def test_is_clean_and_within_its_budget(self):
        backend = FakeBackend()
        opened = stream(backend, context="<|im_end|>Pudong " + "x " * 20)
        await partials(opened, 2)

        assert [request.context for request in backend.requests] == ["Pudong x x x x x x x x x"] * 2
        assert len(backend.truncations) == 1

    async def test_an_empty_one_asks_nobody(self):
        backend = FakeBackend()
        await partials(stream(backend), 1)
        assert (backend.requests[0].context, backend.truncations) == ("", [])

    async def test_a_huge_one_is_cut_before_anything_looks_at_it(self):
        backend = FakeBackend()
        await partials(stream(backend, context="word " * 1_000_000), 1)
        assert len(backend.truncations[0]) <= 16 * LIMITS.max_context_tokens


class TestAudio:
    async def test_goes_as_windows_of_one_segment_that_no_other_shares(self):
        backend = FakeBackend()
        opened, other = stream(backend), stream(backend)
        await partials(opened, 20, 19)
        await partials(other, 20, 20)

        one, later, elsewhere = ([window.uuid for window in request.windows] for request in backend.requests)
        assert [len(window.samples) for window in backend.requests[1].windows] == [128_000, 128_000, 64_000]
        assert one[:2] == later[:2]
        assert one[2] != later[2]
        assert not {*one, *later} & {*elsewhere}
        assert backend.requests[0].segment_id == backend.requests[1].segment_id != backend.requests[2].segment_id

    async def test_a_short_tail_ends_in_real_sound(self):
        backend = FakeBackend()
        await stream(backend).refresh(seconds(8.2), final=True, following=seconds(0.4) * 2)

        tail = backend.requests[0].windows[-1].samples
        assert (len(tail), tail[-1]) == (8000, np.float32(0.2))
