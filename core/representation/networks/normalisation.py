"""Batch normalisation over the batch of all processes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.representation.training.gathering import gathered, processes


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation (Ioffe & Szegedy 2015) of (B, C) codes or (B, C, H, W) pictures.

    While several processes train together, mean and variance are those of the whole batch, with
    gradient, so that they train what one process with the whole batch would; the running
    statistics are the same on each. (torch's own SyncBatchNorm does not run on processors.) With
    one process, and when not training, it is torch's batch normalisation; so are the names of its
    state.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim not in (2, 4):
            raise ValueError(f"expected (B, C) or (B, C, H, W), came {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or processes() == 1:
            return super().forward(input)
        self._check_input_dim(input)
        x = input.float()
        axes = (0,) if x.ndim == 2 else (0, 2, 3)
        variance, mean = torch.var_mean(x, axes, correction=0)  # (C,) of this process
        values = x.numel() // x.shape[1]
        own = torch.cat([mean, variance, mean.new_tensor([values])])
        means, variances, counts = gathered(own.unsqueeze(0)).split([len(mean)] * 2 + [1], dim=1)
        # Variances about the means of the parts, put together (Chan, Golub & LeVeque 1983).
        count = counts.sum().detach()
        shares = counts.detach() / count
        mean = (shares * means).sum(0)
        variance = (shares * (variances + (means - mean).square())).sum(0)
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = torch.rsqrt(variance + self.eps) * self.weight
        shape = (1, -1) if x.ndim == 2 else (1, -1, 1, 1)
        out = x * scale.view(shape) + (self.bias - mean * scale).view(shape)
        return out.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
