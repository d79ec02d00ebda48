"""What must agree between files of answers and the files that they are about: one function for each rule.

Belongs here: prompts that cannot be filled in, questions that wait for their own answers, who decides about near
duplicates. Does not: the order of rules (``rules``), what an answer is (``specs.answers``).
"""

from datasel_assets.answers.asks import UnknownAskError, ask_of
from datasel_assets.answers.prompts import PromptError, check_template
from datasel_assets.answers.reading import BATCHED, COMPARED
from datasel_assets.registry.absent import DUPLICATES_FILE, unknown_score
from datasel_assets.registry.base import Problems, no_such_file
from datasel_assets.registry.needed import files_of_answers
from datasel_assets.registry.people import AskedOfPeople
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.answers import AnswersSpec, LocalSpec


def questions_can_be_asked(registry: Registry) -> Problems:
    """The prompt of a file of answers is there and can be filled in, whom it asks is there, and its name is free."""
    found = {}
    for name, spec in registry.answers.items():
        file = f"answers/{name}.yaml"
        try:
            ask = ask_of(spec.ask)
            if ask is spec.ask:  # the shipped prompts are tested, and templates are slow to load
                check_template(ask)
        except (UnknownAskError, PromptError) as error:
            found[file] = str(error)
        if isinstance(spec.provider, LocalSpec) and spec.provider.local not in registry.language_models:
            found[file] = no_such_file(
                "provider.local", spec.provider.local, "language_models", registry.language_models
            )
        if file not in found and spec.is_stored and ask_of(spec.ask).about == "pair":
            found[file] = "provider.stored: stored replies are about single rows, and 'ask' is about pairs of them"
        if spec.distil and spec.distil.representation not in registry.representations:
            found[file] = no_such_file(
                "distil.representation", spec.distil.representation, "representations", registry.representations
            )
    return found


def questions_can_be_asked_together(registry: Registry) -> Problems:
    """A batch can be read part by part, and the vectors and examples of questions that are asked together are there."""
    found = {}
    for name, spec in registry.answers.items():
        file, ask, shown = f"answers/{name}.yaml", ask_of(spec.ask), spec.demonstrations
        for key, part in (("batch", spec.batch), ("demonstrations", shown)):
            if part and part.representation and part.representation not in registry.representations:
                found[file] = no_such_file(
                    f"{key}.representation", part.representation, "representations", registry.representations
                )
        if spec.batch and ask.reply.read not in BATCHED:
            found[file] = (
                f"batch: a reply that is read as {ask.reply.read!r} cannot be one of several; ask one by one, or read "
                f"{', '.join(BATCHED)}"
            )
        elif shown and (ask.about != "row" or ask.questions or ask.reply.read in COMPARED):
            found[file] = "demonstrations: they go with one question about whole rows that is not answered by a text"
        elif spec.replies_of and (problem := _no_replies(name, spec, registry)):
            found[file] = f"replies_of: {problem}"
        elif shown and (problem := _no_examples(name, spec, registry)):
            found[file] = f"demonstrations.from: {problem}"
    return found


def _no_replies(name: str, spec: AnswersSpec, registry: Registry) -> str | None:
    """Return why a file cannot judge the replies of another one, or None."""
    other = registry.answers.get(str(spec.replies_of))
    if other is None:
        return f"answers/{spec.replies_of}.yaml is absent, broken or answered by people"
    if f"answers/{name}.yaml" in files_of_answers(name, registry):
        return f"{spec.replies_of} itself waits for these answers; name another"
    if ask_of(other.ask).about != "row" or ask_of(other.ask).reply.read != "text":
        return f"{spec.replies_of} is not answered by texts about rows, as 'own_answer' is"
    return "pairs of rows have replies of their own" if ask_of(spec.ask).about == "pair" else None


def _no_examples(name: str, spec: AnswersSpec, registry: Registry) -> str | None:
    """Return why a file cannot show answers of another one, or None."""
    assert spec.demonstrations is not None
    source, people = spec.demonstrations.source, registry.labels
    if source in people:
        return None
    if source == name or source not in registry.answers:
        there = ", ".join(sorted({*people, *registry.answers} - {name})) or "none"
        return f"there is no other file {source}.yaml in labels/ or answers/; there are: {there}"
    if f"answers/{name}.yaml" in files_of_answers(name, registry):
        return f"{source} itself waits for these answers; name another"
    lacking = sorted(set(ask_of(spec.ask).reply.numbers) - set(ask_of(registry.answers[source].ask).reply.numbers))
    return f"the replies of {source} have no {lacking[0]!r}" if lacking else None


def questions_are_about_rows_that_are_there(registry: Registry) -> Problems:
    """The recipe and the score that choose the rows are there, and do not themselves wait for the answers."""
    known, found = registry.score_keep(), {}
    asked = [(f"answers/{name}.yaml", name, spec.rows) for name, spec in registry.answers.items()]
    questions = {name: spec for name, spec in registry.labels.items() if isinstance(spec, AskedOfPeople)}
    asked += [(f"labels/{name}.yaml", name, spec.rows) for name, spec in questions.items()]
    for file, name, rows in asked:
        if rows.recipe and rows.recipe not in registry.recipes:
            found[file] = no_such_file("rows.recipe", rows.recipe, "recipes", registry.recipes)
        elif rows.categories and rows.categories not in registry.categories:
            found[file] = no_such_file("rows.categories", rows.categories, "categories", registry.categories)
        elif rows.score and (problem := unknown_score([rows.score], registry, known)):
            found[file] = f"rows.score: {problem}"
        elif f"answers/{name}.yaml" in files_of_answers(name, registry):
            found[file] = "rows: what chooses the rows is made from the answers about them; name another"
    return found


def near_duplicates_are_adjudicated(registry: Registry) -> Problems:
    """Who decides about near duplicates is there and asks about their pairs, and nobody does so in vain."""
    asked = registry.duplicates and registry.duplicates.near.adjudicate
    judges = {name for name, spec in registry.answers.items() if spec.adjudicates}
    wrong = {
        f"answers/{name}.yaml": "pairs.of: near_duplicates needs 'about: pair' and no 'questions'"
        for name in judges
        if (ask := ask_of(registry.answers[name].ask)).about != "pair" or ask.questions
    }
    if wrong:
        return wrong
    if asked and asked.answers not in judges:
        there = ", ".join(sorted(judges)) or "none"
        said = (
            f"near.adjudicate.answers: answers/ has no file {asked.answers}.yaml with 'pairs: {{of: near_duplicates}}'"
        )
        return {DUPLICATES_FILE: f"{said}; there are: {there}"}
    return {
        f"answers/{name}.yaml": f"pairs.of: near.adjudicate of {DUPLICATES_FILE} must name this file"
        for name in judges - ({asked.answers} if asked else set())
    }
