"""``data/defaults.yaml``: which file is meant where several could be and the reader names none."""

from typing import Annotated

from pydantic import Field, field_validator

from datasel_assets.schema import Slug, StrictModel


class DefaultsSpec(StrictModel, frozen=True):
    """Names of files, each without ``.yaml``. A key is needed only where there is more than one candidate.

    Attributes:
        clusters: the file of representations/ by whose clusters recipes are balanced and compared.
        tags: the file of tags/ by which recipes are compared.
        quality: the blend, a file of scores/, that stands for quality where recipes are compared.
        neighbours: the file of representations/ by which the neighbours of rows are found.
        proxy: the file of language_models/ that selections are tried out with, where proxy_eval.yaml names none.
        comparison: the files of targets/ by which recipes are compared and tried out; all of them when left out, but
            for the seed examples of categories.
    """

    clusters: Slug | None = None
    tags: Slug | None = None
    quality: Slug | None = None
    neighbours: Slug | None = None
    proxy: Slug | None = None
    comparison: Annotated[tuple[Slug, ...], Field(min_length=1)] | None = None

    @field_validator("comparison")
    @classmethod
    def _once(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names and (twice := sorted({name for name in names if names.count(name) > 1})):
            raise ValueError(f"the target {twice[0]!r} is named twice")
        return names
