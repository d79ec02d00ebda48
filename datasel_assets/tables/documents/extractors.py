"""Rows drawn out of documents, by rules or by a model.

Belongs here: both ways behind one call. Does not: which documents are read (``extractions``), the rules
(``documents``), prompts and replies (``answers.extracting``).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from datasel_assets.answers.extracting import UNREAD, document_row, first_pass, placed, read_rows, second_pass
from datasel_assets.answers.requests import Item, Request, request_of
from datasel_assets.documents.document import Document, Drawn
from datasel_assets.documents.rules import draw
from datasel_assets.models.asking import ask_all
from datasel_assets.models.providers import Provider, ProviderError
from datasel_assets.specs.answers import AnswersSpec
from datasel_assets.specs.ask import AskSpec
from datasel_assets.specs.extraction import ExtractionSpec, ExtractorSpec
from datasel_assets.storage.replies import KeptReplies
from datasel_assets.tables.answers import providers
from datasel_assets.tables.warehouse import Warehouse

Extract = Callable[[Sequence[Document]], list[list[Drawn]]]
"""Draws the rows of some documents."""


def by_rules(spec: ExtractionSpec) -> Extract:
    """Return the rules of a file."""
    return lambda documents: [draw(document, spec.rules) for document in documents]


class ModelExtractor:
    """Draws rows by a model; every reply is kept, so that a run that was killed pays for none twice.

    Attributes:
        unread: documents whose reply could not be read, which gave no rows.
    """

    def __init__(self, name: str, spec: ExtractorSpec, warehouse: Warehouse) -> None:
        """Take what is needed; nothing is sent.

        Args:
            name: of the file in ``extractions/``.
            spec: who is asked.
            warehouse: in which replies are kept.
        """
        self._name, self._spec, self._warehouse = name, spec, warehouse
        self._provider: Provider | None = None
        self._kept = KeptReplies(warehouse.settings.warehouse / "_replies" / f"extraction-{name}")
        self.unread = 0

    def __enter__(self) -> "ModelExtractor":
        self._kept.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._kept.__exit__(*error)

    def __call__(self, documents: Sequence[Document]) -> list[list[Drawn]]:
        """Draw the rows of some documents.

        Raises:
            ProviderError: a request failed.
            ValueError: a limit was reached; the replies are kept.
        """
        texts = {str(place): f"{one.title}\n\n{one.text}".strip() for place, one in enumerate(documents)}
        found = self._pass(first_pass(self._spec), texts, {})
        if self._spec.refine:
            again = {key: text for key, text in texts.items() if found.get(key)}
            found |= self._pass(second_pass(self._spec), again, found)
        # Spans are those of the text alone, without the title that stood before it.
        return [placed(found.get(str(place), []), document.text) for place, document in enumerate(documents)]

    def facts(self) -> dict[str, Any]:
        """Return what the model took."""
        spent = self._kept.spent
        return {
            "replies_of_the_model": spent.replies,
            "tokens_in": spent.tokens_in,
            "tokens_out": spent.tokens_out,
            "cost": round(self._spec.price.of(spent.tokens_in, spent.tokens_out), 6),
            "documents_whose_reply_could_not_be_read": self.unread,
        }

    def _pass(
        self, ask: AskSpec, texts: Mapping[str, str], before: Mapping[str, list[Drawn]]
    ) -> dict[str, list[Drawn]]:
        """Return document -> rows of one pass; one whose reply cannot be read is asked again, then left out."""
        spec = AnswersSpec.model_validate(
            {
                "ask": ask.model_dump(exclude_unset=True),
                "provider": self._spec.provider,
                "limits": self._spec.limits,
                "price": self._spec.price,
                "again": 0,
            }
        )
        decides = providers.decides(self._spec.provider, self._warehouse)
        rows = {key: document_row(text, before.get(key, ())) for key, text in texts.items()}
        requests = {key: request_of(spec, ask, Item(key), rows, decides) for key in rows}
        found: dict[str, list[Drawn]] = {}
        for _ in range(1 + self._spec.again):
            replies = self._replies(spec, ask, requests)
            read = {key: read_rows(reply, texts[key], self._spec.most) for key, reply in replies.items()}
            found |= {key: drawn for key, drawn in read.items() if drawn is not None}
            requests = {
                key: requests[key].after(replies[key], UNREAD, ask) for key, drawn in read.items() if drawn is None
            }
        self.unread += len(requests)
        return found

    def _asked(self) -> Provider:
        """Return who is asked; a model of this process is loaded once."""
        self._provider = self._provider or providers.provider(self._spec.provider, self._warehouse)
        return self._provider

    def _replies(self, spec: AnswersSpec, ask: AskSpec, requests: Mapping[str, Request]) -> dict[str, str]:
        if not requests:
            return {}
        asked = ask_all(requests.values(), spec, ask, self._kept, self._asked)
        if asked.stopped:
            raise ValueError(
                f"extractions/{self._name}.yaml: stopped at {asked.stopped}; raise it, the replies are kept"
            )
        failed = [answer.reply.failed for answer in asked.answers.values() if answer.reply.failed]
        if failed:
            raise ProviderError(f"{len(failed)} of {len(requests)} documents got no reply, for example: {failed[0]}")
        return {item.row_id: answer.reply.text for item, answer in asked.answers.items()}
