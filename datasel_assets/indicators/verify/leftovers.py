"""What is left of the machine that made a row: places of a template that were never filled in, control tokens."""

import re

from datasel_assets.indicators.verify.exchange import Exchange, verifier, without_code

_TOKENS = re.compile(
    r"<\|[A-Za-z_][\w ]{0,40}\|>|\[/?INST\]|<</?SYS>>|</?s>(?!\w)|<(?:start|end)_of_turn>|<(?:unk"
    r"|pad|eos|bos|noinput|nooutput)>"
    r"|^### (?:Instruction|Response|Input):[ \t]*$",
    re.M | re.I,
)
_PLACES = re.compile(
    r"(?<!\{)\{\{\s*[A-Za-z_][\w. ]{0,40}\s*\}\}(?!\})|(?<![\w{(\[=$\\#])\{\}(?![\w})\];])"
    r"|(?<![\w{$\\#])\{(?:input|instruction|text|question|context|answer|prompt|name|response|output|sentence|topic)\}"
    r"|\[\s*INSERT\b[^\]\n]{0,60}\]|\[(?:TODO|TBD|PLACEHOLDER|YOUR [A-Z ]+ HERE)\]|<(?:INSERT|PLACEHOLDER)[^>\n]{0,40}>"
)
_SPEAKS_OF = re.compile(
    r"\b(?:templates?|placeholders?|jinja2?|handlebars|mustache|django|angular|vue|react|latex"
    r"|f-?strings?|format strings?|"
    r"dictionar(?:y|ies)|json|javascript|js|css|html|python|java|c\+\+|c#|php|ruby|sql|code|function|class|regex|curly|"
    r"braces|brackets?|set|object|variable|program|script|prompt|chat format|token)\b",
    re.I,
)

_CODE = re.compile(r"[;=]\s*$|\bdef |\bprint\b|\breturn\b|\(\)|\\[A-Za-z]+|\$|</\w+>|^\s*[{}]\s*$", re.M)
"""Signs of code, LaTeX or markup, in which braces have a meaning."""


@verifier(source="ours; chat tokens and prompt templates of public fine-tuning sets")
def template_left(exchange: Exchange) -> float:
    """1 where the question or the answer holds a place that was never filled in, or a token of a chat format; else 0.

    ``{}``, ``{{name}}``, ``{input}``, ``[INSERT ...]``; ``<|im_end|>``, ``[INST]``, ``</s>``, ``### Response:``. Code
    does not count, and where the row speaks of code or templates braces do not.
    """
    for text in (exchange.question, exchange.answer):
        if not any(sign in text for sign in "<{[#:"):
            continue
        plain = without_code(text)
        if _TOKENS.search(plain):
            return 1.0
        if (
            _PLACES.search(plain)
            and not _CODE.search(plain)
            and not (_SPEAKS_OF.search(exchange.question) or _SPEAKS_OF.search(exchange.answer))
        ):
            return 1.0
    return 0.0
