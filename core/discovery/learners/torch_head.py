"""A small neural network on the embedding, several of them trained side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import softmax

from core.discovery.answered import NEVER_OUT, AnswersClassifier, folds_of
from core.discovery.registry import register_learner

HIDDEN = 32
N_FOLDS = 4
N_NETWORKS = 4
"""Networks of other first weights, averaged: one alone follows the luck of its start."""

EPOCHS = 120
LEARNING_RATE = 0.01
WEIGHT_DECAY = 0.1

Weights = tuple[Any, Any, Any, Any]
"""Tensors of M networks: (M, D, H), (M, 1, H), (M, H, C), (M, 1, C)."""


class TorchHead(AnswersClassifier):
    """One hidden layer of 32, class-balanced cross-entropy, AdamW over all answers at once.

    How many epochs: as many as gave the lowest loss on held-out answers in four folds; then four
    networks learn for that long from all answers. Networks are one stack of matrices, so that
    four cost little more than one. Runs on the processor and repeats exactly.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def _learn(self, X: np.ndarray, answers: np.ndarray) -> None:
        import torch

        rng = np.random.default_rng(self.seed)
        folds = folds_of(answers, N_FOLDS, rng)
        balance = 1 / np.bincount(answers)[answers]
        generator = torch.Generator().manual_seed(self.seed)
        x, y = torch.from_numpy(X.copy()), torch.from_numpy(answers.astype(np.int64))
        # Few of a class leave folds that hold none of it: told by the classes alone, too little
        # to stop by.
        used = [fold for fold in range(N_FOLDS) if (folds == fold).any()]
        out = np.array([folds == fold for fold in used]) if used else np.zeros((0, len(X)), bool)
        self.epochs_ = EPOCHS // 2
        if len(used) and len(np.unique(answers[folds != NEVER_OUT])) > 1:
            _, losses = _train(x, y, balance, out, EPOCHS, generator)
            self.epochs_ = int(losses.argmin()) + 1
        none_out = np.zeros((N_NETWORKS, len(X)), dtype=bool)
        trained, _ = _train(x, y, balance, none_out, self.epochs_, generator)
        self.weights_ = [one.numpy() for one in trained]

    def _probabilities(self, X: np.ndarray) -> np.ndarray:
        found = np.zeros((len(X), len(self.classes_)), dtype=np.float32)
        for first, first_bias, second, second_bias in zip(*self.weights_, strict=True):
            hidden = np.maximum(X @ first + first_bias, 0)
            found += softmax(hidden @ second + second_bias, axis=1)
        return found / N_NETWORKS


def _train(
    x: Any, y: Any, balance: np.ndarray, out: np.ndarray, epochs: int, generator: Any
) -> tuple[Weights, np.ndarray]:
    """Train M networks, the m-th without its answers `out` (M, L); and (epochs,) the loss on
    those held out, after each epoch, summed over the networks.

    x (L, D) float, y (L,) class numbers, balance (L,) the weight of an answer.
    """
    import torch

    n_networks, n_classes = len(out), int(y.max()) + 1
    weights = _first_weights(n_networks, x.shape[1], n_classes, generator)
    weigh = torch.from_numpy(np.where(out, 0, balance).astype(np.float32))
    weigh /= weigh.sum(dim=1, keepdim=True)
    held = torch.from_numpy(np.where(out, balance, 0).astype(np.float32))
    optimiser = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    wanted = y.expand(n_networks, -1)[:, :, None]
    losses = np.zeros(epochs)
    for epoch in range(epochs):
        # (M, L): before this epoch's step, so that the held-out loss is the one of the last.
        loss = -torch.log_softmax(_forward(weights, x), dim=2).gather(2, wanted)[:, :, 0]
        if epoch:
            losses[epoch - 1] = float((loss.detach() * held).sum())
        optimiser.zero_grad()
        (loss * weigh).sum().backward()
        optimiser.step()
    with torch.no_grad():
        loss = -torch.log_softmax(_forward(weights, x), dim=2).gather(2, wanted)[:, :, 0]
        losses[-1] = float((loss * held).sum())
    done = tuple(one.detach() for one in weights)
    return (done[0], done[1], done[2], done[3]), losses


def _forward(weights: Weights, x: Any) -> Any:
    """(M, L, C) log odds up to a constant."""
    first, first_bias, second, second_bias = weights
    return ((x @ first + first_bias).relu()) @ second + second_bias


def _first_weights(n_networks: int, n_columns: int, n_classes: int, generator: Any) -> Weights:
    """Normal with variance 2 / inputs (He et al. 2015), the second layer at a tenth of that."""
    import torch

    def normal(n_in: int, n_out: int, scale: float) -> Any:
        drawn = torch.randn(n_networks, n_in, n_out, generator=generator)
        return (drawn * scale * (2 / n_in) ** 0.5).requires_grad_()

    def zeros(n_out: int) -> Any:
        return torch.zeros(n_networks, 1, n_out, requires_grad=True)

    first, second = normal(n_columns, HIDDEN, 1.0), normal(HIDDEN, n_classes, 0.1)
    return first, zeros(HIDDEN), second, zeros(n_classes)


@register_learner("torch_head", description="small neural networks, averaged")
def torch_head(seed: int) -> Any:
    """See `TorchHead`."""
    return TorchHead(seed)
