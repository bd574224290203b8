"""The VICReg loss (Bardes, Ponce & LeCun 2022, arXiv 2105.04906)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from core.errors import BadInput


@dataclass(frozen=True)
class VICRegTerms:
    """The three unweighted terms and their weighted sum, each a scalar tensor."""

    invariance: Tensor
    variance: Tensor
    covariance: Tensor
    total: Tensor


def vicreg_loss(
    a: Tensor,
    b: Tensor,
    invariance_weight: float = 25.0,
    variance_weight: float = 25.0,
    covariance_weight: float = 1.0,
) -> VICRegTerms:
    """Loss of the projections of two views of the same objects.

    Parameters
    ----------
    a, b
        (B, D) projections, row i of both from object i; B at least 2.

    Returns
    -------
    VICRegTerms
        invariance: mean squared difference over batch and dimensions;
        variance: hinge relu(1 - sqrt(var + 1e-4)), mean over dimensions, averaged over the views;
        covariance: squared off-diagonal covariances (1 / (B - 1)) over D, summed over the views.
    """
    if a.shape != b.shape or a.ndim != 2 or len(a) < 2:
        raise BadInput(
            "The VICReg loss needs two (B, D) arrays of one shape with B at least 2, but got "
            f"{tuple(a.shape)} and {tuple(b.shape)}; give both views of one batch."
        )
    invariance = functional.mse_loss(a, b)
    variance = (_variance(a) + _variance(b)) / 2
    covariance = _covariance(a) + _covariance(b)
    total = (
        invariance_weight * invariance
        + variance_weight * variance
        + covariance_weight * covariance
    )
    return VICRegTerms(invariance, variance, covariance, total)


def _variance(x: Tensor) -> Tensor:
    return functional.relu(1 - torch.sqrt(x.var(dim=0) + 1e-4)).mean()


def _covariance(x: Tensor) -> Tensor:
    batch, dimensions = x.shape
    centred = x - x.mean(dim=0)
    covariance = centred.T @ centred / (batch - 1)  # (D, D)
    off_diagonal = covariance.square().sum() - covariance.diagonal().square().sum()
    return off_diagonal / dimensions
