"""Streams of hypotheses as recognisers make them of growing audio, in many scripts, from a seed.

A text is kept in tokens, which are what must not be cut: words with their blank, numbers, addresses, and single
characters of scripts without blanks, with all that belongs to them.
"""

import random
from dataclasses import dataclass
from itertools import accumulate

from qwen3_asr_realtime.text import is_unspaced

NBSP, NARROW_NBSP, JOINER = "\u00a0", "\u202f", "\u200d"

LANGUAGES = {
    "english": "I have a dream that one day it's well-known O'Neill said, e.g., today. Yes! (no) don't".split(),
    "numbers": "1,234.56 3.14 $5 10% 2026-11-23 7:30 No. 1. -4 +1 555-0100 1/2 5G 1st it costs about".split(),
    "addresses": "see https://example.com/a?b=1&c=2 or me@example.org www.example.com. /etc/hosts, v2.0.1 and".split(),
    "french": [
        f"1{NARROW_NBSP}234,56",
        f"12{NBSP}%",
        f"quoi{NARROW_NBSP}?",
        "l'été",
        "où",
        "aujourd'hui",
        "c'est-à-dire",
    ],
    "german": "Größe Straße Kraftfahrzeug-Haftpflichtversicherung, 3,5 z. B. und Äpfel.".split(),
    "chinese": list("请问浦东机场怎么走二零二六年，。？！"),
    "mixed": [*"用服务器跑元年，。", "GPU", "3.5", "1,234.56", "OpenAI", "ok,", "24/7", "B2B"],
    "japanese": [*"東京へ行くっー。、", "か\u3099", "ハ\u309a", "ｶﾞ", "AI", "葛\U000e0100"],
    "full width": [*"第，。号", "１２３", "ＡＢＣ", "Ｂ２Ｂ"],
    "korean": "안녕하세요 저는 3.5 학생입니다. 네, \u1112\u1161\u11ab\u1100\u116e\u11a8".split(),
    "emoji": [
        *"好吧，",
        "👍🏽",
        f"👩{JOINER}👩{JOINER}👧",
        "❤\ufe0f",
        "1\ufe0f\u20e3",
        "🇩🇪",
        "🏴\U000e0067\U000e0062\U000e007f",
        "ok",
    ],
    "marks": [
        "cafe\u0301",
        "a\u0323\u0302b",
        "i\u0307",
        "naï\u0308ve",
        "Zoe\u0308,",
        "tie\u0301ng",
        "Viê\u0323t",
        "3\u0338",
    ],
    "thai": ["ส", "วั", "ดี", "น้ำ", "ทำ", "ที่", "นี่", "ๆ", "ກຳ", "3.5", "เ"],
    "hindi": "नमस्ते दुनिया क्या हाल है। ३.५ श्री".split(),
    "arabic": "مرحبا بِكُم ٣٫٥ في، العالَم".split(),
}


@dataclass(frozen=True)
class Heard:
    """One hypothesis, in tokens."""

    tokens: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(self.tokens)

    @property
    def cuts(self) -> set[int]:
        """Where the text may be divided."""
        return {0, *accumulate(map(len, self.tokens))}


def stream(language: str, seed: int) -> list[Heard]:
    """The hypotheses of one segment: mostly more of the same, with words half heard, misheard and heard anew."""
    rng = random.Random(f"{language} {seed}")
    pool = LANGUAGES[language]
    truth = rng.choices(pool, k=rng.randint(3, 14))
    known, heard = 0, []
    for _ in range(rng.randint(2, 9)):
        known = min(known + rng.randint(0, 4), len(truth))
        words = truth[:known]
        if words and words[-1].isascii() and rng.random() < 0.3:
            words[-1] = words[-1][: rng.randint(1, len(words[-1]))]  # Cut off, or a number that will have more digits.
        if words and rng.random() < 0.3:
            words[-rng.randint(1, min(3, len(words)))] = rng.choice(pool)
        if words and rng.random() < 0.05:
            words[0] = rng.choice(pool)
        if rng.random() < 0.03:
            words = rng.choices(rng.choice([*LANGUAGES.values()]), k=rng.randint(0, 6))
        heard.append(Heard(tuple(_spaced(words))))
    return heard


def _spaced(words: list[str]) -> list[str]:
    return [
        word if number == 0 or is_unspaced(words[number - 1][-1]) or is_unspaced(word[0]) else f" {word}"
        for number, word in enumerate(words)
    ]
