"""Where each message stands in the text that a model reads."""

import pytest

from datasel_assets.models.dialogue import DialogueRenderer

TEMPLATES = {
    "simple": "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}",
    "strips": "{% for m in messages %}[{{ m.role }}] {{ m.content | trim }} {% endfor %}",
    "strips the user": (
        "{% for m in messages %}"
        "{% if m.role == 'user' %} {{ m.content | trim }} {% else %}{{ m.content }}{% endif %}{% endfor %}"
    ),
    "adds a system message": "<sys>Be kind.</s>{% for m in messages %}<{{ m.role }}>\n{{ m.content }}\n{% endfor %}",
}
ROWS = [
    [("user", "2+2?"), ("assistant", "4")],
    [("user", "assistant"), ("assistant", "a"), ("user", "a"), ("assistant", "assistant user")],
    [("system", " Be kind. "), ("user", "  hi\n"), ("assistant", "\n  hello  ")],
    [("user", ""), ("assistant", "")],
    [("user", "你好吗"), ("assistant", "שלום 👋🏽")],
]


class Tokenizer:
    """What the renderer asks of a tokenizer."""

    def __init__(self, template: str | None):
        self.chat_template = template

    def apply_chat_template(self, messages, tokenize=False, add_generation_prompt=False):
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)

        def refuse(message):
            from jinja2 import TemplateError

            raise TemplateError(message)

        environment.globals["raise_exception"] = refuse
        template = environment.from_string(self.chat_template)
        return template.render(messages=messages, add_generation_prompt=add_generation_prompt)


def conversation(row):
    return [{"role": role, "content": content} for role, content in row]


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("row", ROWS)
def test_the_text_is_the_templates_and_each_span_holds_its_content(name, row):
    tokenizer = Tokenizer(TEMPLATES[name])
    messages = conversation(row)
    dialogue = DialogueRenderer(tokenizer).render(messages)
    assert not dialogue.fallback
    assert dialogue.text == tokenizer.apply_chat_template(messages)
    for message, (start, end) in zip(messages, dialogue.spans, strict=True):
        assert dialogue.text[start:end].strip() == message["content"].strip()
        if name == "simple":
            assert dialogue.text[start:end] == message["content"]


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ raise_exception('no') }}{% endfor %}",
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}",
        "{% for m in messages %}<{{ m.role }}>{{ m.content.split('</think>')[-1] }}{% endfor %}",
    ],
    ids=["refuses", "drops a message", "drops a chain of thought"],
)
def test_a_row_that_the_template_does_not_write_whole_is_in_the_alpaca_format(template):
    messages = conversation([("user", "2+2?"), ("assistant", "<think>hm</think>4")])
    dialogue = DialogueRenderer(Tokenizer(template)).render(messages)
    assert dialogue.fallback
    assert dialogue.text.endswith("### Instruction:\n2+2?\n\n### Response:<think>hm</think>4")
    assert dialogue.text[slice(*dialogue.spans[1])] == "<think>hm</think>4"


def test_without_a_chat_template_rows_are_in_the_alpaca_format():
    renderer = DialogueRenderer(Tokenizer(None))
    assert (renderer.template, renderer.header) == ("alpaca", "### Response:")
    dialogue = renderer.render(conversation([("system", "Be kind."), ("user", "hi"), ("assistant", "hello")]))
    assert dialogue.text.endswith("Be kind.\n\n### Instruction:\nhi\n\n### Response:hello")


@pytest.mark.parametrize("template", ["alpaca", "plain"])
def test_a_row_without_a_prompt_is_its_text_alone(template):
    dialogue = DialogueRenderer(Tokenizer(None), template).render(conversation([("assistant", "once upon a time")]))
    assert dialogue.text == "once upon a time"
    assert dialogue.spans == ((0, 16),)


def test_plain_joins_the_contents_with_blank_lines():
    rows = conversation([("user", "one"), ("user", " "), ("assistant", "two")])
    dialogue = DialogueRenderer(Tokenizer(None), "plain").render(rows)
    assert dialogue.text == "one\n\ntwo"
    assert [dialogue.text[start:end] for start, end in dialogue.spans] == ["one", "", "two"]


def test_the_header_is_what_the_template_writes_before_an_answer():
    chat = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    assert DialogueRenderer(Tokenizer(chat + "{% if add_generation_prompt %}<bot>{% endif %}")).header == "<bot>"
    assert DialogueRenderer(Tokenizer(chat)).header == "### Response:"


def test_a_chat_template_that_is_asked_for_must_be_there():
    with pytest.raises(ValueError, match="no chat template"):
        DialogueRenderer(Tokenizer(None), "chat")
