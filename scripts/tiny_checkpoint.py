"""Write a checkpoint with random weights that vLLM takes for Qwen3-ASR: for tests and benchmarks without the model.

    .venv-vllm/bin/python scripts/tiny_checkpoint.py FOLDER [--shape tiny|0.6b|1.7b] [--seed N]

The files are in the original Qwen3-ASR layout, with a tokenizer of a few hundred tokens. `tiny` has 0.3 million
parameters and answers in milliseconds; the others have the layers of the real models (2 and 5 GB), to time them. The
answers are made of real words in no sense: different audio gives different ones, the same audio the same. They end by
themselves now and then.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END_OF_TURN = "<|im_end|>"
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", END_OF_TURN, "<|audio_start|>", "<|audio_end|>", "<|audio_pad|>")
TEXT_TAG = "<asr_text>"
"""An added token, but not a special one: it is part of what `skip_special_tokens` leaves."""

WORDS = """
language None Chinese Cantonese English Japanese German Korean Russian French Portuguese Arabic Italian Spanish
the rain has stopped and a warm wind blows from the river while people walk home across the old bridge tonight
she asked whether anybody had seen her keys near the window before the train left for the mountains this morning
zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich
широкая электрификация южных губерний даст мощный толчок подъёму сельского хозяйства
我们明天早上在河边见面 今天下午会下雨吗 请把窗户关上
"""
TEXT_TOKENS = 400
"""256 for the bytes, the rest for pieces of the words above."""

REAL_VOCABULARY = 151_936
MEL_BINS = 128
LOGIT_SCALE = 4.0
"""Standard deviation of the logits: far enough apart that rounding does not decide between two tokens."""

END_SCALE = 1.6
"""How much longer than others the end-of-turn token's row of the head is: it wins once in a dozen tokens."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a model.

    Attributes:
        vocabulary: Rows of the embedding; None for no more than the tokenizer needs.
        hidden: Width of the language model.
        layers: Its layers.
        heads: Its attention heads.
        kv_heads: Its heads of keys and values.
        head_dim: Width of one head.
        feed_forward: Inner width of its feed-forward layers.
        audio_hidden: Width of the audio encoder.
        audio_layers: Its layers.
        audio_heads: Its attention heads.
        audio_feed_forward: Inner width of its feed-forward layers.
        audio_channels: Channels of its convolutions.
    """

    vocabulary: int | None
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    audio_hidden: int
    audio_layers: int
    audio_heads: int
    audio_feed_forward: int
    audio_channels: int


SHAPES = {
    "tiny": Shape(None, 64, 2, 4, 2, 32, 128, 64, 2, 2, 128, 16),
    "0.6b": Shape(REAL_VOCABULARY, 1024, 28, 16, 8, 128, 3072, 896, 18, 14, 3584, 480),
    "1.7b": Shape(REAL_VOCABULARY, 2048, 28, 16, 8, 128, 6144, 1024, 24, 16, 4096, 480),
}
"""The real ones from the `config.json` of Qwen/Qwen3-ASR-0.6B and -1.7B."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a checkpoint.

    Args:
        arguments: Of the command line; the process's own if None.
    """
    parser = argparse.ArgumentParser(description="Write a Qwen3-ASR checkpoint with random weights.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", choices=tuple(SHAPES), default="tiny")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    write_checkpoint(options.folder, SHAPES[options.shape], options.seed)


def write_checkpoint(folder: Path, shape: Shape, seed: int = 0) -> None:
    """Write all files of a checkpoint.

    Args:
        folder: Where to; made if it is missing.
        shape: Sizes of the model.
        seed: The same one gives the same weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = trained_tokenizer()
    vocabulary = shape.vocabulary or -(-tokenizer.get_vocab_size() // 64) * 64
    write_tokenizer(folder, tokenizer)
    for name, content in (
        ("config.json", model_config(shape, vocabulary, tokenizer)),
        ("generation_config.json", generation_config(tokenizer)),
        ("preprocessor_config.json", PREPROCESSOR_CONFIG),
    ):
        write_json(folder / name, content)
    weights = RandomWeights(seed)
    weights.add_audio_tower(shape)
    weights.add_language_model(shape, vocabulary)
    weights.add_head(shape, vocabulary, tokenizer)
    save_file(weights.tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})


# --- tokenizer ---


