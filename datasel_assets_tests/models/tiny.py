"""Tiny random models with real tokenizers, saved as Hugging Face folders."""

from pathlib import Path

HIDDEN, BLOCKS, HEADS, VOCABULARY, POSITIONS = 32, 3, 4, 200, 64

CORPUS = [
    "the quick brown fox jumps over the lazy dog",
    "how many apples are left when two of seven are eaten",
    "def add(a, b): return a + b",
    "user assistant system tool <|user|> <|assistant|> 0123456789",
]

CHAT_TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'tool' %}{{ raise_exception('no tools') }}{% endif %}"
    "<{{ m['role'] }}>{{ m['content'] }}</s>{% endfor %}"
)

ENCODERS = ("bert", "roberta", "distilbert", "mpnet")
DECODERS = ("llama", "qwen2", "mistral", "gpt2", "gpt_neox")


def save_model(kind: str, folder: Path, *, chat: bool = False, scale_final_norm: float | None = None) -> Path:
    """Save a random model of ``kind`` with its tokenizer; ``llama`` is saved with a language-model head."""
    import torch

    torch.manual_seed(0)
    model = _model(kind)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and "norm" not in name:
            parameter.data.normal_(std=0.3)
    if scale_final_norm is not None:
        model.model.norm.weight.data *= scale_final_norm
    model.save_pretrained(folder)
    _tokenizer(kind, chat).save_pretrained(folder)
    return folder


def _model(kind: str):
    import transformers as t

    common = {"vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_hidden_layers": BLOCKS, "pad_token_id": 0}
    heads = {"num_attention_heads": HEADS, "intermediate_size": 64}
    match kind:
        case "bert":
            return t.BertModel(t.BertConfig(**common, **heads, max_position_embeddings=POSITIONS))
        case "roberta":
            config = t.RobertaConfig(**common, **heads, max_position_embeddings=POSITIONS + 1, type_vocab_size=1)
            return t.RobertaModel(config)
        case "distilbert":
            config = t.DistilBertConfig(
                vocab_size=VOCABULARY,
                dim=HIDDEN,
                n_layers=BLOCKS,
                n_heads=HEADS,
                hidden_dim=64,
                max_position_embeddings=POSITIONS,
            )
            return t.DistilBertModel(config)
        case "mpnet":
            return t.MPNetModel(t.MPNetConfig(**common, **heads, max_position_embeddings=POSITIONS + 1))
        case "llama":
            return t.LlamaForCausalLM(t.LlamaConfig(**common, **heads, max_position_embeddings=POSITIONS))
        case "qwen2":
            config = t.Qwen2Config(**common, **heads, num_key_value_heads=2, max_position_embeddings=POSITIONS)
            return t.Qwen2Model(config)
        case "mistral":
            config = t.MistralConfig(**common, **heads, num_key_value_heads=2, max_position_embeddings=POSITIONS)
            return t.MistralModel(config)
        case "gpt2":
            config = t.GPT2Config(
                vocab_size=VOCABULARY, n_embd=HIDDEN, n_layer=BLOCKS, n_head=HEADS, n_positions=POSITIONS
            )
            return t.GPT2Model(config)
        case "gpt_neox":
            return t.GPTNeoXModel(t.GPTNeoXConfig(**common, **heads, max_position_embeddings=POSITIONS))
    raise ValueError(kind)


def _tokenizer(kind: str, chat: bool):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    encoder = kind in ENCODERS
    special = ["[PAD]", "[CLS]", "[SEP]"] if encoder else ["</s>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=sorted(set("".join(CORPUS)) - {" "} | {"Ġ", "Ċ"}),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    names = {"eos_token": "</s>"}
    if encoder:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
        names = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    if chat:
        fast.chat_template = CHAT_TEMPLATE
    return fast
