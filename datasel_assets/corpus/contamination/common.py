"""Words that say little about a text, for the guard that keeps short generic items from matching everywhere.

Belongs here: the fixed list, English and Chinese. Not here: how it is used (``index.py``), which adds the words that
are frequent in the evaluation itself, so that other languages are served too.
"""

_ENGLISH = (
    "a about above after all also am an and answer any are as at be because been before being best "
    "between both but by can correct could create describe did different do does doing each example "
    "examples explain few find follow following for from give given good had has have having he her here "
    "him his how i if in into is it its just know let like list make me more most my name no not now of "
    "on one only or other our out over own please provide question read s same say sentence sentences she "
    "should so some statement statements such t take tell text than that the their them then there these "
    "they thing things think this those three through to true two under up us use used using very want "
    "was way we were what when where which while who why will with word words would write you your "
)
_CHINESE = "的一是不了在有我他这中大来上个们到说和地也子那得着下自之以及与或为请列出写给解释描述什么如何哪些你您吗呢"

COMMON = frozenset([*_ENGLISH.split(), *_CHINESE])
