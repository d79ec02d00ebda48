"""Schemas of instruction data, one per file. ``FORMATS`` is the list of names that a registry file may use.

Belongs here: what turns one record into a conversation, and the conversation itself. Does not: which schema a dataset
has (``corpus.detect``), files.

Each module has ``convert(record, columns) -> Conversation``, which raises ``RowError`` for a record that does not
fit, and what detection needs:

* ``FIELDS``: field -> column names, best first (compared without case);
* ``REQUIRED``: groups of fields, the prompt side first; one field of each group must have a column;
* ``KINDS``: field -> kinds of value (see ``corpus.kinds.kind_of``) that it accepts; text where it is not listed;
* ``VALUES``: field -> those of its names under which any value that can be written as text is taken too.

The order is the order of detection: the more a schema says, the earlier it is tried.
"""

from types import ModuleType

from datasel_assets.formats import alpaca, messages, prompt_completion, qa, sharegpt, text, transcript

FORMATS: dict[str, ModuleType] = {
    "sharegpt": sharegpt,
    "messages": messages,
    "transcript": transcript,
    "alpaca": alpaca,
    "qa": qa,
    "prompt_completion": prompt_completion,
    "text": text,
}
