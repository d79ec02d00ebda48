"""``data/categories/*.yaml``: kinds of instruction, told apart by a small classifier that learns from seed examples.

Belongs here: the description. Does not: the classifier (``indicators.categories``), the tables.
"""

from typing import Annotated

from pydantic import Field

from datasel_assets.schema import Slug, StrictModel


class CategoriesSpec(StrictModel, frozen=True):
    """A division of the pool into categories; its file name is the name in recipes (``groups: laser``).

    Attributes:
        doc: what it is for.
        representation: whose vectors the classifier sees.
        target: the seed examples, a file of targets/; the task of an example is its category. Two or more of each.
        ridge: penalty on the squared weights, as a share of the mean scatter of the vectors' coordinates. Larger values
            suit fewer seeds; the leave-one-out accuracy on the page of the asset tells which is best.
    """

    doc: str = ""
    representation: Slug
    target: Slug
    ridge: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
