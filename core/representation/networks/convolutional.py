"""Convolutional halves of autoencoders: pictures to maps, and back."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from core.errors import BadInput


def map_side(size_px: int, halvings: int) -> int:
    """Side of a picture halved so often; `BadInput` where a half is no whole number of pixels."""
    if halvings < 1 or size_px % 2**halvings:
        raise BadInput(
            f"A picture of {size_px} px must halve at least once, and each time into whole"
            f" pixels, but {halvings} stages were asked for; change their number."
        )
    return size_px // 2**halvings


class PoolingEncoder(nn.Sequential):
    """A 3x3 convolution, ReLU and 2x maximum pooling for each number of filters.

    (B, channels, H, W) -> (B, filters[-1], H / 2^n, W / 2^n), n = len(filters)
    """

    def __init__(self, channels: int, filters: Sequence[int]) -> None:
        layers: list[nn.Module] = []
        for width in filters:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            channels = width
        super().__init__(*layers)


class UpsamplingDecoder(nn.Sequential):
    """The mirror of `PoolingEncoder`: convolution, ReLU and doubling, then one to the channels.

    (B, filters[-1], h, w) -> (B, channels, h * 2^n, w * 2^n) logits
    """

    def __init__(self, channels: int, filters: Sequence[int]) -> None:
        layers: list[nn.Module] = []
        inside = filters[-1]
        for width in reversed(filters):
            layers += [nn.Conv2d(inside, width, 3, padding=1), nn.ReLU(), nn.Upsample(None, 2)]
            inside = width
        super().__init__(*layers, nn.Conv2d(inside, channels, 3, padding=1))


class StridedEncoder(nn.Module):
    """Convolutions of stride 2, each normalised over groups of its channels, then one dense layer.

    (B, channels, size_px, size_px) -> (B, out). No statistics of the batch: what several
    processes train is what one does.
    """

    def __init__(self, channels: int, size_px: int, widths: Sequence[int], out: int) -> None:
        super().__init__()
        side = map_side(size_px, len(widths))
        layers: list[nn.Module] = []
        for width in widths:
            layers += [nn.Conv2d(channels, width, 4, 2, 1), _group_norm(width), nn.SiLU()]
            channels = width
        self.layers = nn.Sequential(*layers)
        self.dense = nn.Linear(channels * side**2, out)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.dense(self.layers(x).flatten(1))
        return out


class StridedDecoder(nn.Module):
    """The mirror of `StridedEncoder`; doubled by repetition, which leaves no chequerboard.

    (B, latent) -> (B, channels, size_px, size_px) logits
    """

    def __init__(self, channels: int, size_px: int, widths: Sequence[int], latent: int) -> None:
        super().__init__()
        self.side = map_side(size_px, len(widths))
        self.dense = nn.Linear(latent, widths[-1] * self.side**2)
        layers: list[nn.Module] = []
        inside = widths[-1]
        for width in [*reversed(widths[:-1]), widths[0]]:
            layers += [nn.Upsample(None, 2), nn.Conv2d(inside, width, 3, padding=1)]
            layers += [_group_norm(width), nn.SiLU()]
            inside = width
        self.layers = nn.Sequential(*layers, nn.Conv2d(inside, channels, 3, padding=1))

    def forward(self, codes: Tensor) -> Tensor:
        out: Tensor = self.layers(self.dense(codes).unflatten(1, (-1, self.side, self.side)))
        return out


def _group_norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(next(n for n in (8, 4, 2, 1) if width % n == 0), width)