def trained_tokenizer() -> Tokenizer:
    """A byte-level BPE tokenizer, as Qwen's is, trained on a few words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    # Words that occur once would not be joined.
    tokenizer.train_from_iterator(
        [WORDS] * 2,
        trainers.BpeTrainer(
            vocab_size=TEXT_TOKENS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
        ),
    )
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.add_tokens([TEXT_TAG])
    return tokenizer


def write_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Write it in the forms that the loaders of transformers and vLLM look for."""
    tokenizer.save(str(folder / "tokenizer.json"))
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    write_json(folder / "vocab.json", model["vocab"])
    merges = [" ".join(merge) for merge in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    added = {
        str(tokenizer.token_to_id(token)): {
            "content": token,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": token in SPECIAL_TOKENS,
        }
        for token in (*SPECIAL_TOKENS, TEXT_TAG)
    }
    audio_tokens = {
        "audio_bos_token": "<|audio_start|>",
        "audio_eos_token": "<|audio_end|>",
        "audio_token": "<|audio_pad|>",
    }
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "Qwen2Tokenizer",
            "add_bos_token": False,
            "add_prefix_space": False,
            "added_tokens_decoder": added,
            "bos_token": None,
            "clean_up_tokenization_spaces": False,
            "eos_token": END_OF_TURN,
            "errors": "replace",
            "extra_special_tokens": audio_tokens,
            "model_max_length": 131_072,
            "pad_token": "<|endoftext|>",
            "unk_token": None,
            **audio_tokens,
        },
    )


# --- configuration ---

PREPROCESSOR_CONFIG = {
    "processor_class": "Qwen3ASRProcessor",
    "feature_extractor_type": "WhisperFeatureExtractor",
    "chunk_length": 30,
    "dither": 0.0,
    "feature_size": MEL_BINS,
    "hop_length": 160,
    "n_fft": 400,
    "n_samples": 480_000,
    "nb_max_frames": 3000,
    "padding_side": "right",
    "padding_value": 0.0,
    "return_attention_mask": True,
    "sampling_rate": 16_000,
}


