"""What files of ``gradients/`` are made for, and what they need that a model may not keep.

Belongs here: which of their tables are made, which models keep what Adam remembers, what is wrong between a file of
gradients, its model and a score. Does not: other rules (``rules``), the tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from datasel_assets.indicators.score_kinds import kind_of
from datasel_assets.registry.loops import loops_in_use
from datasel_assets.registry.registry import Registry
from datasel_assets.registry.score import scores_in_use
from datasel_assets.specs.gradients import GradientsSpec, kept_by
from datasel_assets.specs.influence import GradientNormSpec, InfluenceSpec
from datasel_assets.specs.language_model import LOCAL, LanguageModelSpec
from datasel_assets.specs.score import ScoreSpec

MOST_DIMS = 8192
"""Numbers of a stored gradient up to which a Gram matrix of them is made: 512 MB."""


@dataclass
class Use:
    """What of a file of gradients is made.

    Attributes:
        rows: the gradients of the pool are stored.
        vectors: they are the vectors of a representation.
        targets: the targets whose gradients are stored.
        moments: what Adam remembers is read.
    """

    rows: bool = False
    vectors: bool = False
    targets: set[str] = field(default_factory=set)
    moments: bool = False


def gradients_in_use(registry: Registry) -> dict[str, Use]:
    """Return the files of gradients that a representation or a score in use is made of."""
    found: dict[str, Use] = {}
    for layers in registry.representations.values():
        if layers.gradients:
            use = found.setdefault(layers.gradients, Use())
            use.rows, use.vectors, use.targets = True, True, set(registry.targets)
    probed = {
        file for loop in loops_in_use(registry) for _, folder, file in registry.loops[loop].files if folder == "scores"
    }
    made = scores_in_use(registry.scores, registry.recipes, registry.duplicates)
    for name in [*made, *sorted(probed - set(made))]:
        score = registry.scores[name]
        needs = kind_of(score).needs(score)
        for need in needs:
            if need.what in ("gradients", "gradient_table") and need.name:
                use = found.setdefault(need.name, Use())
                if need.what == "gradient_table":
                    use.rows = True
                    use.targets |= {str(other.name) for other in needs if other.what == "example"}
                use.moments |= isinstance(score, InfluenceSpec) and score.precondition == "adam"
    for name, use in found.items():
        use.moments |= registry.gradients[name].optimiser == "adam"
    return found


def kept_of_trainings(registry: Registry) -> dict[str, dict[str, Any]]:
    """Return the language models whose training keeps ``moments`` or ``checkpoints`` for gradients, and which."""
    found: dict[str, dict[str, Any]] = {}
    for name, use in gradients_in_use(registry).items():
        spec = registry.gradients[name]
        kept = found.setdefault(spec.model, {})
        if use.moments:
            kept["moments"] = True
        if spec.several:
            kept["checkpoints"] = kept_by(registry.language_models[spec.model])
    return found


def not_kept(spec: GradientsSpec, models: Mapping[str, LanguageModelSpec]) -> str | None:
    """Return what a file of gradients asks for and its model does not keep, in words."""
    model, file = models[spec.model], f"language_models/{spec.model}.yaml"
    if spec.optimiser == "adam" and not model.is_local:
        return f"optimiser: {_no_moments(file)} say 'optimiser: sgd'"
    if not spec.several:
        return None
    there = kept_by(model)
    if not there:
        how = "checkpoints: [{revision: ...}, ...]"
        return f"checkpoints: {file} names none: say '{how}' there, or 'checkpoints: last' here"
    beyond = [k for k in spec.of_checkpoints(there) if k >= there]
    if beyond:
        return f"checkpoints: there is no number {beyond[0]}: {file} keeps {there}, numbered from 0"
    return None


def contradicts(spec: ScoreSpec, registry: Registry) -> str | None:
    """Return what a score asks of its gradients that they cannot give, in words."""
    if isinstance(spec, GradientNormSpec):
        if registry.gradients[spec.gradients].optimiser == "adam":
            return "gradients: steps of Adam are nearly equally long for all rows: name gradients with 'optimiser: sgd'"
        return None
    if not isinstance(spec, InfluenceSpec):
        return None
    gradients = registry.gradients[spec.gradients]
    model, file = registry.language_models[gradients.model], f"language_models/{gradients.model}.yaml"
    if spec.precondition == "adam":
        if gradients.optimiser == "adam":
            return "precondition: the gradients are steps of Adam already: say 'precondition: none'"
        if not model.is_local:
            return f"precondition: {_no_moments(file)} say 'precondition: ekfac' or 'none'"
    if spec.precondition == "gram" and gradients.dims > MOST_DIMS:
        return (
            f"precondition: a Gram matrix of gradients/{spec.gradients}.yaml would have {gradients.dims:,} x "
            f"{gradients.dims:,} numbers: at most {MOST_DIMS:,} dims"
        )
    if spec.toward == "held_out" and not model.is_local:
        return f"toward: only models trained here ({LOCAL}) hold rows out, not that of {file}: name a target"
    unknown = isinstance(model.checkpoints, tuple) and any(each.learning_rate is None for each in model.checkpoints)
    if gradients.several and spec.checkpoint_weights == "learning_rate" and unknown:
        return (
            f"checkpoint_weights: {file} does not say the learning_rate of each checkpoint: add it there, or say "
            "'checkpoint_weights: equal'"
        )
    return None


def _no_moments(file: str) -> str:
    return (
        f"the model of {file} is not trained here, and what Adam remembered of its training is not at hand; name one "
        f"with 'causal: {{model: {LOCAL}}}', or"
    )
