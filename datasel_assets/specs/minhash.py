"""What a MinHash signature is made of, in ``duplicates.yaml``. Not here: signatures (``corpus.minhash``)."""

from typing import Literal

from pydantic import Field

from datasel_assets.schema import StrictModel


class MinHashSpec(StrictModel, frozen=True):
    """What a shingle is and how long a signature is. Signatures of different specs must not be compared.

    Attributes:
        unit: what a shingle is a run of. ``word``: words between white space, with their punctuation, which is the
            custom of the field. ``token``: words and marks of punctuation apart, so that layout and commas weigh less,
            as in code. ``character``: characters; as many shingles as characters.
        n: length of a run.
        bands: LSH bands; two rows are compared when all slots of at least one band agree.
        rows: slots per band. A pair of Jaccard similarity s is compared with probability 1 - (1 - s^rows)^bands.
        seed: chooses the hash functions.
    """

    unit: Literal["word", "token", "character"] = "word"
    n: int = Field(default=3, ge=1, le=64)
    bands: int = Field(default=32, ge=1, le=512)
    rows: int = Field(default=4, ge=1, le=64)
    seed: int = Field(default=0, ge=0, lt=2**64)

    @property
    def slots(self) -> int:
        """Length of a signature; 4 bytes each."""
        return self.bands * self.rows

    def chance(self, similarity: float) -> float:
        """Probability that a pair of this Jaccard similarity is compared at all: 1 - (1 - s^rows)^bands.

        >>> round(MinHashSpec().chance(0.7), 4), round(MinHashSpec().chance(0.2), 4)
        (0.9998, 0.05)
        """
        return 1 - (1 - similarity**self.rows) ** self.bands
