"""A causal language model whose logits are a table indexed by the previous token: everything has a closed form.

It is an ordinary Llama folder: embeddings are one-hot, the block adds nothing, and the head is the table.
"""

from pathlib import Path

import numpy as np

WORDS = ["<bos>", "<unk>", "bad", ":", "###", "Response", "a", "b", "c", "d", "x", "y", "one", "two", "three", "four"]
BOS, BAD, COLON = WORDS.index("<bos>"), WORDS.index("bad"), WORDS.index(":")


def save_table_lm(folder: Path, table: np.ndarray, *, bos: bool = True, break_on: int | None = None) -> str:
    """Save a model with logits ``table`` (V, V), row = previous token; reading ``break_on`` makes its state NaN."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    v = len(WORDS)
    config = LlamaConfig(
        vocab_size=v,
        hidden_size=v,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=2,
        intermediate_size=4,
        rms_norm_eps=1e-12,
        max_position_embeddings=64,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(v))
        model.model.norm.weight.fill_(v**-0.5)
        model.lm_head.weight.copy_(torch.from_numpy(np.asarray(table, np.float32)).T)
        if break_on is not None:
            model.model.embed_tokens.weight[break_on] = torch.nan
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", **({"bos_token": "<bos>"} if bos else {})
    ).save_pretrained(folder)
    return str(folder)


def ids(text: str) -> list[int]:
    """Return the token ids of words."""
    return [WORDS.index(word) for word in text.split()]


def log_softmax(table: np.ndarray) -> np.ndarray:
    """Return the log-probabilities of a table in float64."""
    shifted = table - table.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
