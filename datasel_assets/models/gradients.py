"""Gradients of single conversations under a causal language model: one forward and one backward pass per batch.

Belongs here: the loss, the batches, the passes. Does not: the layers (:mod:`~datasel_assets.models.linear_hooks`), what
is kept of a gradient (:mod:`~datasel_assets.models.gradient_projections`), curvature
(:mod:`~datasel_assets.models.curvature_fit`).
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from datasel_assets.arrays.halving import TokenBudget
from datasel_assets.arrays.token_batches import padded_cost, plan_padded
from datasel_assets.models.adam import read_adam
from datasel_assets.models.causal_loading import check_context, load_causal_model, take_apart
from datasel_assets.models.contexts import Conversation, conditioned
from datasel_assets.models.device import pick_device, pick_dtype
from datasel_assets.models.device_memory import run_within_memory
from datasel_assets.models.dialogue import DialogueRenderer
from datasel_assets.models.forward_hooks import right_pad
from datasel_assets.models.linear_hooks import Layers, LinearHooks, find_linears, row_gradients, squared_lengths
from datasel_assets.models.loading import text_config
from datasel_assets.models.resolve import resolve_model
from datasel_assets.models.scored_tokens import Scored, ScoringTokenizer
from datasel_assets.models.threads import run_on_threads
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.specs.gradients import Loss

if TYPE_CHECKING:
    import torch

CPU_ACTIVATIONS = 1024 * 192
GPU_TOKENS = 16_384
WIDE = 512
"""Hidden size from which batches run one after the other on the CPU."""

LOGITS = 1 << 22


class Projection(Protocol):
    """What is kept of a row's gradient: a linear map of it, layer by layer.

    Attributes:
        width: how many numbers of a row.
    """

    width: int

    def add(self, module: int, gradient: "torch.Tensor", out: "torch.Tensor") -> None:
        """Add what one layer gives, from its gradients (r, o, i), to ``out`` (r, width), both float32."""
        ...


@runtime_checkable
class TokenProjection(Projection, Protocol):
    """A projection that can be told the tokens of a row instead of its gradient, which then is never formed."""

    def add_tokens(self, module: int, x: "torch.Tensor", delta: "torch.Tensor", out: "torch.Tensor") -> None:
        """Add what one layer gives, from its inputs (r, T, i) and the gradients of its outputs (r, T, o), float32."""
        ...


@dataclass(frozen=True, eq=False)
class RowGradients:
    """What was kept of the gradients of n rows.

    Attributes:
        values: (n, width) float32; zero for a row without a scored token.
        norm: (n,) float64 length of the whole gradient, nats (a token, for ``response_mean``) per unit of weight; of
            the whole step, where gradients were turned into steps of Adam.
        tokens: (n,) int64 response tokens that the loss is over.
        fallbacks: rows that the chat template refused and that are written in the alpaca format.
    """

    values: np.ndarray
    norm: np.ndarray
    tokens: np.ndarray
    fallbacks: int


@dataclass(frozen=True, eq=False)
class _Pass:
    """One text of a row: token ids, positions whose token is predicted, and these tokens."""

    row: int
    ids: np.ndarray
    positions: np.ndarray
    targets: np.ndarray


class GradientModel:
    """A causal language model that tells the gradient of each conversation.

    Weights are float32 unless the precision is named: differences between gradients are smaller than bfloat16 rounds.

    Attributes:
        spec: the model and how rows are shown to it.
        loss: ``response_sum`` or ``response_mean``, see :class:`datasel_assets.specs.gradients.GradientsSpec`.
        device: where it runs.
        modules: names of the linear layers, in the order of the model.
        shapes: their (o, i).
        adam: what Adam remembers of the training; None where that was not asked for.
    """

    def __init__(
        self,
        spec: CausalSpec,
        device: str = "auto",
        *,
        loss: Loss = "response_sum",
        token_budget: int | None = None,
        base: Path | None = None,
        moments: Path | None = None,
    ) -> None:
        """Load the model.

        Args:
            spec: model, context, template.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<i>``.
            loss: sum or mean over the response tokens of a row.
            token_budget: tokens of one batch, padding included.
            base: folder that a relative model path starts from.
            moments: file of the moments of Adam that go with the weights, where they are asked for.

        Raises:
            FileNotFoundError: there are no such moments.
            ModelNotFoundError: no such model, or it has no fast tokenizer.
            ModelIntegrityError: weights are missing.
            UnsupportedModelError: body and head cannot be told apart, or its blocks have no plain linear layers.
            ValueError: the device, the template or ``max_tokens`` does not suit the model.
        """
        self.spec, self.loss = spec, loss
        resolved = resolve_model(spec.model, spec.revision, base=base)
        self.device = pick_device(device)
        dtype = pick_dtype("float32" if spec.precision == "auto" else spec.precision, self.device)
        self._tokenizer = ScoringTokenizer(resolved, spec.max_tokens, spec.overflow)
        self._renderer = DialogueRenderer(self._tokenizer.tokenizer, spec.template)
        model = load_causal_model(resolved, dtype, self.device)
        check_context(model, spec)
        tolerance = 1e-3 if str(dtype) == "torch.float32" else 5e-2
        self._parts = take_apart(model, self._tokenizer.pad_id, tolerance, pack=False)
        linears = find_linears(model)
        self.modules = tuple(linears)
        self.shapes = tuple((module.out_features, module.in_features) for module in linears.values())
        self.adam = None if moments is None else read_adam(moments, self.modules, self.device)
        self._hooks = LinearHooks(linears)
        hidden = text_config(model).hidden_size
        default = max(256, CPU_ACTIVATIONS // hidden) if self.device.type == "cpu" else GPU_TOKENS
        self._budget = TokenBudget(token_budget or default)
        # What a batch of a wide model holds is large, and its products are large enough to be shared by all cores.
        self._wide = self.device.type == "cpu" and hidden >= WIDE

    def read(
        self,
        conversations: Sequence[Conversation],
        projection: Projection,
        progress: Callable[[int], None] | None = None,
        *,
        steps: bool = False,
    ) -> RowGradients:
        """Return what ``projection`` keeps of the gradient of each conversation, and its length.

        Args:
            conversations: n rows.
            projection: a linear map.
            progress: called with the number of rows done.
            steps: turn each gradient into the step of Adam on it first.

        Raises:
            DeviceMemoryError: one row alone does not fit on the device.
            ValueError: the model was opened without the moments that ``steps`` needs.
        """
        if steps and self.adam is None:
            raise ValueError("steps of Adam need its moments: open the model with them")
        passes, tokens, fallbacks = self._passes(conversations)
        values = np.zeros((len(conversations), projection.width), np.float32)
        norm, done = np.zeros(len(conversations)), 0
        for rows, (kept, squared) in self._run(passes, tokens, partial(self._project, projection, steps)):
            values[rows], norm[rows] = kept, np.sqrt(squared)
            done += len(rows)
            if progress is not None:
                progress(done)
        return RowGradients(values, norm, tokens, fallbacks)

    def total(
        self, conversations: Sequence[Conversation], begin: "Callable[[], tuple[Layers, list[torch.Tensor]]]"
    ) -> "tuple[list[torch.Tensor], int]":
        """Return sums over all batches of the conversations, and the number of rows with a loss.

        Batches are added in one order whatever thread is done first, so that equal rows give equal bytes.

        Args:
            conversations: n rows.
            begin: called for each batch: what is to be called for its layers, and the tensors that this fills.
        """
        passes, tokens, _ = self._passes(conversations)
        into, total = begin()
        rows = 0
        if self._wide:

            def add(batch: Sequence[_Pass], weights: np.ndarray) -> None:
                self._backward(batch, weights, into)

            return total, sum(len(batch) for batch, _ in self._run(passes, tokens, add))

        def work(batch: Sequence[_Pass], weights: np.ndarray) -> "list[torch.Tensor]":
            layers, sums = begin()
            self._backward(batch, weights, layers)
            return sums

        for batch, sums in self._run(passes, tokens, work):
            rows += len(batch)
            for whole, part in zip(total, sums, strict=True):
                whole += part
        return total, rows

    def close(self) -> None:
        """Free the model; it cannot be used afterwards."""
        import torch

        del self._parts
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def __enter__(self) -> "GradientModel":
        """Return the object itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free the model."""
        self.close()

    # ------------------------------------------------------------------------------------------------------- batches
    def _passes(self, conversations: Sequence[Conversation]) -> tuple[list[list[_Pass]], np.ndarray, int]:
        """Return the texts of each row, its scored tokens, and how many rows the chat template refused."""
        requests = conditioned(conversations, self._renderer)
        passes: list[list[_Pass]] = [[] for _ in conversations]
        tokens = np.zeros(len(conversations), np.int64)
        for one in _by_row(self._tokenizer.score(requests.items)):
            passes[one.row].append(one)
            tokens[one.row] += len(one.positions)
        return passes, tokens, requests.fallbacks

    def _run(
        self,
        passes: Sequence[Sequence[_Pass]],
        tokens: np.ndarray,
        work: Callable[[Sequence[_Pass], np.ndarray], Any],
    ) -> Iterator[tuple[np.ndarray, Any]]:
        """Yield (rows of one batch, what ``work`` made of them), batch by batch in the order of the plan."""
        single = np.array([len(texts) == 1 for texts in passes])
        lengths = np.array([sum(len(text.ids) for text in texts) for texts in passes], np.int64)

        def of_rows(rows: np.ndarray) -> tuple[np.ndarray, Any]:
            texts = [text for row in rows for text in passes[row]]
            owners = np.array([text.row for text in texts])
            weights = np.ones(len(texts)) if self.loss == "response_sum" else 1 / tokens[owners]
            return rows, work(texts, weights)

        def plan(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
            # The parts of a gradient add up before its length is taken: all texts of a row stand in one batch.
            alone = np.flatnonzero(~single & (lengths > 0))
            return [*plan_padded(np.where(single, lengths, 0), budget), *alone[:, None]]

        if self.device.type != "cpu":
            model = f"{self.spec.model} with gradients"
            batches = run_within_memory(
                lambda rows: of_rows(rows)[1],
                lengths,
                self._budget,
                plan=plan,
                cost=padded_cost,
                device=self.device,
                model=model,
            )
            yield from batches
        else:
            batches = plan(lengths, self._budget.tokens)
            yield from map(of_rows, batches) if self._wide else _in_order(of_rows, batches)

    def _project(
        self, projection: Projection, steps: bool, batch: Sequence[_Pass], weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (r, width) what is kept of the gradients of a batch, and their squared lengths (r,)."""
        import torch

        rows, adam = len({text.row for text in batch}), self.adam if steps else None
        out = torch.zeros((rows, projection.width), device=self.device)
        squared = torch.zeros(rows, dtype=torch.float64, device=self.device)

        def layer(module: int, x: Any, delta: Any, real: Any, one_row: bool) -> None:
            if one_row:
                x, delta = x.flatten(0, 1)[None], delta.flatten(0, 1)[None]
            o, i = self.shapes[module]
            if adam is None and isinstance(projection, TokenProjection) and x.shape[1] * (o + i) < o * i:
                x, delta = x.float(), delta.float()
                squared.add_(squared_lengths(x, delta))
                projection.add_tokens(module, x, delta, out)
                return
            for part, gradient in row_gradients(x, delta, False):
                if adam is not None:
                    gradient = adam.step(module, gradient)
                # Sums over a million numbers need more than float32.
                squared[part] += torch.linalg.vector_norm(gradient, dim=2).double().square().sum(dim=1)
                projection.add(module, gradient, out[part])

        self._backward(batch, weights, layer)
        return out.cpu().numpy(), squared.cpu().numpy()

    # -------------------------------------------------------------------------------------------------------- passes
    def _backward(self, batch: Sequence[_Pass], weights: np.ndarray, layers: Layers) -> None:
        """Run the texts of one batch forward and backward; ``layers`` is called on the way back."""
        import torch

        texts, pad = [text.ids for text in batch], self._tokenizer.pad_id
        real = right_pad(texts, pad)[1].to(self.device)
        one_row = len(batch) > 1 and len({text.row for text in batch}) == 1
        with self._hooks.visited_by(partial(layers, real=real, one_row=one_row)), torch.enable_grad():
            states = self._parts.states(texts, pad)
            states.backward(self._loss_gradient(states.detach(), batch, weights))

    def _loss_gradient(self, states: "torch.Tensor", batch: Sequence[_Pass], weights: np.ndarray) -> "torch.Tensor":
        """Return the gradient (B, T, d) of the weighted sum of token losses with respect to the last hidden states.

        The head is applied to the positions before response tokens alone, a bounded number of logits at a time.
        """
        import torch

        length = states.shape[1]
        # The token at position t is predicted by the state at t - 1.
        places = np.concatenate([text.positions - 1 + k * length for k, text in enumerate(batch)])
        targets = np.concatenate([text.targets for text in batch]).astype(np.int64)
        each = np.repeat(weights, [len(text.positions) for text in batch]).astype(np.float32)
        flat, found = states.flatten(0, 1), torch.zeros_like(states).flatten(0, 1)
        step = max(1, LOGITS // self._parts.vocabulary)
        for start in range(0, len(places), step):
            part = slice(start, start + step)
            at = torch.from_numpy(places[part]).to(self.device)
            chunk = flat[at].requires_grad_(True)
            logits = self._parts.logits(chunk).float()
            right = torch.from_numpy(targets[part]).to(self.device)
            losses = torch.nn.functional.cross_entropy(logits, right, reduction="none")
            loss = (losses * torch.from_numpy(each[part]).to(self.device)).sum()
            # Answers of one token to one prompt share a position.
            found.index_add_(0, at, torch.autograd.grad(loss, chunk)[0])
        return found.view_as(states)


def _in_order(
    work: Callable[[np.ndarray], tuple[np.ndarray, Any]], batches: Sequence[np.ndarray]
) -> Iterator[tuple[np.ndarray, Any]]:
    """Yield (batch, what ``work`` made of it) on one thread per core, but in the order of the batches."""
    place = {int(batch[0]): k for k, batch in enumerate(batches)}
    waiting: dict[int, tuple[np.ndarray, Any]] = {}
    following = 0
    for done in run_on_threads(work, batches):
        waiting[place[int(done[0][0])]] = done
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def _by_row(scored: Scored) -> Iterator[_Pass]:
    """Yield the passes, each once for every row that has scored tokens in it."""
    row_of = np.repeat(scored.row, np.diff(scored.offsets))
    for ids, positions, slots in zip(scored.ids, scored.positions, scored.slots, strict=True):
        owners = row_of[slots]
        for row in np.unique(owners):
            own = owners == row
            yield _Pass(int(row), ids, positions[own], scored.target[slots[own]])
