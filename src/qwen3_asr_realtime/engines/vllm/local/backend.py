"""Requests to one running vLLM engine."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from qwen3_asr_realtime.engines.base import EngineError
from qwen3_asr_realtime.engines.vllm.backend import Answer, Request
from qwen3_asr_realtime.engines.vllm.local.inputs import audio_inputs
from qwen3_asr_realtime.engines.vllm.local.supervision import DEAD
from qwen3_asr_realtime.engines.vllm.local.vocabulary import Vocabulary

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.inputs import MultiModalInput
    from vllm.multimodal.inputs import MultiModalKwargsItem
    from vllm.outputs import RequestOutput
    from vllm.v1.engine.async_llm import AsyncLLM


class LocalBackend:
    """Qwen3-ASR in vLLM's `AsyncLLM`, whose engine runs in processes of its own (see `engines.vllm.backend`)."""

    def __init__(self, llm: "AsyncLLM") -> None:
        """Wrap an engine that is up.

        Raises:
            EngineError: Its vocabulary is not that of Qwen3-ASR.
        """
        self._llm = llm
        tokenizer: Any = llm.get_tokenizer()  # of transformers, around the one of `tokenizers`
        self._vocabulary = Vocabulary(tokenizer.backend_tokenizer)

    @property
    def is_dead(self) -> bool:
        """Whether the engine is gone; vLLM notices the end of its process within a second, also when it is idle."""
        return bool(self._llm.errored)

    async def generate(self, request: Request) -> Answer:
        """Answer one request. Cancelling it takes it out of the engine.

        Raises:
            EngineError: It failed, is larger than the engine takes, or the engine died.
        """
        from vllm.exceptions import VLLMError  # noqa: PLC0415 - only where this engine is chosen

        prompt = await asyncio.to_thread(self._prompt, request)
        try:
            # vLLM's own thread does this; `generate` would do it in the event loop.
            (rendered,) = await self._llm.renderer.render_cmpl_async([prompt])
            # It cuts the windows apart again. Copied here, they are not copied in the event loop on their way out.
            await asyncio.to_thread(_make_contiguous, rendered["mm_kwargs"]["audio"])
            output = await self._run(rendered, self._sampling(request), int(request.priority))
        except (VLLMError, ValueError, RuntimeError) as error:  # the last where it is about to stop
            raise EngineError(DEAD if self.is_dead else f"the engine refused a request: {error}") from error
        return self._answer(output)

    async def truncate(self, text: str, max_tokens: int) -> str:
        """The longest beginning of `text` that is within `max_tokens` tokens."""
        return await asyncio.to_thread(self._vocabulary.truncate, text, max_tokens)

    async def close(self) -> None:
        """Stop the engine; its requests end with an error. Takes up to some seconds; safe to call twice."""
        await asyncio.to_thread(self._llm.shutdown)
        # Its `__del__` would call it again when the interpreter is half gone, and leave a traceback.
        self._llm.shutdown = lambda *_, **__: None

    # --- private -----------------------------------------------------------------------------------------------------

    def _prompt(self, request: Request) -> dict[str, Any]:
        import torch  # noqa: PLC0415 - comes with vLLM

        audio = audio_inputs(request.windows)
        return {
            "prompt_token_ids": self._vocabulary.prompt(
                request.context, len(request.windows), request.head, request.prefix
            ),
            "multi_modal_data": {
                "audio": {
                    "input_audio_features": torch.from_numpy(audio.features),
                    "audio_feature_lengths": torch.from_numpy(audio.lengths),
                    "feature_attention_mask": torch.from_numpy(audio.mask),
                }
            },
            "multi_modal_uuids": {"audio": audio.uuids},
        }

    def _sampling(self, request: Request) -> "SamplingParams":
        from vllm import SamplingParams  # noqa: PLC0415 - only where this engine is chosen
        from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

        return SamplingParams(
            temperature=0,
            max_tokens=request.max_new_tokens,
            stop_token_ids=sorted(self._vocabulary.end_ids),
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    async def _run(self, prompt: "MultiModalInput", sampling: "SamplingParams", priority: int) -> "RequestOutput":
        outputs = self._llm.generate(prompt, sampling, request_id=uuid4().hex, priority=priority)
        async with aclosing(outputs):  # leaving it early takes the request out of the engine
            async for output in outputs:
                if output.finished:
                    return output
        raise EngineError("the engine gave no answer")

    def _answer(self, output: "RequestOutput") -> Answer:
        completion = output.outputs[0]
        if completion.finish_reason not in {"stop", "length"}:
            raise EngineError(f"the engine ended a request early: {completion.finish_reason}")
        return Answer(
            tokens=[
                self._vocabulary.token(token_id)
                for token_id in completion.token_ids
                if token_id not in self._vocabulary.end_ids
            ],
            truncated=completion.finish_reason == "length",
            prompt_tokens=len(output.prompt_token_ids or ()),
            cached_tokens=output.num_cached_tokens or 0,
        )


def _make_contiguous(items: Sequence["MultiModalKwargsItem"]) -> None:
    import torch  # noqa: PLC0415 - comes with vLLM

    for item in items:
        features = item["input_audio_features"]
        # Torch itself would copy 0.4 MB with all cores, in each thread anew: three times the processor time.
        features.data = torch.from_numpy(np.ascontiguousarray(features.data))
