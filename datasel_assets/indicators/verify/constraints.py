"""Whether an answer keeps to what its question asks of its form: the rules that a program can check (IFEval).

Belongs here: demands on counts and marks, found in plain English and checked. Does not: demands on wording
(``wording``), JSON (``json_asked``). A demand that can be read in two ways, such as "about 100 words", is not found.
"""

import math
import re
from collections.abc import Callable, Iterator

from datasel_assets.indicators.verify.demand import NUMBER, Demand, number_of
from datasel_assets.indicators.verify.exchange import Exchange, verifier
from datasel_assets.indicators.verify.wording import wording_demands

_N = NUMBER
_LEAST = rf"(?:at least|no (?:less|fewer) than|a minimum of|minimum)\s+{_N}"
_MORE = rf"(?<!not )(?<!no )(?:more than|over)\s+{_N}"
_MOST = rf"(?:at most|no more than|not more than|a maximum of|maximum of|not exceed(?:ing)?|up to)\s+{_N}"
_LESS = rf"(?:less than|fewer than|under)\s+{_N}"
_BETWEEN = rf"between\s+{_N}\s+(?:and|to)\s+{_N}"
_EXACT = rf"(?:exactly|in exactly)\s+{_N}"

_QUOTE = r"[\"“”'‘’]([^\"“”\n]{1,120}?)[\"“”'‘’](?=[\s.,;:!?)]|$)"
_WHOLE = (
    r"(?:your |the )?(?:(?:entire|whole|complete|full) )?(?:response|reply|answer|output|essay"
    r"|text|letter|poem|story|email)"
)
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|vs|etc|e\.g|i\.e|U\.S|a\.m|p\.m|No|Inc|Ltd|[A-Z])\.$")


@verifier(
    source="Zhou et al. 2023, IFEval, arXiv 2311.07911: verifiable instructions, here read out of plain English",
    version="2",
)
def constraints_missed(exchange: Exchange) -> float:
    """Share of the verifiable demands of the question on the form of its answer that the answer does not keep to.

    Numbers of words, sentences, paragraphs, bullets, sections, highlights and placeholders; words that must or must not
    occur; letters and capitals; no commas; how it or one of its paragraphs begins or ends; a title in double angle
    brackets, quotation marks around it, a postscript, two answers apart; one of several sentences, a language, JSON,
    the request repeated. NaN where the question makes none of these demands.
    """
    found = demands_of(exchange)
    if not found:
        return math.nan
    answer = exchange.answer.strip()
    return sum(not demand.met(answer) for demand in found) / len(found)


def demands_of(exchange: Exchange) -> list[Demand]:
    """Return the verifiable demands of a question on its answer; none of a question about code or rhymes."""
    question = exchange.question
    if not _MIGHT.search(question) or _NOT_PROSE.search(question):
        return []
    return list(demands(question))


_MIGHT = re.compile(
    r"word|sentence|paragraph|bullet|lower ?case|capital|upper ?case|comma|title|quotation|postscript|P\.S|highlight|"
    r"section|placeholder|asterisk|letter|start|begin|end|finish|include|mention|avoid|contain|use |json|language|only|"
    r"entire|repeat|one of|choose|caps\b",
    re.I,
)

_NOT_PROSE = re.compile(
    r"\b(?:python|java|javascript|sql|c\+\+|c#|php|function|program|script|method|algorithm|regex|html|code|acrostic|anagram|"
    r"rhym\w+|synonyms?)\b",
    re.I,
)


def demands(question: str) -> Iterator[Demand]:
    """Yield the demands of a question, each once."""
    for unit, (rule, count) in COUNTED.items():
        if not re.search(unit, question, re.I):
            continue
        yield from _counts(question, unit, rule, count)
    for pattern, make in RULES:
        for match in pattern.finditer(question):
            if (demand := make(match)) is not None:
                yield demand
    yield from wording_demands(question)


def words_of(text: str) -> int:
    """Return the number of words, as IFEval counts them: runs of letters and digits."""
    return len(re.findall(r"\w+(?:[,.'’-]\w+)*", text))


