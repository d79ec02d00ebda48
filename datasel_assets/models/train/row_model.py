"""A causal language model that is trained on rows: forward and backward of a batch, with the loss of every row of it.

Belongs here: which weights are trained, batches of texts that do not see each other, losses and their gradient. Does
not: the step (``stepper``), the order of rows and checkpoints (``training``).

Several texts share a line: positions begin anew with each, and attention does not look across (transformers makes a
block-diagonal mask of such positions). Whether a model keeps them apart is tried when it is opened; where it does not,
each text has a line of its own.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datasel_assets.models.causal_loading import CausalParts, check_context, load_causal_model, take_apart
from datasel_assets.models.contexts import Conversation
from datasel_assets.models.device import pick_device, pick_dtype
from datasel_assets.models.dialogue import DialogueRenderer
from datasel_assets.models.forward_hooks import probe_rows
from datasel_assets.models.resolve import resolve_model
from datasel_assets.models.scored_tokens import ScoringTokenizer
from datasel_assets.models.train.layout import Layout, lay_out
from datasel_assets.models.train.texts import Text, Texts, texts_of
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.specs.training import LoraSpec, TrainingSpec

if TYPE_CHECKING:
    import torch

CPU_PLACES = 8192 * 192
"""Places of a batch times the hidden size that go through the model at once on a CPU; a longer step is cut."""
GPU_PLACES = 16_384
LOGITS = 1 << 22
APART = 1e-4
"""Largest relative distance of a text's states on a shared line from those on its own that rounding explains."""


@dataclass(frozen=True, eq=False)
class TurnLosses:
    """What one pass said of the turns in it, before the step changed the weights; m turns.

    Attributes:
        row: (m,) int64 index of the row.
        turn: (m,) int32 ordinal of the assistant's turn.
        tokens: (m,) int64 tokens learned.
        loss: (m,) float64 sum of their negative log-probabilities, nats.
        hits: (m,) int64 of them that the model would have written.
        confidence: (m,) float64 sum of their probabilities.
        el2n: (m,) float64 sum of ``|p - onehot|_2``; NaN where it was not asked for.
    """

    row: np.ndarray
    turn: np.ndarray
    tokens: np.ndarray
    loss: np.ndarray
    hits: np.ndarray
    confidence: np.ndarray
    el2n: np.ndarray

    @classmethod
    def of(cls, row: np.ndarray, turn: np.ndarray, values: np.ndarray) -> "TurnLosses":
        """Add up the tokens of each turn; ``values``: (4, t) loss, hit, probability and EL2N of each token."""
        keys, place = np.unique(np.stack([row, turn]), axis=1, return_inverse=True)
        sums = [np.bincount(place.ravel(), value, keys.shape[1]) for value in values.astype(np.float64)]
        counts = np.bincount(place.ravel(), minlength=keys.shape[1])
        hits = sums[1].round().astype(np.int64)
        return cls(keys[0], keys[1].astype(np.int32), counts, sums[0], hits, sums[2], sums[3])

    @property
    def mean(self) -> float:
        """Mean loss of a token."""
        return float(self.loss.sum() / max(1, self.tokens.sum()))


