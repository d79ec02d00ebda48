"""When an asset refreshes by itself. Belongs here: the automation conditions. Not: the sensor that evaluates them."""

import dagster as dg


def upstream_or_code_changed(*, whole_pool: bool = False) -> dg.AutomationCondition:
    """Request a partition when what it is made from really changed.

    Each term prevents a failure that ``AutomationCondition.eager()`` has:

    - ``data_version_changed`` instead of ``newly_updated``: a refresh that found nothing new re-materialises the
      parent with an equal data version, and eager would re-run every child for it.
    - ``code_version_changed``: eager ignores it, so a new model or parameter would never reach the table.
    - ``execution_failed().newly_true()``: eager never asks again for a failed run; this asks exactly once more.
    - ``any_deps_in_progress``: a global asset waits until a burst of sources has landed and then runs once.

    Row-level tables skip unchanged rows themselves, so a redundant request costs milliseconds.

    Args:
        whole_pool: for an asset that reads all sources at once. It waits until every table it reads exists for at
            least one source, where the default waits for every partition: one new source that cannot be read would
            otherwise stop the selections of all others.
    """
    condition = dg.AutomationCondition
    changed = condition.any_deps_updated().replace("newly_updated", condition.data_version_changed())
    ready = condition.all_deps_match(~condition.missing()) if whole_pool else ~condition.any_deps_missing()
    return (
        ~condition.in_progress()
        & ~condition.any_deps_in_progress()
        & ready
        & (
            changed.since(condition.newly_requested() | condition.initial_evaluation())
            | condition.code_version_changed()
            | condition.newly_missing()
            | condition.execution_failed().newly_true()
        )
    ).with_label("upstream_or_code_changed")