def sentences_of(text: str) -> int:
    """Return the number of sentences; abbreviations and list numbers end none."""
    count = 0
    for piece in re.split(r"\n+", text.strip()):
        piece = re.sub(r"^\s*(?:\d+[.)]|[-*•])\s+", "", piece)
        ends = [
            m
            for m in re.finditer(r"[.!?…]+[\"”’')\]]*(?=\s+[\"“‘(\[]?[A-Z0-9]|\s*$)", piece)
            if not _ABBREVIATION.search(piece[: m.start() + 1])
        ]
        open_end = bool(piece.strip()) and (not ends or bool(piece[ends[-1].end() :].strip()))
        count += len(ends) + open_end
    return count


def paragraphs_of(text: str) -> tuple[int, int]:
    """Return the numbers of paragraphs: by empty lines (or lines of asterisks), and by line breaks."""
    by_empty = [part for part in re.split(r"\n\s*(?:\*{3}\s*)?\n", text) if part.strip(" *\n")]
    return len(by_empty), len([line for line in text.splitlines() if line.strip(" *")])


def bullets_of(text: str) -> int:
    """Return the number of lines that are bullets, or of numbered items where there are none."""
    return len(re.findall(r"^[ \t]*[-*•+][ \t]+\S", text, re.M)) or len(re.findall(r"^[ \t]*\d+[.)]\s", text, re.M))


def _two(count: Callable[[str], int]) -> Callable[[str], tuple[int, int]]:
    return lambda text: (count(text), count(text))


COUNTED: dict[str, tuple[str, Callable[[str], tuple[int, int]]]] = {
    r"words?": ("number_words", _two(words_of)),
    r"(?:complete )?sentences?": ("number_sentences", _two(sentences_of)),
    r"paragraphs?": ("number_paragraphs", paragraphs_of),
    r"bullet(?:ed)?(?: points?| list items?)?s?": ("number_bullet_lists", _two(bullets_of)),
    r"placeholders?": ("number_placeholders", _two(lambda text: len(re.findall(r"\[[^\[\]\n]+\]", text)))),
    r"(?:highlighted )?sections?(?= (?:in|of) (?:your|the) (?:answer|response|reply) with markdown)": (
        "number_highlighted_sections",
        _two(lambda text: len(re.findall(r"\*[^*\n]+\*", text))),
    ),
}
"""Pattern of what is counted -> rule, and the two counts of which one must be right."""

_OF_A_PART = re.compile(
    r"^\s*(?:per|each|long each|in (?:the )?(?:first|second|each|every)|for each|with|that (?:start"
    r"|begin|rhyme)|letter)",
    re.I,
)
_PART_BEFORE = re.compile(
    r"(?:each|every|per|paragraph|sentence|line|section|the (?:first|last|title|summary))\b[^.\n]{0,40}$"
    r"|\b(?:\d+|two|three|four|five|six|ten|a list of|several|some) (?:\w+ ){0,3}\w+s,?(?: that are| each)?\s*$",
    re.I,
)


def _counts(question: str, unit: str, rule: str, count: Callable[[str], tuple[int, int]]) -> Iterator[Demand]:
    """Yield the demands on the number of something."""
    for pattern, low, high in (
        (rf"{_BETWEEN}\s+{unit}", 0, 0),
        (rf"{_LEAST}\s+{unit}", 0, None),
        (rf"{_N}\s+or more\s+{unit}|{_N}\s+{unit}\s+or more", 0, None),
        (rf"{_MORE}\s+{unit}", 1, None),
        (rf"{_MOST}\s+{unit}", None, 0),
        (rf"{_N}\s+{unit}\s+or (?:less|fewer|shorter)|{_N}\s+or (?:less|fewer)\s+{unit}", None, 0),
        (rf"{_LESS}\s+{unit}", None, -1),
        (rf"{_EXACT}\s+{unit}", 0, 0),
        (rf"\b(?:in|using|contain|contains|have|has)\s+{_N}\s+{unit}", 0, 0),
    ):
        bare = pattern.startswith(r"\b(?:in")
        if bare and rule == "number_words":
            continue  # "in 100 words" means about as many
        for match in re.finditer(pattern + r"\b", question, re.I):
            if _OF_A_PART.match(question[match.end() :]) or _PART_BEFORE.search(
                question[max(0, match.start() - 80) : match.start()]
            ):
                continue
            if bare and re.search(
                r"(?:less|fewer|more|about|around|least|most|or)\s*$", question[: match.start()], re.I
            ):
                continue
            if bare and re.match(r"\s*(?:or|to|-)\s", question[match.end() :]):
                continue
            numbers = [number_of(group) for group in match.groups() if group]
            least = None if low is None else numbers[0] + low
            most = None if high is None else numbers[-1] + high
            yield Demand(rule, _within(count, least, most))