class RowModel:
    """A causal language model whose weights can be trained.

    Attributes:
        spec: the model and how rows are shown to it.
        device: where it runs.
        model: the model, with low-rank updates inside it where these are trained.
        shared: whether several texts share a line.
    """

    def __init__(
        self,
        spec: CausalSpec,
        training: TrainingSpec,
        device: str = "auto",
        *,
        base: Path | None = None,
        places: int | None = None,
    ) -> None:
        """Load the model.

        Args:
            spec: model, context, template.
            training: which weights are trained, number format of the products.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<i>``.
            base: folder that a relative model path starts from.
            places: that go through the model at once, padding included.

        Raises:
            ModelNotFoundError: no such model, or it has no fast tokenizer.
            ModelIntegrityError: weights are missing.
            UnsupportedModelError: body and head of this architecture cannot be told apart.
            ValueError: the device, the template or ``max_tokens`` does not suit the model, or the extra ``lora`` is
                not installed.
        """
        import torch

        self.spec, self.training = spec, training
        resolved = resolve_model(spec.model, spec.revision, base=base)
        self.device = pick_device(device)
        self._dtype = pick_dtype(training.precision, self.device)
        self.tokenizer = ScoringTokenizer(resolved, spec.max_tokens, spec.overflow)
        self.renderer = DialogueRenderer(self.tokenizer.tokenizer, spec.template)
        self.model = load_causal_model(resolved, torch.float32, self.device)
        check_context(self.model, spec)
        self._parts = take_apart(self.model, self.tokenizer.pad_id, 1e-3, pack=False)
        self.shared = self._keeps_apart()
        if training.weights == "lora":
            _add_lora(self.model, training.lora, training.seed)
        else:
            self.model.requires_grad_(True)
        hidden = self.model.config.get_text_config().hidden_size
        self._places = places or (max(256, CPU_PLACES // hidden) if self.device.type == "cpu" else GPU_PLACES)

    def texts(self, conversations: Sequence[Conversation]) -> Texts:
        """Return rows as what the model reads."""
        return texts_of(conversations, self.renderer, self.tokenizer)

    def trained_state(self) -> "dict[str, torch.Tensor]":
        """Return the trained weights by name."""
        trained = {name for name, p in self.model.named_parameters() if p.requires_grad}
        return {name: tensor for name, tensor in self.model.state_dict().items() if name in trained}

    def load_trained(self, state: "dict[str, torch.Tensor]") -> None:
        """Take up weights that :meth:`trained_state` returned."""
        import torch

        own = self.trained_state()
        if set(own) != set(state):
            raise ValueError(f"the weights are of another training: {sorted(set(own) ^ set(state))[:3]} do not match")
        with torch.no_grad():
            for name, tensor in state.items():
                own[name].copy_(tensor)

    def publish(self, folder: Path) -> None:
        """Write the model as a Hugging Face folder, with low-rank updates added into the weights; it is kept so."""
        temporary = folder.with_name(f".{folder.name}.tmp")
        if temporary.exists():
            shutil.rmtree(temporary)
        _merge_lora(self.model)
        self.model.save_pretrained(temporary)
        self.tokenizer.tokenizer.save_pretrained(temporary)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)

    def vectors(self, texts: Texts) -> np.ndarray:
        """Return (n, hidden) float32 the mean of the last states over all places of each row, in evaluation mode.

        Zero for a row without a text; a row of several texts has the mean over all their places.
        """
        import torch

        self.model.eval()
        flat = [text for own in texts.of_row for text in own]
        found = np.zeros((len(texts.of_row), self.model.config.get_text_config().hidden_size))
        places = np.zeros(len(found))
        with torch.inference_mode():
            for part in self._cut(flat) if flat else ():
                own = [flat[i] for i in part]
                layout = lay_out([len(text.ids) for text in own], shared=self.shared)
                states = self._states(own, layout).float().cpu().numpy()
                for text, line, start in zip(own, layout.line, layout.start, strict=True):
                    found[text.row] += states[line, start : start + len(text.ids)].sum(axis=0, dtype=np.float64)
                    places[text.row] += len(text.ids)
        return (found / np.maximum(places, 1)[:, None]).astype(np.float32)

    def backward(self, texts: Sequence[Text], weights: np.ndarray, *, el2n: bool = False) -> TurnLosses:
        """Add the gradient of the weighted sum of token losses, and return the losses.

        Args:
            texts: of a step.
            weights: (len(texts),) float64, of each learned token of a text.
            el2n: also the EL2N of each turn; one more pass over the logits.
        """
        return self._run(texts, weights, el2n=el2n)

    def losses(self, texts: Sequence[Text], *, el2n: bool = False) -> TurnLosses:
        """Return the losses in evaluation mode, without a gradient."""
        import torch

        self.model.eval()
        with torch.no_grad():
            return self._run(texts, None, el2n=el2n)

    def _run(self, texts: Sequence[Text], weights: np.ndarray | None, *, el2n: bool) -> TurnLosses:
        found, rows, turns = [], [], []
        for part in self._cut(texts):
            own = [texts[i] for i in part]
            found.append(self._pass(own, None if weights is None else weights[part], el2n))
            rows.append(np.repeat([text.row for text in own], [len(text.positions) for text in own]))
            turns.append(np.concatenate([text.turns for text in own]))
        return TurnLosses.of(np.concatenate(rows), np.concatenate(turns), np.concatenate(found, axis=1))

    def _cut(self, texts: Sequence[Text]) -> list[np.ndarray]:
        """Return the texts of each pass: all at once where they fit, else the longest first."""
        lengths = np.array([len(text.ids) for text in texts])
        places = lay_out(lengths, shared=self.shared).shape
        if places[0] * places[1] <= self._places or len(texts) == 1:
            return [np.arange(len(texts))]
        order = np.argsort(-lengths, kind="stable")
        cost = np.cumsum(lengths[order]) if self.shared else np.arange(1, len(texts) + 1) * lengths.max()
        pieces = int(np.ceil(cost[-1] / self._places)) + 1
        bounds = np.searchsorted(cost, np.arange(1, pieces) * cost[-1] / pieces)
        return [part for part in np.split(order, bounds) if len(part)]

    def _pass(self, texts: Sequence[Text], weights: np.ndarray | None, el2n: bool) -> np.ndarray:
        """Run texts forward, and backward where they have weights; return (4, t) statistics of learned tokens."""
        import torch

        layout = lay_out([len(text.ids) for text in texts], shared=self.shared)
        width = layout.shape[1]
        # The token at position t is predicted by the state at t - 1.
        first = layout.line * width + layout.start
        places = np.concatenate([text.positions - 1 + first[k] for k, text in enumerate(texts)])
        targets = torch.from_numpy(np.concatenate([text.targets for text in texts])).to(self.device)
        each = None
        if weights is not None:
            spread = np.repeat(weights, [len(text.positions) for text in texts]).astype(np.float32)
            each = torch.from_numpy(spread).to(self.device)
        with torch.autocast(self.device.type, self._dtype, enabled=self._dtype != torch.float32):
            states = self._states(texts, layout)
            read = states.flatten(0, 1).index_select(0, torch.from_numpy(places).to(self.device))
            return self._head(read, targets, each, el2n)

    def _states(self, texts: Sequence[Text], layout: Layout) -> "torch.Tensor":
        import torch

        if not self.shared:
            order = np.argsort(layout.line)
            return self._parts.states([texts[i].ids for i in order], self.tokenizer.pad_id)
        ids = np.full(layout.shape, self.tokenizer.pad_id, np.int64)
        # A place of padding is a text of its own: it sees itself and nobody sees it.
        positions = np.zeros(layout.shape, np.int64)
        for text, line, start in zip(texts, layout.line, layout.start, strict=True):
            ids[line, start : start + len(text.ids)] = text.ids
            positions[line, start : start + len(text.ids)] = np.arange(len(text.ids))
        given = {"input_ids": ids, "position_ids": positions}
        return _last_states(self._parts, {name: torch.from_numpy(a).to(self.device) for name, a in given.items()})

    def _head(
        self, states: "torch.Tensor", targets: "torch.Tensor", weights: "torch.Tensor | None", el2n: bool
    ) -> np.ndarray:
        """Apply the head to the states before learned tokens, a bounded number of logits at a time."""
        import torch

        leaf = states.detach().requires_grad_(weights is not None)
        step = max(1, LOGITS // self._parts.vocabulary)
        found = torch.empty((4, len(targets)), dtype=torch.float32, device=self.device)
        for start in range(0, len(targets), step):
            part = slice(start, start + step)
            logp = self._parts.logits(leaf[part]).float().log_softmax(-1)
            own = logp.gather(1, targets[part, None]).squeeze(1)
            if weights is not None:
                (-own * weights[part]).sum().backward()
            with torch.no_grad():
                found[:, part] = _statistics(logp, own, el2n)
        if weights is not None:
            states.backward(leaf.grad)
        return found.cpu().numpy()

    def _keeps_apart(self) -> bool:
        """Whether texts on one line have the states that they have alone."""
        import torch

        rows = probe_rows(self.model, self.tokenizer.pad_id)
        positions = np.concatenate([np.arange(len(row)) for row in rows])
        line = {"input_ids": np.concatenate(rows).astype(np.int64)[None], "position_ids": positions[None]}
        with torch.inference_mode():
            alone = torch.cat([self._parts.states([row], self.tokenizer.pad_id)[0] for row in rows])
            try:
                given = {name: torch.from_numpy(a).to(self.device) for name, a in line.items()}
                together = _last_states(self._parts, given)[0]
            except (TypeError, ValueError):
                return False
        return bool((together - alone).norm() <= APART * alone.norm())


def _last_states(parts: CausalParts, given: "dict[str, torch.Tensor]") -> "torch.Tensor":
    return parts.body(**given, use_cache=False).last_hidden_state


def _statistics(logp: "torch.Tensor", own: "torch.Tensor", el2n: bool) -> "torch.Tensor":
    """Return (4, p) loss, hit, probability and EL2N of tokens from (p, V) log-probabilities and those of the tokens."""
    import torch

    p = own.exp()
    hit = (own >= logp.amax(-1)).float()
    if not el2n:
        return torch.stack([-own, hit, p, torch.full_like(own, torch.nan)])
    squares = (2 * logp).exp_().sum(-1)
    return torch.stack([-own, hit, p, (squares - 2 * p + 1).clamp(min=0).sqrt()])


def _add_lora(model: Any, spec: LoraSpec, seed: int) -> None:
    """Put low-rank updates into the linear layers of the blocks of ``model``.

    Raises:
        ValueError: peft is not installed.
    """
    import torch

    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ValueError("weights: lora needs the package peft: pip install 'datasel_assets[lora]'") from error
    from datasel_assets.models.linear_hooks import find_linears

    config = LoraConfig(
        r=spec.rank,
        lora_alpha=spec.alpha,  # type: ignore[arg-type]  # any number will do
        lora_dropout=spec.dropout,
        target_modules=list(find_linears(model)),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)


def _merge_lora(model: Any) -> None:
    """Add low-rank updates into the linear layers that they belong to, and leave these alone in their places."""
    for name, module in list(model.named_modules()):
        if hasattr(module, "merge") and hasattr(module, "get_base_layer"):
            module.merge()
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, module.get_base_layer())
