"""Demands on the wording of an answer: words, letters, capitals, first words, options, language, a repeated request.

Belongs here: those of the instructions of IFEval that need the words of the question or of the answer. Does not: counts
and marks (``constraints``).
"""

import re
from collections.abc import Callable, Iterator

from datasel_assets.indicators.verify.demand import NUMBER, Demand, number_of
from datasel_assets.indicators.verify.json_asked import holds_json, wants_json

_TIMES = rf"(?P<times>once|twice|{NUMBER}(?:\s+times)?)"
_BOUND = rf"(?P<bound>at least|at most|no more than|not more than|more than|less than|fewer than)\s+{_TIMES}"
_QUOTES = "\"“”'‘’"
LANGUAGES = {
    **{"arabic": "ar", "bengali": "bn", "bulgarian": "bg", "chinese": "zh", "czech": "cs", "danish": "da"},
    **{"dutch": "nl", "finnish": "fi", "french": "fr", "german": "de", "greek": "el", "gujarati": "gu", "hebrew": "he"},
    **{"hindi": "hi", "hungarian": "hu", "indonesian": "id", "italian": "it", "japanese": "ja", "kannada": "kn"},
    **{"korean": "ko", "marathi": "mr", "nepali": "ne", "norwegian": "no", "persian": "fa", "polish": "pl"},
    **{"portuguese": "pt", "punjabi": "pa", "romanian": "ro", "russian": "ru", "spanish": "es", "swahili": "sw"},
    **{"swedish": "sv", "tamil": "ta", "telugu": "te", "thai": "th", "turkish": "tr", "ukrainian": "uk", "urdu": "ur"},
    "vietnamese": "vi",
}
"""Name -> code. English is left out: it is asked for beside capitals, and hardly ever as a language."""
_LANGUAGE = rf"({'|'.join(LANGUAGES)})"
ORDINALS = {
    name: place
    for place, name in enumerate(["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"], 1)
} | {"last": -1}
_NTH = rf"(?:very )?(?P<nth>{'|'.join(ORDINALS)}|\d{{1,2}}(?:st|nd|rd|th)?)"
_WORD = rf"(?:the )?(?:word )?[{_QUOTES}]?(?P<word>[\w-]+)"


def wording_demands(question: str) -> Iterator[Demand]:
    """Yield the demands of a question on the wording of its answer."""
    for pattern, make in _RULES:
        yield from (demand for match in pattern.finditer(question) if (demand := make(match)) is not None)
    for found in (_options(question), _language(question), _repeated(question)):
        if found is not None:
            yield found
    if wants_json(question):
        yield Demand("json_format", holds_json)


def _within(count: Callable[[str], int], bound: str, times: str) -> Callable[[str], bool]:
    """Return whether a count keeps to a bound such as ``at least`` ``three times``."""
    plain = re.sub(r"\s+times$", "", times.lower())
    n = {"once": 1, "twice": 2}.get(plain) or number_of(plain)
    match bound.lower():
        case "at least":
            return lambda text: count(text) >= n
        case "more than":
            return lambda text: count(text) > n
        case "less than" | "fewer than":
            return lambda text: count(text) < n
    return lambda text: count(text) <= n


# ------------------------------------------------------------------------------------------------ letters and capitals
def _letters(match: re.Match) -> Demand:
    letter, bound = match["letter"].lower(), match["bound"]
    if (
        re.search(r"\b(?:avoid|not|n't|never)\b[^.\n]{0,20}$", match.string[: match.start()], re.I)
        and bound == "more than"
    ):
        bound = "no more than"
    return Demand("letter_frequency", _within(lambda text: text.lower().count(letter), bound, match["times"]))


def _no_letter(match: re.Match) -> Demand | None:
    if re.match(r"[^.\n]{0,12}\b(?:more|less|fewer|at)\b", match.string[match.end() :], re.I):
        return None  # a number of times, which is another demand
    letter = match["letter"].lower()
    return Demand("letter_frequency", lambda text: letter not in text.lower())


def _times(match: re.Match) -> Demand | None:
    word = (match["phrase"] or match["word"] or "").strip(" .,").lower()
    if not word or word in ("count", "limit", "should", "must", "with", "in", "and"):
        return None
    pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.I)
    return Demand("frequency", _within(lambda text: len(pattern.findall(text)), match["bound"], match["times"]))


def capital_words(text: str) -> int:
    """Return the number of words in all capitals; single capitals count, as in IFEval."""
    return sum(word.isupper() for word in re.findall(r"\w[\w'’-]*", text))


def _capitals(match: re.Match) -> Demand:
    return Demand("capital_word_frequency", _within(capital_words, match["bound"], match["times"]))


# ------------------------------------------------------------------------------------------- paragraphs and options
def _first_word(match: re.Match) -> Demand | None:
    told = match["nth"].lower()
    place = ORDINALS.get(told) or int(re.sub(r"\D", "", told) or 0)
    word = match["word"].lower()

    def met(text: str) -> bool:
        parts = [part for part in re.split(r"\n\s*\n", text) if part.strip()]
        if len(parts) < abs(place):
            return False
        first = re.match(r"\W*([\w-]+)", parts[place if place < 0 else place - 1])
        return first is not None and first[1].lower() == word

    return Demand("nth_paragraph_first_word", met) if place else None


_ONE_OF = re.compile(
    r"\b(?:one of (?:the )?(?:following|these)|choose (?:one )?(?:from|of|between)|(?:just|only) (?:say|answer))\b",
    re.I,
)
_OPTION = re.compile(
    rf"[{_QUOTES}]([^{_QUOTES}\n]+ [^{_QUOTES}\n]+?[.!?])[{_QUOTES}]|^([A-Z][^\n]* [^\n]*[.!?])$", re.M
)