def _within(count: Callable[[str], tuple[int, int]], least: int | None, most: int | None) -> Callable[[str], bool]:
    return lambda text: any((least is None or n >= least) and (most is None or n <= most) for n in count(text))


def _listed(text: str) -> list[str]:
    """Return the phrases in quotes."""
    return [
        part.strip(" .,")
        for part in re.findall(r"[\"“”]([^\"“”\n]{1,80})[\"“”]|(?<!\w)'([^'\n]{1,80})'(?!\w)", text)
        for part in part
        if part.strip(" .,")
    ]


def _has(phrase: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text, re.I) is not None


def _include(match: re.Match) -> Demand | None:
    phrases = [phrase.lower() for phrase in _listed(match.group(1))]
    # As in IFEval a longer word that holds the phrase will do: "dreams" for "dream".
    return Demand("existence", lambda text: all(phrase in text.lower() for phrase in phrases)) if phrases else None


def _exclude(match: re.Match) -> Demand | None:
    phrases = _listed(match.group(1))
    return (
        Demand("forbidden_words", lambda text: not any(_has(phrase, text) for phrase in phrases)) if phrases else None
    )


def _bare(text: str) -> str:
    return text.strip().strip("\"“”'‘’*_ ").lower()


def _starts(match: re.Match) -> Demand:
    phrase = _bare(match.group(1)).rstrip(".,!?:…")
    return Demand("start", lambda text: _bare(text).startswith(phrase))


def _ends(match: re.Match) -> Demand:
    phrase = _bare(match.group(1)).rstrip(".,!?")
    return Demand("end_checker", lambda text: _bare(text).rstrip(".,!?").endswith(phrase))


def _cased(rule: str, wrong: str) -> Callable[[re.Match], Demand]:
    return lambda match: Demand(rule, lambda text: re.search(wrong, text) is None)


def _holds(rule: str, pattern: str, flags: int = 0) -> Callable[[re.Match], Demand]:
    return lambda match: Demand(rule, lambda text: re.search(pattern, text, flags) is not None)


def _highlights(n: int) -> Callable[[str], bool]:
    return lambda text: len(re.findall(r"\*[^*\n]+\*", text)) >= n


def _sections(match: re.Match) -> Demand:
    n, mark = number_of(match.group(1)), match.group(2)
    return Demand("multiple_sections", lambda text: len(re.findall(rf"{re.escape(mark)}\s+\w+", text)) >= n)


_ANSWER_WORDS = r"(?:your |the )?(?:entire |whole )?(?:response|reply|answer|output|essay|letter|poem|story|email|it)"

RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match], Demand | None]], ...] = (
    (
        re.compile(
            r"(?<!not )(?<!n't )(?<!without )\b(?:includ(?:e|ing)|mention|contain(?:ing)?|use|using"
            r"|with) (?:all )?(?:of )?(?:the )?"
            r"(?:following )?(?:keywords?|words?|phrases?|terms?)[: ]+((?:[\"“'][^\"”\n]{1,80}[\"”'](?:,?"
            r" ?(?:and )?)?)+)",
            re.I,
        ),
        _include,
    ),
    (
        re.compile(
            r"\b(?:(?:do not|don't|never|not|without|avoid) (?:includ(?:e|ing)|mention(?:ing)?"
            r"|contain(?:ing)?|us(?:e|ing)|say(?:ing)?)"
            r"|avoid|exclude) (?:any of )?(?:the )?(?:following )?(?:keywords?|words?|phrases?|terms?)[: ]+"
            r"((?:[\"“'][^\"”\n]{1,80}[\"”'](?:,? ?(?:and |or )?)?)+)",
            re.I,
        ),
        _exclude,
    ),
    (
        re.compile(
            rf"\b(?:start|begin) {_ANSWER_WORDS} with (?:the )?(?:exact )?(?:phrase|words?|sentence)?:? ?{_QUOTE}", re.I
        ),
        _starts,
    ),
    (
        re.compile(
            rf"\b(?:end|finish|conclude) {_ANSWER_WORDS} with (?:this "
            rf"|the )?(?:exact )?(?:same )?(?:phrase|words?|sentence)?:? ?{_QUOTE}",
            re.I,
        ),
        _ends,
    ),
    (
        re.compile(
            r"\b(?:in|be|using|use|with) (?:only |all )?(?:english,? (?:and )?)?(?:and )?(?:in )?(?:all"
            r" |only )?lower ?case(?: letters)?(?! (?:letter|vowel|and upper))"
            r"|\bno capital letters (?:are )?(?:allowed|should)",
            re.I,
        ),
        lambda match: _cased("english_lowercase", r"[A-Z]")(match) if _of_all(match) else None,
    ),
    (
        re.compile(
            r"\b(?:in|be|using|use|with) (?:english,? and )?(?:in )?(?:all|only"
            r"|entirely in) (?:capital(?: letters)?|caps|upper ?case(?: letters)?)\b"
            r"|\ball capital letters\b|\bonly capital letters\b",
            re.I,
        ),
        lambda match: _cased("english_capital", r"[a-z]")(match) if _of_all(match) else None,
    ),
    (
        re.compile(
            r"\b(?:without (?:using |the use of )?(?:any )?commas|(?:refrain"
            r"|abstain) from (?:the use of |using )?(?:any )?commas|(?:do not|don't|not"
            r"|avoid) (?:use|using|include|contain)? ?(?:any |of )?commas|no commas)\b",
            re.I,
        ),
        _cased("no_comma", ","),
    ),
    (
        re.compile(r"\btitle,? wrapped in double angular brackets|<<[^<>\n]{1,60}>>", re.I),
        _holds("title", r"<<[^<>\n]+>>"),
    ),
    (
        re.compile(
            r"\b(?:wrap|surround|enclose|put) " + _WHOLE + r" (?:with|in|inside) double quot(?:ation|e)s?(?: marks?)?",
            re.I,
        ),
        lambda match: Demand("quotation", lambda text: len(text) > 1 and text[0] in '"“' and text[-1] in '"”'),
    ),
    (re.compile(r"\bpostscript\b[^.\n]{0,60}\bP\.? ?P\.? ?S", re.I), _holds("postscript", r"P\.\s?P\.\s?S")),
    (re.compile(r"\bpostscript\b[^.\n]{0,60}\bstarting with P\.S", re.I), _holds("postscript", r"P\.\s?S\b|P\.\s?S\.")),
    (
        re.compile(r"\A[\s\S]*?(?:\b(?:6|six) asterisk|(?<!\*)\*{6}(?!\*))", re.I),
        _holds("two_responses", r"\S\s*\*{6}\s*\S"),
    ),
    (
        re.compile(
            rf"\bhighlight(?:ing)? (?:at least |no less than )?{_N} (?:\w+ )?(?:sections?|parts?|phrases?)\b", re.I
        ),
        lambda match: Demand("number_highlighted_sections", _highlights(number_of(match.group(1)))),
    ),
    (
        re.compile(
            rf"\b{_N} sections\b[^\n]{{0,80}}?(?:beginning of each section with|marked with"
            rf"|each section with|with the) (SECTION|Section|PARAGRAPH|Day|PART|Part)\b"
        ),
        _sections,
    ),
)
"""What a demand looks like -> the demand; None where it turns out to be none."""


def _of_all(match: re.Match) -> bool:
    """Tell whether a demand on capitals is one on the whole answer."""
    around = match.string[max(0, match.start() - 120) : match.end() + 80]
    told = re.search(
        r"\b(?:response|answer|reply|output|letters are allowed|write (?:in|it)|entire|lowercase letters only)\b",
        around,
        re.I,
    )
    of_part = re.search(r"\b(?:at least|less than|words? (?:in|with) all|appear|title in|times)\b", around, re.I)
    return bool(told) and not of_part
