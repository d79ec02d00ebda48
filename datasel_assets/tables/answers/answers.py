"""The table of answers about the rows of one source: a line for each item that somebody was asked about.

Belongs here: asking what is missing, the lines, what the page says of them. Does not belong here: which rows and
requests there are (``questions``), scores (``scores``).

Nobody is asked unless somebody says so (``datasel ask``, or the button on the page of the table). A reply that cannot
be read stays in its line with the reason, and its numbers are null.
"""

from functools import partial
from typing import Any

import polars as pl

from datasel_assets.answers.cost import above_limits
from datasel_assets.answers.requests import Item
from datasel_assets.models.asking import Answer, Asked, ask_all
from datasel_assets.models.batch_asking import ask_in_batches
from datasel_assets.models.providers import Provider, ProviderError
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.answers import LocalSpec, RewardSpec
from datasel_assets.storage.lake import Expected
from datasel_assets.storage.replies import KeptReplies, Spent
from datasel_assets.tables.answers.adjudicate import Adjudicated, adjudicate
from datasel_assets.tables.answers.batches import CHUNK, Together
from datasel_assets.tables.answers.plan import plan
from datasel_assets.tables.answers.questions import Questions
from datasel_assets.tables.duplicates.near_pairs import DECISIONS
from datasel_assets.tables.shown import Rows, counts_table, sample_table
from datasel_assets.tables.table import Built, Check, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

ANSWERS = Kind("answers", per="source", companions=(DECISIONS,))

FAILED_SHARE = 0.05
"""Share of the items (and more than one) that may fail; with more the table is not published."""
SAID = 20
"""How often the log says how far asking is."""
EXAMPLES = 5
_ASKED = {False: "Asked on request only: `datasel ask {name}`.", True: "The replies are stored; nobody is asked."}


class OverLimitError(ValueError):
    """Asking would take more than the file allows; nothing was sent, or what came before is kept."""


def answer_table(name: str, registry: Registry) -> Table:
    """Return the table of the file ``answers/<name>.yaml``."""
    own = Questions(name, registry.answers[name], registry)
    model = own.spec.provider.called  # type: ignore[union-attr]  # people have a table of their own
    return Table(
        kind=ANSWERS,
        key=(ANSWERS.name, name),
        description=(
            f"{own.spec.doc}\n\nAnswers of `{model}` about rows. {own.ask.doc} Source: "
            f"{own.ask.paper or 'not stated'}. {_ASKED[own.spec.is_stored].format(name=name)}"
        ),
        group="scores",
        reads=own.reads(),
        expect=partial(_expect, own),
        build=partial(_build, own),
        checks={
            "all_answered": "every item has a reply",
            "mostly_read": "at least half of the replies could be read",
        },
        runs_model=isinstance(own.spec.provider, LocalSpec | RewardSpec),
        on_demand=not own.spec.is_stored,
        kinds=frozenset({"parquet"}),
        version=own.fingerprint(ANSWERS.version),
        columns={
            "item": "what of the row was asked about, and its place among the questions of a request; else empty",
            "unread": "why the numbers of the reply are not known",
            "failed": "why there is no reply",
            "cost": "by the prices of the file, of all attempts together",
        },
        lineage={"reply": [(("corpus",), "messages")]},
    )


def _expect(own: Questions, warehouse: Warehouse, source: str | None) -> Expected:
    # Items without a reply are asked about again the next time somebody asks.
    inputs = {**own.inputs(warehouse, str(source)), "all_answered": "yes"}
    return Expected((ANSWERS.name, own.name, str(source)), own.fingerprint(ANSWERS.version), inputs)


