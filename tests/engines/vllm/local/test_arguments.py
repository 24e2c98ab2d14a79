import pytest

from qwen3_asr_realtime.engines.base import EngineError
from qwen3_asr_realtime.engines.vllm.local.arguments import LocalOptions, engine_arguments

KNOWN = {"model", "enable_mm_embeds", "max_num_seqs", "max_num_batched_tokens", "enforce_eager", "quantization"}


def arguments(**extra):
    return engine_arguments(LocalOptions("weights", extra_args=extra), KNOWN)


def test_settings_reach_the_engine_under_its_names() -> None:
    options = LocalOptions("weights", "bfloat16", 0.3, tensor_parallel_size=2, max_num_seqs=7, max_model_len=2048)

    assert engine_arguments(options, KNOWN).items() >= {
        ("model", "weights"),
        ("dtype", "bfloat16"),
        ("gpu_memory_utilization", 0.3),
        ("tensor_parallel_size", 2),
        ("max_num_seqs", 7),
        ("max_model_len", 2048),
    }


def test_a_request_may_have_the_windows_of_the_longest_segment() -> None:
    limits = [
        engine_arguments(LocalOptions("weights"), KNOWN, max_segment_s=s)["limit_mm_per_prompt"] for s in (8, 8.5, 60)
    ]

    assert limits == [{"audio": 1}, {"audio": 2}, {"audio": 8}]


def test_extra_arguments_win_over_our_choice() -> None:
    chosen = arguments(max_num_batched_tokens=1234, enforce_eager=True)

    assert chosen["max_num_batched_tokens"] == 1234
    assert chosen["enforce_eager"] is True


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("scheduling_policy", "scheduling_policy cannot be changed"),
        ("enable_mm_embeds", "enable_mm_embeds cannot be changed"),
        ("max_num_seqs", "max_num_seqs has a setting of its own"),
        ("max-num-batched-tokens", "has no max-num-batched-tokens, did you mean max_num_batched_tokens"),
        ("nonsense", "has no nonsense$"),
    ],
)
def test_an_argument_that_is_unknown_or_not_free_is_refused(name, message) -> None:
    with pytest.raises(EngineError, match=message):
        arguments(**{name: 1})
