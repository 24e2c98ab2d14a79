import base64
import io
import json
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engines.vllm.remote.fake import completion

from qwen3_asr_realtime.engines.base import Priority
from qwen3_asr_realtime.engines.vllm.backend import AudioWindow, Request
from qwen3_asr_realtime.engines.vllm.remote.chat import WrongAnswer, decode_answer, encode_request, prompt_text
from qwen3_asr_realtime.engines.vllm.tokens import Token

QUIET = np.zeros(160, np.float32)


def request(**changes: object) -> Request:
    values = {
        "segment_id": "s",
        "windows": [AudioWindow("w0", QUIET, None, frozen=True), AudioWindow("t0", QUIET, None, frozen=False)],
        "context": "Bulge, Zürich",
        "head": "language English<asr_text>",
        "prefix": [Token(b"Well,"), Token(b" ")],
        "max_new_tokens": 32,
        "priority": Priority.FIRST_PARTIAL,
    }
    return Request(**{**values, **changes})


def encoded(asked: Request, *, has: tuple[str, ...] = (), with_priority: bool = True) -> dict:
    return json.loads(encode_request(asked, model="m", has=has, with_priority=with_priority))


def answer(tokens: tuple[str, ...], **options: object) -> list[bytes]:
    body = json.dumps(completion(tokens, **options)).encode()
    return [token.data for token in decode_answer(body, request()).tokens]


class TestRequest:
    def test_the_three_turns(self) -> None:
        body = encoded(request())

        system, user, assistant = body["messages"]
        assert system == {"role": "system", "content": "Bulge, Zürich"}
        assert user["role"] == "user"
        assert assistant == {"role": "assistant", "content": "language English<asr_text>Well, "}
        assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)

    def test_nothing_begun_means_no_assistant_turn(self) -> None:
        body = encoded(request(head="", prefix=()))

        assert [message["role"] for message in body["messages"]] == ["system", "user"]
        assert (body["continue_final_message"], body["add_generation_prompt"]) == (False, True)

    def test_an_empty_context_still_has_its_turn(self) -> None:
        assert encoded(request(context=""))["messages"][0] == {"role": "system", "content": ""}

    def test_only_frozen_windows_are_named(self) -> None:
        frozen, tail = encoded(request())["messages"][1]["content"]

        assert frozen["uuid"] == "w0"
        assert "uuid" not in tail

    def test_sound_the_server_has_is_left_out(self) -> None:
        frozen, tail = encoded(request(), has=("w0", "t0"))["messages"][1]["content"]

        assert frozen == {"type": "input_audio", "input_audio": None, "uuid": "w0"}
        assert tail["input_audio"]["format"] == "wav"

    def test_sound_is_the_client_s_16_bits(self) -> None:
        pcm = np.array([0, 1, -1, 32767, -32768, 12345], np.int16)
        window = AudioWindow("t", pcm.astype(np.float32) / np.float32(32768), None, frozen=False)

        (part,) = encoded(request(windows=[window]))["messages"][1]["content"]

        with wave.open(io.BytesIO(base64.b64decode(part["input_audio"]["data"]))) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
            assert file.readframes(100) == pcm.tobytes()

    def test_sound_beyond_full_scale_is_clipped(self) -> None:
        window = AudioWindow("t", np.array([2.0, -2.0], np.float32), None, frozen=False)

        (part,) = encoded(request(windows=[window]))["messages"][1]["content"]

        assert base64.b64decode(part["input_audio"]["data"])[-4:] == b"\xff\x7f\x00\x80"

    def test_it_is_greedy_bounded_and_asks_for_tokens(self) -> None:
        body = encoded(request())

        asked = {"temperature": 0, "max_completion_tokens": 32, "logprobs": True, "top_logprobs": 0}
        asked["priority"] = int(Priority.FIRST_PARTIAL)
        assert body | asked == body

    def test_priority_only_where_it_is_taken(self) -> None:
        assert "priority" not in encoded(request(), with_priority=False)