def _build(own: Questions, step: Step) -> Built:
    warehouse, source = step.warehouse, str(step.source)
    with own.kept(warehouse) as kept:
        planned = plan(own, warehouse, kept)
        if problems := above_limits(planned, own.spec):
            raise OverLimitError(
                f"answers/{own.name}.yaml: nothing was sent, because asking would take {'; '.join(problems)}. Ask "
                "about fewer rows (rows.sample), or raise the limit"
            )
        before = kept.spent
        together = Together(own, warehouse) if own.spec.together else None
        decided = _adjudicate(own, step, kept, together) if own.spec.adjudicates else None
        asked = decided.asked if decided else _ask(own, step, kept, together)
        spent = kept.spent
    if asked.stopped:
        raise OverLimitError(
            f"answers/{own.name}.yaml: stopped at {asked.stopped}. {len(asked.answers):,} items of {source} have a "
            "reply that is kept; raise the limit and ask again to go on from there"
        )
    if decided:
        asked, decided = _of_source(decided, warehouse, source)
    table = lines(own, asked)
    failed = table["failed"].drop_nulls()
    if len(failed) > max(1, FAILED_SHARE * table.height):
        raise ProviderError(
            f"{len(failed):,} of {table.height:,} requests failed, so nothing was published; the replies that came are "
            f"kept, and the same command asks for the others. For example: {failed[0]}"
        )
    inputs = {**step.expected.inputs, "all_answered": "no" if len(failed) else "yes"}
    expected = Expected(step.expected.key, step.expected.fingerprint, inputs)
    if decided:
        beside = Expected((DECISIONS, *expected.key[1:]), expected.fingerprint, expected.inputs)
        warehouse.lake.write(beside, decided.pairs)
    info = warehouse.lake.write(expected, table)
    unread = table["unread"].is_not_null()
    share = float(unread.mean() or 0.0)  # type: ignore[arg-type]  # of truth values
    new = table.height if own.spec.is_stored else asked.new
    return Built(
        info,
        new,
        table.height - min(new, table.height),
        metadata={
            **_facts(own, table, before, spent),
            **(_together_facts(asked, together) if together else {}),
            **(_decision_facts(decided) if decided else {}),
        },
        checks={
            "all_answered": Check(not len(failed), {"items": table.height, "failed": len(failed)}),
            "mostly_read": Check(share <= 0.5, {"unread": int(unread.sum())}),
        },
        rows_total=table.height,
    )


