"""A classifier that learns from labels of which some are wrong, and says which (IDO, arXiv 2505.00812).

Belongs here: both stages of its training. Does not: the mixture (:mod:`datasel_assets.indicators.beta_mixture`), where
vectors and labels come from (``tables.dynamics``).

Stage 1 is an ordinary training that counts, for each row, at how many presentations the prediction was not its label;
its weights are taken from before the predictions begin to change more again. In stage 2 a row is shown in a weak and a
strong view (features zeroed, noise), and weighs by how clean its count looks: the label of a clean row is learned, both
views of a row are to agree, and a row that looks wrong is to be decided about.
"""

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from datasel_assets.indicators.beta_mixture import Mixtures
from datasel_assets.models.train.schedule import learning_rate
from datasel_assets.models.train.stepper import Stepper, finite
from datasel_assets.specs.dynamics import ClassifierSpec

if TYPE_CHECKING:
    import torch

CONFIDENT = 1e-4
"""Mean probabilities of two views are kept this far from 0 and 1."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Learned:
    """What a training said of its n rows.

    Attributes:
        losses: (n, E) loss of the label at each presentation of stage 1, nats.
        right: (n, E) bool, the prediction was the label.
        confidence: (n, E) probability of the label.
        el2n: (n, E) distance of the prediction from the label.
        counts: (n,) wrong predictions of both stages.
        p_clean: (n,) probability that the label is right.
        difficulty: (n,) quantile of the count among clean rows.
        probabilities: (n, k) of the classifier at its end.
        mixtures: the fit behind ``p_clean``.
        base_epoch: epoch (from 0) of stage 1 whose weights stage 2 began with.
        parameters: trained weights.
        classifier: vectors (m, d) -> probabilities (m, k).
        first: the same as stage 1 ended.
        base: the same as stage 2 began.
    """

    losses: np.ndarray
    right: np.ndarray
    confidence: np.ndarray
    el2n: np.ndarray
    counts: np.ndarray
    p_clean: np.ndarray
    difficulty: np.ndarray
    probabilities: np.ndarray
    mixtures: Mixtures
    base_epoch: int
    parameters: int
    classifier: Callable[[np.ndarray], np.ndarray]
    first: Callable[[np.ndarray], np.ndarray]
    base: Callable[[np.ndarray], np.ndarray]


def learn_labels(
    vectors: np.ndarray, labels: np.ndarray, k: int, spec: ClassifierSpec, seed: int, progress: Progress | None = None
) -> Learned:
    """Train on n rows.

    Args:
        vectors: (n, d) float32.
        labels: (n,) int64 below ``k``.
        k: number of labels, at least 2.
        spec: widths, epochs, views.
        seed: of the first weights, the order and the views.
        progress: called with (epochs done, epochs in all).
    """
    training = _Training(vectors, labels, k, spec, seed, progress)
    training.first_stage()
    first, base = (copy.deepcopy(net) for net in (training.net, training.base))
    training.second_stage()
    counts, mixtures = training.counts, training.mixtures
    at = (counts, labels)
    records = {name: np.stack(found, axis=1) for name, found in training.records.items()}
    return Learned(
        **records,
        counts=counts,
        p_clean=mixtures.p_clean(*at),
        difficulty=mixtures.quantiles(*at)[0],
        probabilities=training.told(training.net, vectors),
        mixtures=mixtures,
        base_epoch=training.base_epoch,
        parameters=sum(p.numel() for p in training.net.parameters()),
        classifier=lambda rows: training.told(training.net, rows),
        first=lambda rows: training.told(first, rows),
        base=lambda rows: training.told(base, rows),
    )


class _Training:
    """Both stages, on the CPU: the products are small."""

    def __init__(
        self, vectors: np.ndarray, labels: np.ndarray, k: int, spec: ClassifierSpec, seed: int, progress: Any
    ) -> None:
        import torch

        self.spec, self.seed, self._progress, self._k = spec, seed, progress, k
        self._centre = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._scale = float(max(vectors.std(dtype=np.float64), 1e-12))
        self._rows = torch.from_numpy(self._scaled(vectors))
        self._labels = torch.from_numpy(np.asarray(labels, np.int64))
        self._given = np.asarray(labels, np.int64)
        self.net = self.base = _network(vectors.shape[1], k, spec, seed)
        self.base_epoch, self._step, self._epochs = 0, 0, 0
        self.counts = np.zeros(len(vectors))
        self.records: dict[str, list[np.ndarray]] = {name: [] for name in ("losses", "right", "confidence", "el2n")}

    def first_stage(self) -> None:
        spec = self.spec
        stepper, told, changed, settled = Stepper(self.net, spec.weight_decay), None, None, False
        previous = self.net
        for epoch in range(spec.epochs):
            logits = self._epoch(stepper, epoch, spec.epochs, self._of_label)
            self._note(logits)
            now = logits.argmax(axis=1)
            moved = None if told is None else int((now != told).sum())
            if changed is not None and moved is not None and moved >= changed and not settled:
                # The weights as they were: a reference would follow the training.
                self.base, self.base_epoch, settled = previous, epoch - 1, True
            told, changed = now, moved
            previous = copy.deepcopy(self.net)
        if not settled:
            self.base, self.base_epoch = previous, spec.epochs - 1
        self.mixtures = Mixtures.fit(self.counts, self._given, spec.iterations, per_class=spec.per_class)

    def second_stage(self) -> None:
        spec = self.spec
        if not spec.second_epochs:
            return
        self.net = copy.deepcopy(self.base)
        stepper = Stepper(self.net, spec.weight_decay)
        for epoch in range(spec.second_epochs):
            self._epoch(stepper, epoch, spec.second_epochs, self._of_views)
            self.mixtures = self.mixtures.more(self.counts, self._given, 2 if spec.per_class else 1)

    def told(self, net: Any, vectors: np.ndarray) -> np.ndarray:
        """Return (m, k) probabilities of a network in evaluation mode."""
        import torch

        net.eval()
        with torch.inference_mode():
            return net(torch.from_numpy(self._scaled(vectors))).softmax(-1).numpy()

    def _scaled(self, vectors: np.ndarray) -> np.ndarray:
        return ((vectors - self._centre) / self._scale).astype(np.float32)

    def _epoch(self, stepper: Stepper, epoch: int, epochs: int, loss: Callable) -> np.ndarray:
        """Take the steps of an epoch; return the (n, k) logits that the rows met, for the weak view of each."""
        import torch

        spec, n = self.spec, len(self._labels)
        order = np.random.default_rng([self.seed, self._epochs]).permutation(n)
        parts = np.array_split(order, max(1, round(n / spec.batch_rows)))
        found = np.empty((n, self._k), np.float32)
        for done, part in enumerate(parts):
            rate = learning_rate(epoch * len(parts) + done, epochs * len(parts), spec.learning_rate, 0.0)

            def backward(part: np.ndarray = part, rate: float = rate) -> np.ndarray:
                value, logits = loss(torch.from_numpy(part))
                finite(float(value.detach()), f"loss of step {self._step}", spec.learning_rate)
                value.backward()
                return logits.detach().numpy()

            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(_seed(self.seed, self._step))
                found[part] = stepper.step(rate, backward)
            self._step += 1
        self._epochs += 1
        if self._progress is not None:
            self._progress(self._epochs, spec.epochs + spec.second_epochs)
        return found

    def _note(self, logits: np.ndarray) -> None:
        """Remember what the rows met in an epoch of stage 1."""
        found = logits.astype(np.float64)
        logp = found - np.logaddexp.reduce(found, axis=1, keepdims=True)
        own = logp[np.arange(len(logp)), self._given]
        p = np.exp(own)
        right = logits.argmax(axis=1) == self._given
        self.counts += ~right
        squares = np.exp(2 * logp).sum(axis=1)
        values = (-own, right, p, np.sqrt(np.maximum(squares - 2 * p + 1, 0)))
        for name, value in zip(self.records, values, strict=True):
            self.records[name].append(value if name == "right" else value.astype(np.float32))

    def _weak(self, part: "torch.Tensor") -> "torch.Tensor":
        import torch

        return torch.nn.functional.dropout(self._rows[part], self.spec.weak)

    def _strong(self, part: "torch.Tensor") -> "torch.Tensor":
        import torch

        kept = torch.nn.functional.dropout(self._rows[part], self.spec.strong)
        return kept + self.spec.noise * torch.randn_like(kept)

    def _of_label(self, part: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
        import torch

        logits = self.net(self._weak(part))
        return torch.nn.functional.cross_entropy(logits, self._labels[part]), logits

    def _of_views(self, part: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
        """Return the dynamic loss of some rows, whose wrong predictions are counted first."""
        import torch

        rows, labels = part.numpy(), self._labels[part]
        weak, strong = self.net(self._weak(part)), self.net(self._strong(part))
        for logits in (weak, strong):
            self.counts[rows] += (logits.argmax(-1) != labels).numpy()
        at = (self.counts[rows], self._given[rows])
        clean = torch.from_numpy(self.mixtures.p_clean(*at).astype(np.float32))
        agree = torch.from_numpy(self.mixtures.consistency(*at).astype(np.float32))
        return dynamic_loss(weak, strong, labels, clean, agree).mean(), weak


def dynamic_loss(
    weak: "torch.Tensor", strong: "torch.Tensor", labels: "torch.Tensor", clean: "torch.Tensor", agree: "torch.Tensor"
) -> "torch.Tensor":
    """Return (B,) ``p (CE_w + CE_s) + e mean_k (z_w - z_s)^2 + (1 - p) max(q) H(q)``, q the mean of both softmaxes.

    Confidence times entropy is taken row by row; the confidence is a weight and has no gradient.

    Args:
        weak: (B, k) logits of the weak view.
        strong: (B, k) those of the strong view.
        labels: (B,) int64.
        clean: (B,) p, probability that the label is right.
        agree: (B,) e, what the agreement of both views weighs.
    """
    import torch

    learned = sum(torch.nn.functional.cross_entropy(z, labels, reduction="none") for z in (weak, strong))
    apart = (weak - strong).square().mean(-1)
    mean = ((weak.softmax(-1) + strong.softmax(-1)) / 2).clamp(CONFIDENT, 1 - CONFIDENT)
    undecided = mean.amax(-1).detach() * -(mean * mean.log()).sum(-1)
    return clean * learned + agree * apart + (1 - clean) * undecided


def _network(d: int, k: int, spec: ClassifierSpec, seed: int) -> Any:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[Any] = []
        for width in spec.hidden:
            layers += [torch.nn.Linear(d, width), torch.nn.ReLU(), torch.nn.Dropout(spec.dropout)]
            d = width
        return torch.nn.Sequential(*layers, torch.nn.Linear(d, k))


def _seed(*numbers: int) -> int:
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=7).digest(), "big")
