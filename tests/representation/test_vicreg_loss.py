"""The loss against the paper's formulas written out with loops in numpy."""

import numpy as np
import pytest
import torch

from core.errors import BadInput
from core.representation.methods.vicreg_loss import vicreg_loss


def plain(a, b):
    """arXiv 2105.04906, equations 1 to 6, one sum at a time."""
    n, d = a.shape
    invariance = sum((a[i, j] - b[i, j]) ** 2 for i in range(n) for j in range(d)) / (n * d)

    def variance(z):
        total = 0.0
        for j in range(d):
            mean = sum(z[:, j]) / n
            var = sum((z[i, j] - mean) ** 2 for i in range(n)) / (n - 1)
            total += max(0.0, 1 - np.sqrt(var + 1e-4))
        return total / d

    def covariance(z):
        total = 0.0
        mean = [sum(z[:, j]) / n for j in range(d)]
        for j in range(d):
            for k in range(d):
                if j != k:
                    c = sum((z[i, j] - mean[j]) * (z[i, k] - mean[k]) for i in range(n)) / (n - 1)
                    total += c**2
        return total / d

    return invariance, (variance(a) + variance(b)) / 2, covariance(a) + covariance(b)


def test_terms_are_those_of_the_paper():
    rng = np.random.default_rng(3)
    a, b = rng.normal(0, 0.7, (9, 5)), rng.normal(0.2, 1.1, (9, 5))
    terms = vicreg_loss(torch.tensor(a), torch.tensor(b))
    invariance, variance, covariance = plain(a, b)
    assert terms.invariance.item() == pytest.approx(invariance, rel=1e-9)
    assert terms.variance.item() == pytest.approx(variance, rel=1e-9)
    assert terms.covariance.item() == pytest.approx(covariance, rel=1e-9)
    expected = 25 * invariance + 25 * variance + covariance
    assert terms.total.item() == pytest.approx(expected, rel=1e-9)


def test_collapse_costs_the_whole_variance_term():
    flat = torch.ones(8, 4)
    terms = vicreg_loss(flat, flat)
    assert terms.invariance.item() == 0
    assert terms.variance.item() == pytest.approx(0.99)


@pytest.mark.parametrize("shapes", [((4, 3), (4, 2)), ((1, 3), (1, 3)), ((4,), (4,))])
def test_shapes_that_do_not_fit_are_refused(shapes):
    with pytest.raises(BadInput, match=r"two \(B, D\) arrays"):
        vicreg_loss(torch.zeros(shapes[0]), torch.zeros(shapes[1]))
