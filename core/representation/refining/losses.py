"""What labels add to the loss of a network: FixMatch's two terms, and one that pulls the objects
of a class together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from core.errors import BadInput


@dataclass(frozen=True)
class FixMatchTerms:
    """Both terms (scalar tensors), and the share of the unlabelled objects that took part."""

    labelled: Tensor
    consistency: Tensor
    sure: Tensor


def fixmatch_terms(
    labelled: Tensor, answers: Tensor, weak: Tensor, strong: Tensor, threshold: float
) -> FixMatchTerms:
    """The loss of FixMatch (Sohn et al. 2020, arXiv 2001.07685, equations 3 and 4).

    Parameters
    ----------
    labelled, answers
        (L, C) logits of labelled objects, (L,) the number of each one's class.
    weak, strong
        (U, C) logits of two views of the same unlabelled objects. The likeliest class of the weak
        view, where its probability is `threshold` at least, is what the strong one is held to; no
        gradient goes through the weak view.

    Returns
    -------
    FixMatchTerms
        labelled: mean cross-entropy; consistency: cross-entropy of the objects that are sure,
        over all U.
    """
    if weak.shape != strong.shape or weak.ndim != 2 or len(labelled) != len(answers):
        raise BadInput(
            "FixMatch needs a class for each labelled object and two (U, C) arrays of one shape,"
            f" but got {len(labelled)} objects, {len(answers)} classes, {tuple(weak.shape)} and"
            f" {tuple(strong.shape)}; give both views of one batch."
        )
    probability, likeliest = weak.detach().softmax(1).max(1)
    sure = (probability >= threshold).float()
    each = functional.cross_entropy(strong, likeliest, reduction="none")
    return FixMatchTerms(
        functional.cross_entropy(labelled, answers), (sure * each).mean(), sure.mean()
    )


def supervised_contrastive(codes: Tensor, classes: Tensor, temperature: float) -> Tensor:
    """The loss of Khosla et al. (2020, arXiv 2004.11362, equation 2); a scalar.

    The mean over all codes of minus the mean log-softmax of the similarities to the others of the
    same class. A code that is alone in its class has no term.

    Parameters
    ----------
    codes
        (B, D), of any length: their directions are compared.
    classes
        (B,) which class each is of.
    """
    if codes.ndim != 2 or classes.shape != codes.shape[:1]:
        raise BadInput(
            "The supervised contrastive loss needs (B, D) codes and (B,) classes, but got"
            f" {tuple(codes.shape)} and {tuple(classes.shape)}; give a class for each code."
        )
    unit = functional.normalize(codes.float(), dim=1)
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    similar = (unit @ unit.T / temperature).masked_fill(itself, -torch.inf)
    log_share = similar - similar.logsumexp(1, keepdim=True)  # (B, B)
    same = (classes[:, None] == classes[None, :]) & ~itself
    n_same = same.sum(1)
    mean = log_share.masked_fill(~same, 0.0).sum(1) / n_same.clamp(min=1)
    return -mean[n_same > 0].mean() if bool((n_same > 0).any()) else codes.sum() * 0.0
