"""``data/documents/*.yaml``: texts that are no conversations, of which rows may be drawn. Not here: drawing them."""

from pydantic import Field

from datasel_assets.schema import StrictModel
from datasel_assets.specs.source import Limits, Located, Uri


class DocumentsSpec(StrictModel, frozen=True):
    """A collection of documents.

    Each file is a document where it ends in ``.txt``, ``.md``, ``.markdown``, ``.rst``, ``.html`` or ``.htm`` (also
    with ``.gz`` or ``.zst``); in Parquet, JSON, JSON Lines, CSV and TSV each record is one.

    Attributes:
        uri: as in ``sources/``: a path (relative to the data folder), a pattern, an address, or a list of these.
        text: field of a record that holds the text.
        title: field of a record that holds the title, where there is one.
        path: field of a record that says where the document is from, where there is one.
        licence: of the documents, and so of the rows drawn out of them: name it in the source that reads these.
        limits: what a hostile or broken file may cost.
        doc: what they are.
    """

    uri: Uri
    text: str = "text"
    title: str = "title"
    path: str = "path"
    licence: str | None = None
    limits: Limits = Field(default_factory=Limits)
    doc: str = ""

    @property
    def located(self) -> Located:
        """Where the files are, as readers take it."""
        return Located(uri=self.uri, limits=self.limits)
