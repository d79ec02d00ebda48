"""Dynamics of a language model that is trained further on rows of the pool.

Belongs here: the sample, the model's folder, both trainings (one of them with planted faults). Does not: the training
(``models.dynamics``).
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.indicators.beta_mixture import BetaMixture
from datasel_assets.indicators.dynamics import History, wrong_events
from datasel_assets.models.dynamics import Watched, plant, watch
from datasel_assets.specs.dynamics import DynamicsSpec
from datasel_assets.specs.language_model import LanguageModelSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.tables.dynamics.made import Made
from datasel_assets.tables.language_models.conversations import pool_conversations
from datasel_assets.tables.table import Step
from datasel_assets.tables.trained_models import causal_spec


def watch_rows(name: str, spec: DynamicsSpec, model: LanguageModelSpec, checkpoints: Path, step: Step) -> Made:
    """Train the model on a sample of the pool, and again on the sample with planted faults."""
    from datasel_assets.models.train.training import Progress

    warehouse = step.warehouse
    pool = pool_conversations(warehouse)
    places = hash_sample(pool.names["row_id"].to_numpy(), spec.rows, spec.seed)
    names = pool.names[places]
    ids = names["row_id"].to_numpy().astype(np.str_)
    rows = pool.read(places).to_list()
    twice = 2 if spec.planted else 1
    step.log.info(f"dynamics/{name}: {len(rows):,} rows are trained on {spec.epochs} times, in {twice} trainings")
    causal = causal_spec(warehouse, str(spec.model), model)
    identity = digest([step.expected.fingerprint, dict(step.expected.inputs), ids.tolist()])
    train = partial(watch, causal, spec, ids, device=warehouse.settings.device, base=warehouse.settings.data)

    def told(part: int) -> Progress:
        return lambda done, total: step.progress(part * total + done, twice * total)

    found: Watched = train(
        conversations=rows, checkpoints=checkpoints / "rows", identity=digest([identity, "rows"]), progress=told(0)
    )
    made = Made(
        names=names.select("row_id", "source"),
        history=with_mixture(found.history),
        texts=[_shown(row) for row in rows],
        facts={
            "rows": len(rows),
            "rows_with_a_response": int(found.history.seen.sum()),
            "response_tokens": found.tokens,
            "trained_weights": found.parameters,
            "resumed_at_step": found.resumed_at,
            "fallbacks": found.fallbacks,
        },
    )
    if spec.planted is None:
        return made
    wrong, marked = plant(ids, rows, spec.planted.share, spec.seed)
    again: Watched = train(
        conversations=wrong,
        checkpoints=checkpoints / "planted",
        identity=digest([identity, "planted"]),
        progress=told(1),
    )
    return replace(made, planted=with_mixture(again.history), marked=marked)


def with_mixture(history: History) -> History:
    """Return a history with what the mixture over its wrong events says of each row."""
    counts = wrong_events(history)
    if not np.isfinite(counts).any():
        return history
    mixture = BetaMixture.fit(counts)
    known = np.isfinite(counts)
    found = {name: np.full(len(counts), np.nan) for name in ("p_clean", "difficulty")}
    found["p_clean"][known] = mixture.p_clean(counts[known])
    found["difficulty"][known] = mixture.quantiles(counts[known])[0]
    return replace(history, given={**history.given, **found})


def _shown(row: list[dict[str, str]]) -> tuple[str, str]:
    """Return what is asked first and answered last."""
    asked = next((message["content"] for message in row if message["role"] == "user"), "")
    said = row[-1]["content"] if row and row[-1]["role"] == "assistant" else ""
    return asked, said
