"""Whether an answer is a refusal."""

import re

from datasel_assets.indicators.verify.exchange import Exchange, verifier

OPENING = 300
"""Characters at the start of an answer in which a refusal is looked for."""

_AS_A_MODEL = re.compile(
    r"\bas an? (?:\w+[ -]){0,2}(?:ai|artificial intelligence|language model|chatbot|assistant|virtual assistant)\b(?! "
    r"(?:engineer|researcher|expert))",
    re.I,
)
_DO = (
    r"(?:provide|assist|help|fulfil+|comply|answer|give|offer|create|generate|access|browse|complete"
    r"|do (?:that|this|it|so)|"
    r"perform|discuss|engage|support|share|predict|see|view|open|tell|write|recommend|determine|summari[sz]e|process|"
    r"suggest|respond|play|search|show|produce|endorse|participate|continue|make|have|physically|actually|directly|execute|"
    r"display|draw|identify|translate|describe|confirm|verify|find|read|analy[sz]e|accurately|disclose|satisfy|promote)"
)
_UNABLE = re.compile(
    rf"\bi(?:\s+(?:really|simply|just|honestly))?\s+(?:can\s?not|can(?:'|’)t|am unable to"
    rf"|am not able to|won(?:'|’)t|will not|"
    rf"must decline to|refuse to)\s+(?:\w+\s+){{0,1}}{_DO}\b"
    rf"|\bi(?:'|’)m (?:\w+ )?(?:unable|not able) to (?:\w+ )?{_DO}\b"
    r"|\bi (?:do not|don(?:'|’)t) have (?:the ability|access|personal|enough information"
    r"|any information|the capability)"
    r"|^(?:i(?:'|’)?\s*a?m (?:very |so |really )?sorry|sorry|my apologies"
    r"|i apologi[sz]e)[,.]? (?:but|i|for (?:any|the) confusion)\b",
    re.I,
)
_ROLE = re.compile(
    r"\b(?:write|compose|draft|create|generate|craft|letter|email|apolog\w*|dialogue|story|script|translate|rewrite|edit|"
    r"paraphrase|sentence|poem|reply|respond|review|complain\w*|convert|rephrase|correct|roleplay|pretend|complete|identify|"
    r"classify|song|lyrics|message|excuse|conversation|title|headline|speech|summari[sz]e|detect|change|tense)\b",
    re.I,
)


@verifier(source="after the phrase lists of Zou et al. 2023 (arXiv 2307.15043) and of the ShareGPT and Vicuna filters")
def refusal(exchange: Exchange) -> float:
    """1 where the answer refuses, or says that it is a language model, in its first sentences; else 0.

    Refusing may be what is wanted: a pool for safety is full of it. Where the question asks for a text (a letter, a
    dialogue) only an answer that speaks of itself as a model counts, because apologies belong to such texts.
    """
    opening = exchange.answer.strip()[:OPENING]
    if _AS_A_MODEL.search(opening):
        return 1.0
    return 1.0 if _UNABLE.search(opening[:160]) and not _ROLE.search(exchange.question) else 0.0
