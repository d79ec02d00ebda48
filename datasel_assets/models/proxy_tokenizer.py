"""The tokenizer of the proxy language model: byte-level BPE over the pool, with a chat template.

A row reads ``<|bos|><|user|>question<|end|><|assistant|>answer<|end|>``: each message is one role token, the content as
it is, and ``<|end|>``. No token spans the boundary of a content, because what stands around it is a token of its own.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from datasel_assets.models.control_tokens import TextEncoder
from datasel_assets.models.tokens import valid_text

PAD, BOS, END = "<|pad|>", "<|bos|>", "<|end|>"
ROLES = ("system", "user", "assistant", "tool")
SPECIAL = (PAD, BOS, END, *(f"<|{role}|>" for role in ROLES))

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def train_tokenizer(texts: Iterable[str], vocabulary: int, max_tokens: int) -> Any:
    """Return a ``transformers`` tokenizer trained on ``texts``; the same texts in the same order give the same one.

    Args:
        texts: contents of messages.
        vocabulary: at most this many tokens, the 256 bytes and 7 special ones among them.
        max_tokens: length of the context, stored in its configuration.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(map(valid_text, texts), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=END,
        pad_token=PAD,
        model_max_length=max_tokens,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def unigram_counts(tokenizer: Any, texts: Iterable[str]) -> np.ndarray:
    """Return (V,) int64: how often each token of a ``transformers`` tokenizer comes in ``texts``."""
    backend = tokenizer.backend_tokenizer
    encoder = TextEncoder(backend)
    encodings = encoder.encode([encoder.shield(valid_text(text)) for text in texts])
    counts = np.zeros(backend.get_vocab_size(), np.int64)
    for encoding in encodings:
        counts += np.bincount(np.array(encoding.ids, np.int64), minlength=len(counts))
    return counts