def _options(question: str) -> Demand | None:
    """Return the demand to say one of several sentences; options of one word are left to ``choices``."""
    asked = _ONE_OF.search(question)
    if not asked:
        return None
    options = [quoted or line for quoted, line in _OPTION.findall(question[asked.end() : asked.end() + 400])]
    said = [" ".join(option.lower().rstrip(".!?").split()) for option in options]
    if len(said) < 2 or len({option.split()[0] for option in said}) > 1:
        return None
    return Demand("constrained_response", lambda text: any(one in " ".join(text.lower().split()) for one in said))


# ------------------------------------------------------------------------------------------------ language, repetition
_ONLY = re.compile(
    rf"\b(?:only|entirely|completely)(?: (?:in|using|use))?(?: the)? {_LANGUAGE}\b"
    rf"|\b{_LANGUAGE}(?: language)? only\b|\b(?:only|no other language) (?:in|except) {_LANGUAGE}\b"
    rf"|\b(?:entire|whole) (?:response|answer|reply) (?:should be|must be|is) (?:written )?in {_LANGUAGE}\b",
    re.I,
)


def _language(question: str) -> Demand | None:
    asked = _ONLY.search(question)
    if not asked and re.search(r"\bno other language\b", question, re.I):
        named = set(re.findall(rf"\b{_LANGUAGE}\b", question, re.I))
        asked = re.search(rf"\b{_LANGUAGE}\b", question, re.I) if len({name.lower() for name in named}) == 1 else None
    if not asked:
        return None
    code = LANGUAGES[next(group for group in asked.groups() if group).lower()]
    return Demand("response_language", lambda text: _is_in(text, code))


def _is_in(text: str, code: str) -> bool:
    """Tell whether a text is in a language; one that is too short to tell is."""
    from datasel_assets.indicators.text.identifier import UNDETERMINED, identify
    from datasel_assets.words.batch import TextBatch

    (found,), _ = identify(TextBatch([text]))
    return found in (code, UNDETERMINED)


_REPEAT = re.compile(
    r"\brepeat (?:the|all|it|this|[\"“])[^\n]{0,80}?"
    r"(?:request|sentence|prompt|question|text|line|beginning|exactly|[\"”])",
    re.I,
)


def _repeated(question: str) -> Demand | None:
    """Return the demand to begin with the request itself, which stands above or below it, or in quotes."""
    asked = _REPEAT.search(question)
    if not asked or not re.search(r"\b(?:first|before|beginning|then)\b", question, re.I):
        return None
    quoted = re.match(r"repeat [\"“]([^\"”\n]+)[\"”]", question[asked.start() :], re.I)
    above = question[: question.rfind("\n", 0, asked.start()) + 1].strip()
    below = re.split(r"\n\s*\n", question[asked.end() :], maxsplit=1)[1:]
    if quoted:
        request = quoted[1]
    elif "first line" in asked[0].lower():
        request = question.splitlines()[0]
    else:
        request = above or (below[0] if below else "")
    request = " ".join(request.lower().split())
    return Demand("repeat_prompt", lambda text: " ".join(text.lower().split()).startswith(request)) if request else None


_CAPS = r"(?:all[- ]?(?:capital(?: letters?)?|caps)|capital letters)"
_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match], Demand | None]], ...] = (
    (
        re.compile(
            rf"\bletters? [{_QUOTES}]?(?P<letter>[a-z])[{_QUOTES}]?\b[^.\n]{{0,40}}?" + _BOUND,
            re.I,
        ),
        _letters,
    ),
    (
        re.compile(
            rf"\b(?:key)?(?:words?|phrases?) (?:[{_QUOTES}](?P<phrase>[^{_QUOTES}\n]{{1,60}})[{_QUOTES}]"
            rf"|(?P<word>[a-z-]+))"
            rf",?(?: (?:should|must|appears?|occurs?|appearing|to|be|show|shows|up|used|included|mentioned|for|in|your"
            rf"|the|response|answer))*\s+{_BOUND}",
            re.I,
        ),
        _times,
    ),
    (
        re.compile(
            r"\b(?:do not|don't|not|never|without|avoid)\s+(?:include|including|use|using|contain|containing)\s+"
            rf"the letter [{_QUOTES}]?(?P<letter>[a-z])\b[{_QUOTES}]?",
            re.I,
        ),
        _no_letter,
    ),
    (
        re.compile(
            r"\bwords?(?: or phrases)? (?:with|in) " + _CAPS + r"\b[^.\n]{0,40}?" + _BOUND,
            re.I,
        ),
        _capitals,
    ),
    (
        re.compile(
            _BOUND + r" (?:words?(?: or phrases)?|stress words)[^.\n]{0,16}? (?:with|in) " + _CAPS,
            re.I,
        ),
        _capitals,
    ),
    (re.compile(rf"\b{_NTH} paragraph (?:should |must )?starts? with {_WORD}", re.I), _first_word),
    (re.compile(rf"\bparagraph (?P<nth>\d{{1,2}}) (?:should |must )?starts? with {_WORD}", re.I), _first_word),
    (re.compile(rf"\bstart the {_NTH} paragraph with {_WORD}", re.I), _first_word),
    (re.compile(rf"\bstart paragraph (?P<nth>\d{{1,2}}) with {_WORD}", re.I), _first_word),
)
"""What a demand looks like -> the demand; None where it turns out to be none."""
