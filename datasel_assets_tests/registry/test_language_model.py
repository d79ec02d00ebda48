"""A file of ``language_models/``: which passes it asks for, and which indicators they allow."""

from datasel_assets.indicators.tokens import computable, passes_of
from datasel_assets.specs.language_model import LanguageModelSpec


def spec(**options: object) -> LanguageModelSpec:
    return LanguageModelSpec.model_validate(options)


def test_numbered_contexts_are_one_pass_each():
    found = spec(
        contexts=["perturbed", "choices", "unconditioned_bare", "subnet"],
        copies=2,
        subnet_rates=[0.1, 0.5],
        checkpoints=2,
    )
    assert found.passes == (
        *("conditioned", "unconditioned_bare", "perturbed_0", "perturbed_1", "subnet_0", "subnet_1"),
        *("checkpoint_0", "checkpoint_1", "choices"),
    )
    assert found.checkpoint_passes == ("checkpoint_0", "checkpoint_1")
    assert spec(contexts=[]).passes == ("conditioned",)


def test_an_indicator_is_made_from_its_passes_alone():
    found = spec(
        contexts=["perturbed", "choices", "unconditioned_bare", "unconditioned_header", "subnet"],
        copies=11,
        subnet_rates=[0.1],
        checkpoints=1,
    )
    assert passes_of("perplexity", found.passes) == ["conditioned"]
    assert passes_of("ifd_perplexity_ratio", found.passes) == ["conditioned", "unconditioned_bare"]
    assert passes_of("prompt_uncertainty", found.passes) == ["conditioned", *(f"perturbed_{k}" for k in range(11))]
    assert passes_of("learning_complexity", found.passes) == ["subnet_0"]
    assert passes_of("learning_complexity_checkpoints", found.passes) == ["checkpoint_0"]
    assert passes_of("cape", found.passes) == ["choices"]
    assert set(computable(found.scored_under)) >= {"cape", "prompt_uncertainty", "learning_complexity_checkpoints"}