def _ask(own: Questions, step: Step, kept: KeptReplies, together: Together | None) -> Asked:
    """Ask what is missing of one source, with the progress in the log."""
    warehouse, source = step.warehouse, str(step.source)
    responses = own.responses(warehouse, source)
    total = own.count(warehouse, source)
    every = max(1, total // SAID)

    def tell(done: int, spent: Spent) -> None:
        step.progress(done, total)
        if done % every == 0:
            tokens = spent.tokens_in + spent.tokens_out
            money = own.spec.price.of(spent.tokens_in, spent.tokens_out)
            step.log.info(f"{step.stage} {source}: {done:,} of {total:,}; {tokens:,} tokens, {money:.4g} spent in all")

    def response(row: str) -> str:
        return responses.get(row, "")

    def provider() -> Provider:
        return own.provider(warehouse)

    if together is None:
        return ask_all(own.requests(warehouse, source), own.spec, own.ask, kept, provider, response, tell)
    return ask_in_batches(
        together.members(source),
        together.batches,
        CHUNK,
        own.spec,
        own.ask,
        kept,
        own.decides(warehouse),
        provider,
        response,
        tell,
    )


def _adjudicate(own: Questions, step: Step, kept: KeptReplies, together: Together | None) -> Adjudicated:
    """Ask about the pairs of the pool that are near duplicates or not, with the progress in the log."""

    def tell(done: int, spent: Spent) -> None:
        if done:
            tokens = spent.tokens_in + spent.tokens_out
            step.log.info(f"{step.stage}: {done:,} questions about pairs answered; {tokens:,} tokens spent in all")

    return adjudicate(own, step.warehouse, kept, lambda: own.provider(step.warehouse), together, tell)


def _of_source(decided: Adjudicated, warehouse: Warehouse, source: str) -> tuple[Asked, Adjudicated]:
    """Return what is about pairs whose first row is of a source."""
    rows = set(warehouse.lake.scan(("corpus", source)).select("row_id").collect()["row_id"])
    answers = {item: answer for item, answer in decided.asked.answers.items() if item.row_id in rows}
    pairs = decided.pairs.filter(pl.col("row_id").is_in(list(rows)))
    return Asked(answers, decided.asked.new), Adjudicated(decided.asked, pairs, decided.conflicts)


def _decision_facts(decided: Adjudicated) -> dict[str, Any]:
    pairs = decided.pairs
    return {
        "pairs": pairs.height,
        "pairs_asked": int(pairs["was_asked"].sum()),
        "pairs_that_followed_from_others": int((~pairs["was_asked"]).sum()),
        "pairs_the_same": int(pairs["is_same"].sum()),
        "answers_that_contradicted_others": decided.conflicts,
        "rounds": int(pairs["round"].max() or 0),  # type: ignore[arg-type]
    }


def lines(own: Questions, asked: Asked) -> pl.DataFrame:
    """Return the lines of the table, one for each item, in the order of rows and items."""
    numbers = own.ask.reply.numbers
    schema: dict[str, Any] = {
        "row_id": pl.String,
        "item": pl.String,
        "turn": pl.Int32,
        "step": pl.Int32,
        "question": pl.String,
        "other": pl.String,
        "swapped": pl.Boolean,
        "sample": pl.Int32,
        "reply": pl.String,
        **dict.fromkeys(numbers, pl.Float64),
        "unread": pl.String,
        "logprobs": pl.List(pl.Struct({"token": pl.String, "logprob": pl.Float64})),
        "attempts": pl.Int32,
        "tokens_in": pl.Int64,
        "tokens_out": pl.Int64,
        "cost": pl.Float64,
        "latency": pl.Float64,
        "failed": pl.String,
    }
    rows = []
    for item, answer in asked.answers.items():
        reply = answer.reply
        logprobs = sorted(reply.logprobs.items(), key=lambda pair: (-pair[1], pair[0])) if reply.logprobs else None
        rows.append(
            (
                item.row_id,
                _label(item, answer),
                item.turn,
                item.step,
                item.question,
                item.other,
                item.swapped,
                item.sample,
                None if reply.failed else reply.text,
                *(answer.read.numbers.get(name) for name in numbers),
                answer.read.unread,
                None if logprobs is None else [{"token": token, "logprob": value} for token, value in logprobs],
                answer.attempts,
                answer.tokens_in,
                answer.tokens_out,
                own.spec.price.of(answer.tokens_in, answer.tokens_out),
                answer.latency,
                reply.failed,
            )
        )
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.sort("row_id", "turn", "step", "question", "other", "swapped", "sample", nulls_last=False)


def _label(item: Item, answer: Answer) -> str:
    """Return what of a row was asked about, and where among others it stood in the request."""
    place = f"{answer.place[0] + 1} of {answer.place[1]}" if answer.place else ""
    return ", ".join(filter(None, (item.label, place)))


def _together_facts(asked: Asked, together: Together) -> dict[str, Any]:
    """Show how many questions stood together, and what examples took."""
    sizes = [answer.place[1] if answer.place else 1 for answer in asked.answers.values()]
    counts = {str(size): sizes.count(size) for size in sorted(set(sizes), reverse=True)}
    facts: dict[str, Any] = {"questions_of_a_request": counts_table(counts, "questions of the request", "items")}
    if together.own.spec.demonstrations:
        facts["examples_shown_now"] = len(together.shown)
        facts["questions_without_an_example_within_reach"] = together.uncovered
    return facts


def _facts(own: Questions, table: pl.DataFrame, before: Spent, spent: Spent) -> dict[str, Any]:
    price = own.spec.price
    paid = price.of(spent.tokens_in - before.tokens_in, spent.tokens_out - before.tokens_out)
    facts: dict[str, Any] = {
        "items": table.height,
        "replies_paid_for_now": spent.replies - before.replies,
        "cost_now": round(paid, 6),
        "cost_of_the_table": round(float(table["cost"].sum()), 6),
        "tokens_in": int(table["tokens_in"].sum()),
        "tokens_out": int(table["tokens_out"].sum()),
        "seconds_of_a_reply": round(float(table["latency"].mean() or 0.0), 3),  # type: ignore[arg-type]
        "unread_share": round(float(table["unread"].is_not_null().mean() or 0.0), 4),  # type: ignore[arg-type]
        "asked_more_than_once": int((table["attempts"] > 1).sum()),
        "replies": _examples(own, table),
    }
    for column in ("unread", "failed"):
        reasons = table[column].drop_nulls().value_counts(sort=True).head(EXAMPLES)
        if reasons.height:
            facts[column] = counts_table(dict(reasons.iter_rows()), "reason", "items")
    return facts


def _examples(own: Questions, table: pl.DataFrame) -> Rows:
    """Show some replies, those that could not be read first."""
    shown = table.sort(pl.col("unread").is_null(), "row_id", "item").head(EXAMPLES)
    return sample_table(shown, ["row_id", "item", "reply", *own.ask.reply.numbers, "unread"], rows=EXAMPLES)
