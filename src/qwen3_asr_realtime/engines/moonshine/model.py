"""Moonshine tiny-en on onnxruntime: one utterance in, greedy text out.

    audio ─▶ encoder ─▶ states ─▶ first decoder run (draft, cross-attention cache) ─▶ one run per further token ─▶ text

Most of a decode is the decoder's graph, about 4 ms of one core a run. Feeding it with numpy arrays costs no more than
OrtValues or an IOBinding did (all within the noise on 3, 11 and 15 s of speech), so the plain way stayed.

What pays is fewer runs. While somebody speaks, each hypothesis mostly repeats the one before, so that one is given as a
*draft*: the first run scores all its tokens at once, those the model would have chosen itself stay, and decoding goes
on from the first it would not. (Speculative decoding, arXiv:2211.17192, with the previous text in the drafting model's
place.) `benchmarks/embedded_cost.py` shows what it saves.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from qwen3_asr_realtime.engines.base import EngineError
from qwen3_asr_realtime.engines.moonshine.tokenizer import END_ID, START_ID, Tokenizer
from qwen3_asr_realtime.engines.moonshine.weights import Weights
from qwen3_asr_realtime.samples import SAMPLE_RATE, Samples

MIN_SAMPLES = 895
"""Shortest audio the encoder takes (56 ms): its three convolutions are 127 wide every 64, 7 every 3 and 3 every 2."""

MAX_TOKENS_PER_S = 6.5
"""Bound on tokens per second of audio, against loops; from the maker's model card (UsefulSensors/moonshine-tiny)."""

EXTRA_TOKENS = 2
"""Allowed on top of `MAX_TOKENS_PER_S`, so that half a second still has room for a short sentence."""

Feeds: TypeAlias = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Transcript:
    """What one decode found.

    Attributes:
        text: The words, without outer blanks.
        token_ids: The same as tokens, a draft for the next decode of the growing utterance.
        truncated: The length bound was met before the end of the text.
        confidence: Mean log-probability of the tokens, the end included, 0 at best. Speech in a language that the model
            does not know has little.
    """

    text: str = ""
    token_ids: tuple[int, ...] = ()
    truncated: bool = False
    confidence: float = field(default=0.0, compare=False)


class Moonshine:
    """The loaded model. Any number of threads may decode at the same time; onnxruntime releases the GIL."""

    def __init__(self, weights: Weights) -> None:
        """Load the model (about 0.2 s).

        Raises:
            EngineError: onnxruntime does not take the files.
        """
        self._tokenizer = Tokenizer(weights.tokenizer.read_bytes())
        self._encoder = _session(weights.encoder)
        self._decoder = _session(weights.decoder)
        inputs = [node for node in self._decoder.get_inputs() if node.name.startswith("past_key_values.")]
        _, heads, _, width = inputs[0].shape
        self._empty_cache: Feeds = {node.name: np.zeros((1, heads, 0, width), np.float32) for node in inputs}
        # Cross-attention is computed by the first run and never changes; self-attention grows by one token a run.
        self._grows = [name for name in self._empty_cache if ".decoder." in name]
        self._all_scores = ["logits", *(_output_of(name) for name in self._empty_cache)]
        self._next_score = ["logits", *(_output_of(name) for name in self._grows)]

    def decode(self, audio: Samples, draft: Sequence[int] = (), cancelled: threading.Event | None = None) -> Transcript:
        """Recognise one utterance.

        The draft steers nothing, it only saves work. Still the text is not always the one found without it: activations
        are quantised to the range of each run's whole input, which tips some near ties (7 of 67 partials in
        `benchmarks/embedded_cost.py`, mostly punctuation). Leave it out where the text should depend on the audio
        alone.

        Args:
            audio: The utterance, shape [n]. Less than `MIN_SAMPLES` gives an empty transcript.
            draft: Tokens of an earlier transcript of the same utterance.
            cancelled: Set by another thread to stop before the next run of the model.

        Raises:
            EngineError: Cancelled, the audio holds values that are no sound (NaN, infinity), or onnxruntime failed.
        """
        if audio.size < MIN_SAMPLES:
            return Transcript()
        cancelled = cancelled or threading.Event()
        limit = int(audio.size / SAMPLE_RATE * MAX_TOKENS_PER_S) + EXTRA_TOKENS
        draft = draft[:limit]

        _check(cancelled)
        mask = np.ones((1, audio.size), np.int64)
        (states,) = _run(self._encoder, ["last_hidden_state"], {"input_values": audio[None], "attention_mask": mask})

        _check(cancelled)
        feeds: Feeds = {
            **self._empty_cache,
            "encoder_hidden_states": states,
            "encoder_attention_mask": mask,
            "input_ids": np.array([[START_ID, *draft]], np.int64),
            "use_cache_branch": np.array([False]),
        }
        scores, *cache = _run(self._decoder, self._all_scores, feeds)
        if not np.isfinite(scores[0, 0]).all():
            raise EngineError("the audio holds values that are no sound")
        choices = scores[0].argmax(axis=-1).tolist()
        agreed = next((i for i, token in enumerate(draft) if token != choices[i]), len(draft))
        token_ids, token = list(draft[:agreed]), choices[agreed]
        certainty = sum(_log_probability(scores[0, i]) for i in range(agreed + 1))
        feeds.update(zip(self._empty_cache, cache, strict=True))
        feeds.update({name: feeds[name][:, :, : agreed + 1] for name in self._grows})
        feeds["use_cache_branch"] = np.array([True])

        while token != END_ID and len(token_ids) < limit:
            token_ids.append(token)
            _check(cancelled)
            feeds["input_ids"] = np.array([[token]], np.int64)
            scores, *cache = _run(self._decoder, self._next_score, feeds)
            feeds.update(zip(self._grows, cache, strict=True))
            token = int(scores.argmax())
            certainty += _log_probability(scores[0, 0])
        return Transcript(
            self._tokenizer.text(token_ids),
            tuple(token_ids),
            truncated=token != END_ID,
            confidence=certainty / (len(token_ids) + 1),
        )


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # A second thread inside one decode saves no time up to 10 s of audio and doubles the CPU spent: threads go to
    # further utterances instead.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # fatal only: every failure arrives as an exception, and is logged by whoever asked
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise EngineError(f"onnxruntime {onnxruntime.__version__} cannot load {path.name}: {error}") from error


def _run(session: onnxruntime.InferenceSession, outputs: list[str], feeds: Feeds) -> list[NDArray[Any]]:
    try:
        result: list[NDArray[Any]] = session.run(outputs, feeds)
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise EngineError(f"onnxruntime failed: {error}") from error
    return result


def _log_probability(scores: NDArray[np.float32]) -> float:
    """Of the best of these scores, by softmax."""
    return -float(np.log(np.exp(scores - scores.max()).sum()))


def _check(cancelled: threading.Event) -> None:
    if cancelled.is_set():
        raise EngineError("the decode was cancelled")


def _output_of(cache_input: str) -> str:
    return cache_input.replace("past_key_values.", "present.")
