"""Views of the catalog over everybody who was asked: workers, tasks, agreement, and what it cost.

Belongs here: SQL over the views of labels and of answers, whichever there are. Does not: building the catalog
(``catalog``), what stands in those tables (``tables.labels``, ``tables.answers``).
"""

from collections.abc import Collection

WORKERS, TASKS, TRUTH, ANSWERS = "label_workers_", "label_tasks_", "label_truth_", "answers_"
"""What the names of views over these tables begin with; the rest is the name of the file."""

NAMES = frozenset({"workers", "tasks", "agreement", "asking_costs"})

_AGREEMENT = """
SELECT {file} AS labels, count(*) AS rows, sum(n) AS answers, avg(agreed) AS agreed, avg(posterior) AS posterior,
    count(*) FILTER (WHERE answer IS NULL) AS tied, count(*) FILTER (WHERE is_settled) AS settled
FROM {view} WHERE NOT is_golden
"""
_COST_OF_MODELS = """
SELECT {file} AS file, 'model' AS who, count(*) AS answers, count(unread) AS unread, count(failed) AS failed,
    sum(tokens_in) AS tokens_in, sum(tokens_out) AS tokens_out, sum(latency) AS seconds, sum(cost) AS cost
FROM {view}
"""
_COST_OF_PEOPLE = """
SELECT {file} AS file, 'people' AS who, sum(answers) AS answers, sum(answers * seconds) AS seconds, sum(cost) AS cost
FROM {view}
"""


def asked_views(views: Collection[str]) -> dict[str, str]:
    """Return name -> SQL of the views over those that are there; none where nobody was asked.

    Args:
        views: names in the catalog.
    """
    every = "SELECT {file} AS labels, * FROM {view}"
    parts = {
        "workers": _of(WORKERS, every, views),
        "tasks": _of(TASKS, every, views),
        "agreement": _of(TRUTH, _AGREEMENT, views),
        "asking_costs": [*_of(ANSWERS, _COST_OF_MODELS, views), *_of(WORKERS, _COST_OF_PEOPLE, views)],
    }
    return {name: "\nUNION ALL BY NAME\n".join(selects) for name, selects in parts.items() if selects}


def _of(prefix: str, sql: str, views: Collection[str]) -> list[str]:
    found = sorted(view for view in views if view.startswith(prefix))
    return [sql.format(file=f"'{view.removeprefix(prefix)}'", view=f'"{view}"').strip() for view in found]
