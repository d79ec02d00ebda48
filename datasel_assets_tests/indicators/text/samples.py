"""Texts that several tests share: languages, scripts and broken input."""

import numpy as np
from hypothesis import strategies as st

ENGLISH = (
    "The quick brown fox jumps over the lazy dog. It was not amused by the extraordinary interruption! "
    "Don't you think that the dog's reaction was understandable? The fox, of course, disagreed with everyone."
)
CHINESE = "今天天气很好。我们去公园散步，好吗？公园里有很多花。"
ARABIC = "مرحبا بالعالم. كيف حالك اليوم؟ أنا بخير شكرا لك."
EMOJI = "👍🏽 👩‍👩‍👧 🎉🎉🎉"
THAI = "สวัสดีชาวโลก"

WORDS = ("cat", "sat", "mat", "the", "Dog", "don't", "zwölf", "3.14", "東京", "a", "of", "running", "x1")
text = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from([*WORDS, ".", "!\n", "\n", " ", "? ", "。", "🙂"]), max_size=90).map(" ".join),
    st.sampled_from(["", " ", "\n\n", "...", ENGLISH, CHINESE, ARABIC, EMOJI, THAI, "1. a\n2. b", "\ud800 x"]),
)


def random_words(seed: int, words: int, vocabulary: int) -> list[str]:
    """Words whose frequencies fall as those of language do."""
    generator = np.random.default_rng(seed)
    return [f"w{k}" for k in np.minimum(generator.zipf(1.3, words), vocabulary)]
