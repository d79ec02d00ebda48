"""Words that may name what a text is about: what they look like, how long they are, which say nothing.

Belongs here: what titles of clusters and key phrases share. Does not: choosing among them.
"""

# One alternative per kind of token: names of languages that end in a sign, katakana words, single ideographs (so
# that two neighbours make a word pair), words of every other script with their marks, and whatever ends a phrase.
TOKEN = (
    r"c\+\+|[cf]#|[\p{Katakana}ー]+|\p{Han}"
    r"|[\p{L}--\p{Han}--\p{Hiragana}--\p{Katakana}][[\p{L}\p{M}\p{N}]--\p{Han}--\p{Hiragana}--\p{Katakana}]*(?:'\p{L}+)*"
    r"|[^\p{L}\p{M}\p{N}\s'’\-/]"
)
IDEOGRAPH = r"^\p{Han}$"
WORD = r"^[\p{L}]"
MAX_WORD = 24

_STOP_TEXT = """
    a about above after again all also am an and any are aren't as at b be because been before being below between
    both but by c can can't cannot could couldn't d did didn't do does doesn't doing don't down during e each etc few
    following for from further g get give given got h had hadn't has hasn't have haven't having he her here hers
    herself him himself his how i i'd i'll i'm i've if in into is isn't it it's its itself j just k l let let's like m
    make me more most my myself n need no nor not now o of off on once one only or other our ours ourselves out over
    own p please q r s same shall she should shouldn't so some such t than that that's the their theirs them themselves
    then there there's these they this those through to too two u under until up us use used using v very w want was
    wasn't we were weren't what what's when where which while who whom why will with won't would wouldn't x y you
    you'd you'll you're you've your yours yourself yourselves z de la le les el los las un une des du et en que y der
    die das und ist ein eine per il di che и в не на что с
    的 了 是 在 一 个 我 你 他 她 它 们 这 那 有 和 与 或 请 不 以 及 为 中 上 下 到 对 从 把 被 给 用 会 可 能 要
    什 么 吗 呢 吧 等 并 其 之 也 都 就
"""
STOP_WORDS = sorted(set(_STOP_TEXT.split()))
