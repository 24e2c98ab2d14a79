"""Write a checkpoint with random weights that CTranslate2 takes for a multilingual Whisper, for tests.

    python scripts/tiny_whisper.py FOLDER [--bins 80] [--seed 0]

It has one layer, a tokenizer of single bytes among 51 865 ids as Whisper has them, and answers in milliseconds. What it
says is made of nothing: different audio gives different bytes, the same audio the same.
"""

import argparse
from pathlib import Path

import numpy as np
from ctranslate2.specs.whisper_spec import WhisperSpec
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

WIDTH = 32
FRAMES = 1500  # positions of the encoder: 30 s
PLACES = 448  # of the decoder
LANGUAGES = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml "
    "cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am "
    "yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su"
).split()
TEXT_TOKENS = 50_257
TOKENS = 51_865  # with the times from 0.00 to 30.00 s
SPECIAL = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    *(f"<|{name}|>" for name in LANGUAGES),
    *(f"<|{name}|>" for name in "translate transcribe startoflm startofprev nocaptions notimestamps".split()),
]


def write(folder: Path, *, bins: int = 80, seed: int = 0) -> Path:
    """Write it and return the folder.

    Args:
        folder: Where; it is made.
        bins: Mel bins of its features.
        seed: Of the weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    # The last one is empty in the multilingual vocabulary, by which CTranslate2 knows it.
    words = [*letters, *(f"<unused{i}>" for i in range(TEXT_TOKENS - len(letters) - 1)), ""]
    times = [f"<|{i / 50:.2f}|>" for i in range(TOKENS - TEXT_TOKENS - len(SPECIAL))]
    tokenizer = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    # Not special, as in the files of the larger sizes.
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in times])
    tokenizer.save(str(folder / "tokenizer.json"))

    spec = WhisperSpec(1, 2, 1, 2)
    _fill(spec, np.random.default_rng(seed), bins)
    spec.register_vocabulary([*words, *SPECIAL, *times])
    first_language = TEXT_TOKENS + SPECIAL.index("<|en|>")
    spec.config.lang_ids = [first_language + i for i in range(len(LANGUAGES))]
    spec.config.suppress_ids = [*range(len(letters), TEXT_TOKENS), *range(TEXT_TOKENS + 1, TOKENS)]
    spec.config.suppress_ids_begin = [letters.index("Ġ"), TEXT_TOKENS]
    spec.config.alignment_heads = [[0, 0]]
    spec.validate()
    spec.optimize()
    spec.save(str(folder))
    return folder


def _fill(spec: WhisperSpec, random: np.random.Generator, bins: int) -> None:
    def weights(*shape: int) -> np.ndarray:
        return random.normal(0, 0.3, shape).astype(np.float32)

    def linear(layer: object, outputs: int, inputs: int) -> None:
        layer.weight, layer.bias = weights(outputs, inputs), weights(outputs)  # type: ignore[attr-defined]

    def norm(layer: object) -> None:
        layer.gamma, layer.beta = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)  # type: ignore[attr-defined]

    def attention(layer: object, *, shared: bool) -> None:
        norm(layer.layer_norm)  # type: ignore[attr-defined]
        widths = [3 * WIDTH, WIDTH] if shared else [WIDTH, 2 * WIDTH, WIDTH]
        for part, width in zip(layer.linear, widths, strict=True):  # type: ignore[attr-defined]
            linear(part, width, WIDTH)

    encoder, decoder = spec.encoder, spec.decoder
    encoder.conv1.weight, encoder.conv1.bias = weights(WIDTH, bins, 3), weights(WIDTH)
    encoder.conv2.weight, encoder.conv2.bias = weights(WIDTH, WIDTH, 3), weights(WIDTH)
    encoder.position_encodings.encodings = weights(FRAMES, WIDTH)
    decoder.position_encodings.encodings = weights(PLACES, WIDTH)
    decoder.embeddings.weight = weights(TOKENS, WIDTH)
    decoder.projection.weight = decoder.embeddings.weight
    for stack in (encoder, decoder):
        norm(stack.layer_norm)
        (layer,) = stack.layer
        attention(layer.self_attention, shared=True)
        norm(layer.ffn.layer_norm)
        linear(layer.ffn.linear_0, 4 * WIDTH, WIDTH)
        linear(layer.ffn.linear_1, WIDTH, 4 * WIDTH)
    attention(decoder.layer[0].attention, shared=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bins", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write(options.folder, bins=options.bins, seed=options.seed)