class TestAnswer:
    def test_tokens_without_the_end_of_turn(self) -> None:
        assert answer(("It", " is")) == [b"It", b" is"]

    def test_counts_and_truncation(self) -> None:
        body = json.dumps(completion(("It",), eos=False)).encode()

        got = decode_answer(body, request())

        assert (got.truncated, got.prompt_tokens, got.cached_tokens) == (True, 40, 32)

    def test_a_server_without_prompt_details(self) -> None:
        body = completion(("It",))
        body["usage"]["prompt_tokens_details"] = None

        assert decode_answer(json.dumps(body).encode(), request()).cached_tokens == 0

    def test_nothing_said(self) -> None:
        assert answer((), text="") == []

    def test_tokens_that_complete_no_character_have_no_bytes(self) -> None:
        # vLLM 0.32 for "你 ok" in five tokens.
        assert answer(("", "", "你", " o", "k"), text="你 ok") == ["你".encode(), b" o", b"k"]

    def test_a_token_across_characters_is_put_right_by_the_text(self) -> None:
        # Seen with vLLM 0.32 for " съешь": one token ended ъ, another held е and half of ш.
        assert answer(("", " с", "ъ", "", "�ш", "ь", "。"), text=" съешь。") == [
            " с".encode(),
            "ъ".encode(),
            "еш".encode(),
            "ь".encode(),
            "。".encode(),
        ]

    def test_a_character_cut_off_at_the_end_is_left_out(self) -> None:
        assert answer(("It", ""), text="It\ufffd", eos=False) == [b"It"]

    def test_a_special_token_in_the_middle_is_not_text(self) -> None:
        assert answer(("It", "<|audio_pad|>", " is"), text="It is") == [b"It", b" is"]

    @given(st.lists(st.text(max_size=4)), st.text(max_size=20))
    def test_whatever_the_pieces_the_text_is_the_text(self, pieces: list[str], text: str) -> None:
        body = json.dumps(completion(tuple(pieces[:20]), text=text)).encode()

        tokens = decode_answer(body, request()).tokens

        assert b"".join(token.data for token in tokens).decode() == text.rstrip("\ufffd")

    @given(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\ufffd<"), min_size=1, max_size=4), max_size=20
        )
    )
    def test_pieces_that_are_the_text_are_the_tokens(self, pieces: list[str]) -> None:
        assert answer(tuple(pieces)) == [piece.encode() for piece in pieces]

    def test_the_prompt_it_was_asked_to_echo(self) -> None:
        body = json.dumps(completion(("It",), prompt_text=prompt_text(request()))).encode()

        assert decode_answer(body, request(), check_prompt=True).tokens

    @pytest.mark.parametrize("prompt", [None, "", "<|im_start|>user\nsomething else"])
    def test_another_prompt_than_ours(self, prompt: str | None) -> None:
        body = json.dumps(completion(("It",), prompt_text=prompt)).encode()

        with pytest.raises(WrongAnswer, match="--chat-template"):
            decode_answer(body, request(), check_prompt=True)

    @given(st.binary(max_size=200))
    def test_any_bytes_are_an_answer_or_wrong(self, body: bytes) -> None:
        with pytest.raises(WrongAnswer):
            decode_answer(body, request())


def lies() -> dict[str, bytes]:
    """Bodies of a response with status 200 that are no answer."""

    def changed(**changes: object) -> bytes:
        body = completion(("It", " is"))
        body["choices"][0] |= changes
        return json.dumps(body).encode()

    return {
        "empty": b"",
        "html": b"<html>Login</html>",
        "not utf-8": b'{"choices": "\xff"}',
        "nested": b"[" * 100_000,
        "null": b"null",
        "a list": b"[]",
        "no choices": json.dumps(completion(()) | {"choices": []}).encode(),
        "choices null": json.dumps(completion(()) | {"choices": None}).encode(),
        "no usage": json.dumps({"choices": completion(())["choices"]}).encode(),
        "no logprobs": changed(logprobs=None),
        "logprobs without content": changed(logprobs={"content": None}),
        "no bytes in them": changed(logprobs={"content": [{"token": "It"}]}),
        "not bytes": changed(logprobs={"content": [{"token": "It", "bytes": [256]}]}),
        "text is a number": changed(message={"role": "assistant", "content": 7}),
        "aborted": changed(finish_reason="abort"),
        "too many tokens": json.dumps(completion(("la",) * 33)).encode(),
    }


@pytest.mark.parametrize("body", lies().values(), ids=lies().keys())
def test_a_lie_is_a_wrong_answer(body: bytes) -> None:
    with pytest.raises(WrongAnswer) as caught:
        decode_answer(body, request())

    assert "It" not in str(caught.value).split()
