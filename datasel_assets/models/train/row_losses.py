"""What a model that is being trained says of rows, as the indicators of a language model are defined.

Belongs here: the mean loss of the response tokens of a row, with its prompt or without. Does not: losses in training,
which count the mark that ends a turn (``texts``), the indicators (``indicators.tokens``).
"""

from collections.abc import Sequence

import numpy as np

from datasel_assets.models.contexts import Conversation, conditioned, unconditioned
from datasel_assets.models.train.row_model import RowModel
from datasel_assets.models.train.texts import read_texts
from datasel_assets.models.train.training import evaluate


def row_losses(model: RowModel, conversations: Sequence[Conversation], *, prompts: bool = True) -> np.ndarray:
    """Return (n,) float64 the mean loss of a response token of each row; NaN without one.

    Args:
        model: in evaluation mode.
        conversations: n rows.
        prompts: whether a response follows its prompt, or the header of the assistant's turn alone (Cherry LLM).
    """
    rows = list(conversations)
    requests = conditioned(rows, model.renderer) if prompts else unconditioned(rows, model.renderer, "header")
    texts = read_texts(requests.items, len(rows), model.tokenizer, requests.fallbacks)
    return evaluate(model, texts).values["loss"][0].astype(np.float64)
