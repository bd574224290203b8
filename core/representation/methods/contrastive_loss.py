"""Losses that tell objects apart by the cosine of their codes; each as two parts.

attraction: minus the mean similarity of what belongs together, over the temperature.
repulsion: the mean log-sum-exp of the similarities to all that it is compared with.
Their sum is the cross-entropy of finding what belongs together.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from core.errors import BadInput


@dataclass(frozen=True)
class ContrastiveTerms:
    """The two parts and their sum, each a scalar tensor."""

    attraction: Tensor
    repulsion: Tensor

    @property
    def total(self) -> Tensor:
        return self.attraction + self.repulsion


def nt_xent(a: Tensor, b: Tensor, temperature: float) -> ContrastiveTerms:
    """The loss of SimCLR (Chen et al. 2020, arXiv 2002.05709, equation 1).

    Parameters
    ----------
    a, b
        (B, D) projections of two views, row i of both from object i; B at least 2. Each is
        compared with its other view and with both views of every other object.
    """
    _check("NT-Xent", a, b)
    both = functional.normalize(torch.cat([a, b]), dim=1)  # (2B, D)
    similar = both @ both.T / temperature
    itself = torch.eye(len(both), dtype=torch.bool, device=both.device)
    partner = torch.arange(len(both), device=both.device).roll(len(a))
    attraction = -similar.gather(1, partner.unsqueeze(1)).mean()
    repulsion = similar.masked_fill(itself, -torch.inf).logsumexp(1).mean()
    return ContrastiveTerms(attraction, repulsion)


def info_nce(query: Tensor, key: Tensor, queue: Tensor, temperature: float) -> ContrastiveTerms:
    """The loss of MoCo (He et al. 2020, arXiv 1911.05722, equation 1): each query is compared with
    the keys of all objects of the batch, its own among them, and with the queue.

    Parameters
    ----------
    query, key
        (B, D) of two views, row i of both from object i; normalised here.
    queue
        (K, D) keys of earlier objects, of length 1.
    """
    _check("InfoNCE", query, key)
    query, key = functional.normalize(query, dim=1), functional.normalize(key, dim=1)
    similar = query @ torch.cat([key, queue]).T / temperature  # (B, B + K)
    return ContrastiveTerms(-similar.diagonal().mean(), similar.logsumexp(1).mean())


def _check(name: str, a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape or a.ndim != 2 or len(a) < 2:
        raise BadInput(
            f"The {name} loss needs two (B, D) arrays of one shape with B at least 2, but got"
            f" {tuple(a.shape)} and {tuple(b.shape)}; give both views of one batch."
        )
