"""``data/sources/*.yaml``: where a dataset lies, what schema it has, and how much of it may be unreadable."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from datasel_assets.formats import FORMATS
from datasel_assets.schema import StrictModel, suggestion

Format = Literal["auto", "alpaca", "sharegpt", "messages", "prompt_completion", "qa", "transcript", "text"]
Address = Annotated[str, Field(min_length=1)]
Uri = Address | Annotated[list[Address], Field(min_length=1)]


class Limits(StrictModel, frozen=True):
    """What a hostile or broken file may cost.

    Attributes:
        file_bytes: most bytes of one file after decompression, and of one download.
        row_chars: most characters of one row as it stands in the file; a longer row goes to quarantine.
        turns: most messages of one row; a row with more goes to quarantine.
    """

    file_bytes: int = Field(default=8 << 30, gt=0)
    row_chars: int = Field(default=2_000_000, gt=0)
    turns: int = Field(default=2_000, gt=0)


class Located(StrictModel, frozen=True):
    """Rows that lie somewhere in some schema: what sources and targets have in common.

    Attributes:
        uri: path (relative to the data folder), glob, ``https://``, ``hf://``, ``s3://`` or a generator such as
            ``arithmetic:?rows=2000``; or a list of these, read in order.
        format: schema of the rows; ``auto`` looks at a sample.
        columns: field of the format -> column of the data, where detection cannot know.
        strip_suffix: literal that is cut from the end of assistant messages, such as ``<|endoftext|>``.
        limits: what a hostile or broken file may cost.
        doc: what the rows are.
    """

    uri: Uri | None
    format: Format = "auto"
    columns: dict[str, str] = Field(default_factory=dict)
    strip_suffix: str | None = None
    limits: Limits = Limits()
    doc: str = ""

    @property
    def uris(self) -> tuple[str, ...]:
        """All addresses in reading order."""
        if self.uri is None:
            return ()
        return (self.uri,) if isinstance(self.uri, str) else tuple(self.uri)

    def inline(self) -> tuple[dict[str, Any], ...]:
        """Records that stand in the registry file itself."""
        return ()

    def ingest_options(self) -> dict[str, Any]:
        """Keyword arguments for ``corpus.ingest``."""
        return {
            "format": self.format,
            "columns": self.columns,
            "max_turns": self.limits.turns,
            "strip_suffix": self.strip_suffix,
        }

    @model_validator(mode="after")
    def _columns_fit_the_format(self) -> "Located":
        formats = FORMATS if self.format == "auto" else {self.format: FORMATS[self.format]}
        if any(self.columns.keys() <= module.FIELDS.keys() for module in formats.values()):
            return self
        fields = sorted({field for module in formats.values() for field in module.FIELDS})
        unknown = [field for field in self.columns if field not in fields]
        if not unknown:
            raise ValueError(f"columns: no format has all of the fields {', '.join(self.columns)}")
        hint = suggestion(unknown[0], fields)
        raise ValueError(
            f"columns: {unknown[0]!r} is not a field of format {self.format}{hint} Fields: {', '.join(fields)}"
        )


class SourceSpec(Located, frozen=True):
    """A dataset of the pool.

    Attributes:
        licence: licence of the data, which releases carry on.
        max_quarantined_share: the run fails, and nothing is replaced, when more of the rows cannot be used; rows that
            the data itself marks as bad or as not to be trained on do not count.
    """

    uri: Uri
    licence: str | None = None
    max_quarantined_share: float = Field(default=0.2, ge=0, le=1)
