"""Texts as arrays of words.

Belongs here: what a word is (``batch``), and the arrays of a text's words and characters. Does not: any figure of a
text (``indicators.text``).

The rule of ``batch`` holds wherever words are counted: text indicators, lexical thinning, lexical diversity. These keep
a rule of their own, because a paper or the purpose dictates it; what they store would change with it. All but the first
agree that in scripts without spaces a character is a word:

* ``indicators.text.dsir``: words and runs of marks, as the authors' package splits them (NLTK's word-punctuation);
* ``corpus.contamination.words``: compatibility forms are folded and an apostrophe parts, so that an item is found again
  in other typography;
* ``corpus.minhash``: between white space, with the punctuation, as is the custom for shingles (``unit: token`` parts
  it);
* ``models.contexts``: between white space too, as a dropped word takes its punctuation along and the rest stays a text
  (Kung et al. 2023);
* ``words.terms``, for ``clusters.titles`` and ``corpus.phrases``: names for people to read. ``c++`` is one, a number is
  none, and a mark tells where a phrase ends.

``datasel_assets_tests/words/test_rules.py`` shows one sentence under each of them.
"""