def model_config(shape: Shape, vocabulary: int, tokenizer: Tokenizer) -> dict[str, Any]:
    """`config.json`, with the fields of Qwen's own."""
    audio = {
        "model_type": "qwen3_asr_audio_encoder",
        "activation_dropout": 0.0,
        "activation_function": "gelu",
        "attention_dropout": 0.0,
        "conv_chunksize": 500,
        "d_model": shape.audio_hidden,
        "downsample_hidden_size": shape.audio_channels,
        "dropout": 0.0,
        "encoder_attention_heads": shape.audio_heads,
        "encoder_ffn_dim": shape.audio_feed_forward,
        "encoder_layers": shape.audio_layers,
        "initializer_range": 0.02,
        "max_source_positions": 1500,
        "n_window": 50,
        "n_window_infer": 800,
        "num_mel_bins": MEL_BINS,
        "output_dim": shape.hidden,
        "scale_embedding": False,
    }
    pairs = shape.head_dim // 2
    text = {
        "model_type": "qwen3_asr_text",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "hidden_size": shape.hidden,
        "intermediate_size": shape.feed_forward,
        "max_position_embeddings": 65_536,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.kv_heads,
        "rms_norm_eps": 1e-6,
        "rope_scaling": {
            "type": "default",
            "rope_type": "default",
            "interleaved": True,
            "mrope_interleaved": True,
            "mrope_section": [pairs - 2 * (pairs * 5 // 16), pairs * 5 // 16, pairs * 5 // 16],
        },
        "rope_theta": 1_000_000.0,
        "tie_word_embeddings": False,
        "vocab_size": vocabulary,
    }
    thinker = {
        "model_type": "qwen3_asr_thinker",
        "audio_config": audio,
        "text_config": text,
        "audio_start_token_id": tokenizer.token_to_id("<|audio_start|>"),
        "audio_end_token_id": tokenizer.token_to_id("<|audio_end|>"),
        "audio_token_id": tokenizer.token_to_id("<|audio_pad|>"),
        "dtype": "bfloat16",
        "initializer_range": 0.02,
    }
    return {
        "architectures": ["Qwen3ASRForConditionalGeneration"],
        "model_type": "qwen3_asr",
        "support_languages": ["Chinese", "English", "German", "Russian"],
        "thinker_config": thinker,
        "torch_dtype": "bfloat16",
    }


def generation_config(tokenizer: Tokenizer) -> dict[str, Any]:
    """`generation_config.json`: greedy, to the end of the turn."""
    end_of_text = tokenizer.token_to_id("<|endoftext|>")
    return {
        "do_sample": False,
        "eos_token_id": [end_of_text, tokenizer.token_to_id(END_OF_TURN)],
        "pad_token_id": end_of_text,
        "temperature": 1e-6,
    }


# --- weights ---


class RandomWeights:
    """Tensors by name, drawn so that activations keep their size from layer to layer."""

    def __init__(self, seed: int) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self._generator = torch.Generator().manual_seed(seed)

    def add_audio_tower(self, shape: Shape) -> None:
        """Add the audio encoder: convolutions, layers, and the projection to the language model's width."""
        tower, width = "thinker.audio_tower", shape.audio_hidden
        for number, channels in ((1, 1), (2, shape.audio_channels), (3, shape.audio_channels)):
            self._normal(f"{tower}.conv2d{number}.weight", shape.audio_channels, channels, 3, 3)
            self._normal(f"{tower}.conv2d{number}.bias", shape.audio_channels, scale=0.02)
        bins = MEL_BINS // 8  # three convolutions of stride 2
        self._normal(f"{tower}.conv_out.weight", width, shape.audio_channels * bins)
        for number in range(shape.audio_layers):
            layer = f"{tower}.layers.{number}"
            for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
                self._linear(f"{layer}.self_attn.{name}", width, width)
            self._linear(f"{layer}.fc1", shape.audio_feed_forward, width)
            self._linear(f"{layer}.fc2", width, shape.audio_feed_forward)
            self._layer_norm(f"{layer}.self_attn_layer_norm", width)
            self._layer_norm(f"{layer}.final_layer_norm", width)
        self._layer_norm(f"{tower}.ln_post", width)
        self._linear(f"{tower}.proj1", width, width)
        self._linear(f"{tower}.proj2", shape.hidden, width)

    def add_language_model(self, shape: Shape, vocabulary: int) -> None:
        """Add the embedding and the layers of the language model."""
        self._normal("thinker.model.embed_tokens.weight", vocabulary, shape.hidden, scale=1.0)
        queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        for number in range(shape.layers):
            layer = f"thinker.model.layers.{number}"
            for name, rows, columns in (
                ("self_attn.q_proj", queries, shape.hidden),
                ("self_attn.k_proj", keys, shape.hidden),
                ("self_attn.v_proj", keys, shape.hidden),
                ("self_attn.o_proj", shape.hidden, queries),
                ("mlp.gate_proj", shape.feed_forward, shape.hidden),
                ("mlp.up_proj", shape.feed_forward, shape.hidden),
                ("mlp.down_proj", shape.hidden, shape.feed_forward),
            ):
                self._normal(f"{layer}.{name}.weight", rows, columns)
            for name in ("self_attn.q_norm", "self_attn.k_norm"):
                # Above 1: attention that picks a few places, so that what they hold shows in the answer.
                self._constant(f"{layer}.{name}.weight", shape.head_dim, 1.5)
            for name in ("input_layernorm", "post_attention_layernorm"):
                self._constant(f"{layer}.{name}.weight", shape.hidden, 1.0)
        self._constant("thinker.model.norm.weight", shape.hidden, 1.0)

    def add_head(self, shape: Shape, vocabulary: int, tokenizer: Tokenizer) -> None:
        """Add the last layer, which knows only tokens of whole characters and the end of the turn.

        It is not the embedding again, as in the real models: with random weights the last token would win each time.
        """
        name = "thinker.lm_head.weight"
        self._normal(name, vocabulary, shape.hidden, scale=LOGIT_SCALE / shape.hidden**0.5)
        head = self.tensors[name]
        text = [number for number in range(256, TEXT_TOKENS) if is_text(tokenizer.decode([number]))]
        end = tokenizer.token_to_id(END_OF_TURN)
        kept = torch.zeros(vocabulary, 1, dtype=head.dtype)
        kept[text] = 1.0
        kept[end] = END_SCALE
        self.tensors[name] = head * kept

    def _linear(self, name: str, rows: int, columns: int) -> None:
        self._normal(f"{name}.weight", rows, columns)
        self._normal(f"{name}.bias", rows, scale=0.02)

    def _layer_norm(self, name: str, width: int) -> None:
        self._constant(f"{name}.weight", width, 1.0)
        self._normal(f"{name}.bias", width, scale=0.02)

    def _normal(self, name: str, *size: int, scale: float | None = None) -> None:
        inputs = torch.Size(size[1:]).numel()
        deviation = inputs**-0.5 if scale is None else scale
        self.tensors[name] = (torch.randn(*size, generator=self._generator) * deviation).to(torch.bfloat16)

    def _constant(self, name: str, width: int, value: float) -> None:
        self.tensors[name] = torch.full((width,), value, dtype=torch.bfloat16)


def is_text(piece: str) -> bool:
    """Whether a token's text can stand for itself: no part of a character, and not blank."""
    return bool(piece.strip()) and "\N{REPLACEMENT CHARACTER}" not in piece


def write_json(path: Path, content: object) -> None:
    """Write a JSON file."""
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
