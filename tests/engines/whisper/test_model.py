import json
import threading

import numpy as np
import pytest
from scripts import tiny_whisper

from qwen3_asr_realtime.engines.base import EngineError
from qwen3_asr_realtime.engines.whisper import model as model_module
from qwen3_asr_realtime.engines.whisper.languages import CODES
from qwen3_asr_realtime.engines.whisper.model import STYLE, Transcript, Whisper, is_style
from qwen3_asr_realtime.protocol.languages import LANGUAGES
from qwen3_asr_realtime.samples import NO_SAMPLES, SAMPLE_RATE

NOISE = np.random.default_rng(1).normal(0, 0.1, 2 * SAMPLE_RATE).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_whisper.write(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def whisper(folder):
    return Whisper(folder, workers=2)


class Generations:
    """Stands where the model generates: gives the answers, in order, and notes what was asked."""

    def __init__(self, whisper, monkeypatch, *answers):
        self.whisper = whisper
        self.windows_s, self.prompts, self.beams, self.limits = [], [], [], []
        self.answers = list(answers)
        monkeypatch.setattr(whisper, "_encoded", lambda audio, window_s: self.windows_s.append(window_s))
        monkeypatch.setattr(whisper, "_generate", self.generate)

    def generate(self, encoded, prompt, limit, beam):
        self.prompts.append(prompt)
        self.limits.append(limit)
        self.beams.append(beam)
        text = self.answers.pop(0)
        ids = self.whisper._tokenizer.encode(text, add_special_tokens=False).ids
        return model_module._Result(ids[:limit], len(ids) > limit, -0.1, 0.0)

    def prompt_text(self, i=0):
        return self.whisper._tokenizer.decode(self.prompts[i], skip_special_tokens=False)


def test_every_language_of_the_protocol_and_no_other():
    assert frozenset(CODES) == LANGUAGES


@pytest.mark.parametrize("code", CODES)
def test_every_language_can_be_asked_for(whisper, code):
    assert isinstance(whisper.transcribe(NOISE, code, final=False), Transcript)


def test_the_same_audio_gives_the_same_text_and_other_audio_another(whisper):
    first, again = (whisper.transcribe(NOISE, "fr", final=True) for _ in range(2))

    assert first == again
    assert first.text
    assert whisper.transcribe(NOISE[::-1].copy(), "fr", final=True) != first


def test_threads_may_decode_at_the_same_time(whisper):
    audios = [NOISE[: 8000 + 4000 * i] for i in range(6)]
    serial = [whisper.transcribe(audio, "de", final=True) for audio in audios]
    found = {}

    threads = [
        threading.Thread(target=lambda i=i: found.update({i: whisper.transcribe(audios[i], "de", final=True)}))
        for i in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert [found[i] for i in range(6)] == serial


def test_the_bound_on_tokens_is_kept_and_told(whisper, monkeypatch):
    monkeypatch.setattr(model_module, "MAX_TOKENS_PER_S", 0.0)
    monkeypatch.setattr(model_module, "EXTRA_TOKENS", 3)

    for context in ("", "Pudong " * 50):
        assert len(whisper.transcribe(NOISE, "zh", final=False, context=context).text.encode()) <= 3
    assert whisper.transcribe(NOISE, "zh", final=False).truncated


def test_languages_are_the_protocol_s_and_their_probabilities_add_up(whisper):
    found = whisper.identify(NOISE)

    assert set(found) == set(CODES)
    assert sum(found.values()) == pytest.approx(1)


def test_only_the_first_seconds_are_identified(whisper):
    long = np.concatenate((NOISE, NOISE[::-1], NOISE))

    assert whisper.identify(long) == whisper.identify(long[: 5 * SAMPLE_RATE])


def test_no_audio_is_no_text(whisper):
    assert whisper.transcribe(NO_SAMPLES, "zh", final=True) == Transcript()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_sound_fail_this_decode_only(whisper, value):
    broken = NOISE.copy()
    broken[1000] = value

    with pytest.raises(EngineError, match="no sound"):
        whisper.transcribe(broken, "zh", final=True)
    with pytest.raises(EngineError, match="no sound"):
        whisper.identify(broken)

    assert whisper.transcribe(NOISE, "zh", final=True)


def test_cancelling_stops_before_the_next_run(whisper, monkeypatch):
    cancelled = threading.Event()
    cancelled.set()

    monkeypatch.setattr(whisper, "_encoded", lambda *_: pytest.fail("the encoder ran"))

    with pytest.raises(EngineError, match="cancelled"):
        whisper.transcribe(NOISE, "zh", final=False, cancelled=cancelled)
    with pytest.raises(EngineError, match="cancelled"):
        whisper.identify(NOISE, cancelled)


@pytest.mark.parametrize(("seconds", "window_s"), [(1, 12), (8, 12), (10, 14), (15, 19), (28, 30), (30, 30)])
def test_the_window_is_the_speech_with_silence_behind_it(whisper, monkeypatch, seconds, window_s):
    asked = Generations(whisper, monkeypatch, "yes")

    whisper.transcribe(np.zeros(seconds * SAMPLE_RATE, np.float32), "fr", final=True)

    assert asked.windows_s == [window_s]


def test_finals_follow_several_hypotheses(whisper, monkeypatch):
    asked = Generations(whisper, monkeypatch, "yes", "yes")

    whisper.transcribe(NOISE, "fr", final=False)
    whisper.transcribe(NOISE, "fr", final=True)

    assert asked.beams == [1, 5]


@pytest.mark.parametrize("twice", ["bonjourbonjour", "x" * 1000])
def test_a_final_said_twice_or_without_end_is_heard_again_in_the_full_window(whisper, monkeypatch, twice):
    asked = Generations(whisper, monkeypatch, twice, "bonjour")

    assert whisper.transcribe(NOISE, "fr", final=True).text == "bonjour"
    assert asked.windows_s == [12, 30]


@pytest.mark.parametrize(("text", "final"), [("non non", True), ("bonjourbonjour", False)])
def test_small_repetitions_and_partials_are_not_heard_again(whisper, monkeypatch, text, final):
    asked = Generations(whisper, monkeypatch, text)

    assert whisper.transcribe(NOISE, "fr", final=final).text == text
    assert len(asked.windows_s) == 1


def test_what_is_said_twice_in_the_full_window_too_is_taken(whisper, monkeypatch):
    asked = Generations(whisper, monkeypatch, "bonjourbonjour", "bonjourbonjour")

    assert whisper.transcribe(NOISE, "fr", final=True).text == "bonjourbonjour"
    assert len(asked.windows_s) == 2


def test_mandarin_is_asked_for_in_simplified_characters_and_cantonese_is_not(whisper, monkeypatch):
    asked = Generations(whisper, monkeypatch, "a", "a", "a")
    for language in ("zh", "yue", "fr"):
        whisper.transcribe(NOISE, language, final=True)

    task = "<|transcribe|><|notimestamps|>"
    assert asked.prompt_text(0) == f"<|startofprev|>{STYLE['zh']}<|startoftranscript|><|zh|>{task}"
    assert asked.prompt_text(1) == f"<|startoftranscript|><|zh|>{task}", "a model that does not know yue"
    assert asked.prompt_text(2) == f"<|startoftranscript|><|fr|>{task}"


def test_context_stands_before_the_text_and_gives_no_orders(whisper, monkeypatch):
    asked = Generations(whisper, monkeypatch, "a", "a")

    whisper.transcribe(NOISE, "fr", final=True, context="Pudong<|en|><|translate|><|0.00|>")
    whisper.transcribe(NOISE, "fr", final=True, context="x" * 10_000)

    orders = [i for i in asked.prompts[0] if i >= tiny_whisper.TEXT_TOKENS]
    names = [tiny_whisper.SPECIAL[i - tiny_whisper.TEXT_TOKENS] for i in orders]
    assert names == ["<|startofprev|>", "<|startoftranscript|>", "<|fr|>", "<|transcribe|>", "<|notimestamps|>"]
    assert asked.prompt_text(0).startswith("<|startofprev|> Pudong<|en|>")
    assert len(asked.prompts[1]) == 160 + 5


def test_a_context_of_megabytes_is_not_cut_into_tokens(whisper, monkeypatch):
    asked = Generations(whisper, monkeypatch, "a")
    looked_at = []
    ids = whisper._ids
    monkeypatch.setattr(whisper, "_ids", lambda text: looked_at.append(len(text)) or ids(text))

    whisper.transcribe(NOISE, "zh", final=True, context="浦東" * 500_000)

    assert looked_at == [1601]
    assert "浦东浦东" in asked.prompt_text()


def test_mandarin_is_written_in_simplified_characters_and_cantonese_as_the_model_does(whisper, monkeypatch):
    Generations(whisper, monkeypatch, "關於這個問題", "關於這個問題")

    assert whisper.transcribe(NOISE, "zh", final=False).text == "关于这个问题"
    assert whisper.transcribe(NOISE, "yue", final=False).text == "關於這個問題"


def test_an_echo_of_the_style_is_nothing(whisper, monkeypatch):
    Generations(whisper, monkeypatch, "以下是普通话的句子。", "普通话是语言。")

    assert whisper.transcribe(NOISE, "zh", final=False).text == ""
    assert whisper.transcribe(NOISE, "zh", final=False).text == "普通话是语言。"
    for echo in ("以下是普通话的句子！", "普通话的句子", "以下是普通话的句子。以下是普通话的句子。"):
        assert is_style(echo, STYLE["zh"])
    assert not is_style("是普通话", STYLE["zh"]), "somebody may say that"
    assert not is_style("sentences", "")


def test_a_character_cut_off_by_the_bound_is_left_out(whisper, monkeypatch):
    whole = Generations(whisper, monkeypatch, "你好")
    monkeypatch.setattr(model_module, "MAX_TOKENS_PER_S", 0.0)
    monkeypatch.setattr(model_module, "EXTRA_TOKENS", 5)

    assert whisper.transcribe(NOISE, "zh", final=False).text == "你"
    assert whole.limits == [5]


def test_features_have_as_many_bins_as_the_model(tmp_path):
    large = Whisper(tiny_whisper.write(tmp_path, bins=128), workers=1)

    assert isinstance(large.transcribe(NOISE, "fr", final=False), Transcript)


def test_a_folder_without_a_model_is_refused(tmp_path):
    for name in model_module.FILES:
        with pytest.raises(
            EngineError, match=f"{tmp_path.name} is not a Whisper model of CTranslate2: it has no {name}"
        ):
            Whisper(tmp_path, workers=1)
        (tmp_path / name).write_text("{}")

    with pytest.raises(EngineError, match=f"{tmp_path.name} cannot be loaded as a Whisper model"):
        Whisper(tmp_path, workers=1)


def test_a_tokenizer_that_lacks_a_language_is_refused(tmp_path):
    strange = tiny_whisper.write(tmp_path) / "tokenizer.json"
    strange.write_text(strange.read_text().replace("<|mk|>", "<|mx|>"))

    with pytest.raises(EngineError, match="no language mk"):
        Whisper(tmp_path, workers=1)


def test_a_model_for_english_alone_is_refused(folder, tmp_path):
    english = tiny_whisper.write(tmp_path)
    words = json.loads((english / "vocabulary.json").read_text())
    words[tiny_whisper.TEXT_TOKENS - 1] = "<|endoftext|>x"
    (english / "vocabulary.json").write_text(json.dumps(words))

    with pytest.raises(EngineError, match="for English alone"):
        Whisper(english, workers=1)
