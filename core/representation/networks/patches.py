"""A small vision transformer over patches, of which some may be left out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STEM_CHANNELS = 32


def as_patches(x: Tensor, patch_px: int) -> Tensor:
    """(B, C, H, W) -> (B, P, C, patch_px, patch_px), row by row from the top left."""
    batch, channels, height, width = x.shape
    rows, columns = height // patch_px, width // patch_px
    cut = x.reshape(batch, channels, rows, patch_px, columns, patch_px)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(
        batch, rows * columns, channels, patch_px, patch_px
    )


def places(side: int, width: int) -> Tensor:
    """(side * side, width) sines and cosines of the row and column of each patch (Vaswani et al.
    2017, half the columns for each axis); `width` is a multiple of 4."""
    octave = 10000 ** (-torch.arange(width // 4) / (width // 4))
    angle = torch.arange(side).unsqueeze(1) * octave  # (side, width / 4)
    line = torch.cat([angle.sin(), angle.cos()], dim=1)  # (side, width / 2)
    row = line.unsqueeze(1).expand(-1, side, -1)
    column = line.unsqueeze(0).expand(side, -1, -1)
    return torch.cat([row, column], dim=2).reshape(side * side, width)


class PatchStem(nn.Module):
    """(B, P, C, patch, patch) -> (B, P, width): convolutions within each patch, so that nothing of
    one that is hidden leaks into its neighbours."""

    def __init__(self, channels: int, patch_px: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, STEM_CHANNELS, 3, 2, 1)
        self.out = nn.Linear(STEM_CHANNELS * ((patch_px + 1) // 2) ** 2, width)

    def forward(self, patches: Tensor) -> Tensor:
        batch, count = patches.shape[:2]
        y = functional.gelu(self.conv(patches.flatten(0, 1)))
        out: Tensor = self.out(y.flatten(1)).view(batch, count, -1)
        return out


class TransformerBlock(nn.Module):
    """(B, P, width) -> the same: attention and a two-layer network, each behind a layer
    normalisation and round a shortcut (Dosovitskiy et al. 2021, arXiv 2010.11929)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.attend = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, count, width = x.shape
        three = self.attend(self.norm1(x)).view(batch, count, 3, self.heads, -1)
        query, key, value = three.permute(2, 0, 3, 1, 4)  # (B, heads, P, width / heads)
        seen = functional.scaled_dot_product_attention(query, key, value)
        x = x + self.join(seen.transpose(1, 2).reshape(batch, count, width))
        out: Tensor = x + self.narrow(functional.gelu(self.widen(self.norm2(x))))
        return out


class PatchEncoder(nn.Module):
    """Pictures -> one code a patch.

    Parameters
    ----------
    channels, size_px, patch_px
        Of the picture; its side is a multiple of the patch's.
    width, depth, heads
        Of the transformer.
    """

    place: Tensor

    def __init__(
        self, channels: int, size_px: int, patch_px: int, width: int, depth: int, heads: int
    ) -> None:
        super().__init__()
        self.patch_px = patch_px
        self.stem = PatchStem(channels, patch_px, width)
        self.register_buffer("place", places(size_px // patch_px, width), persistent=False)
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        """(B, channels, y, x) and, where some are hidden, (B, V) numbers of the visible patches
        -> (B, V or all, width)."""
        patches = as_patches(x, self.patch_px)
        place = self.place.expand(len(x), -1, -1)
        if visible is not None:
            patches = patches.gather(1, _like(visible, patches))
            place = place.gather(1, _like(visible, place))
        out: Tensor = self.norm(self.blocks(self.stem(patches) + place))
        return out


class PatchDecoder(nn.Module):
    """Codes of visible patches -> the pixels of all patches.

    Parameters
    ----------
    inside
        Width of the codes.
    pixels
        Numbers a patch.
    """

    place: Tensor

    def __init__(
        self, inside: int, side: int, pixels: int, width: int, depth: int, heads: int
    ) -> None:
        super().__init__()
        self.enter = nn.Linear(inside, width)
        self.hidden = nn.Parameter(torch.zeros(1, 1, width))
        nn.init.normal_(self.hidden, std=0.02)
        self.register_buffer("place", places(side, width), persistent=False)
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, pixels)

    def forward(self, codes: Tensor, visible: Tensor) -> Tensor:
        """(B, V, inside) and their (B, V) numbers -> (B, P, pixels)."""
        entered = self.enter(codes)
        tokens = self.hidden.to(entered.dtype).expand(len(codes), len(self.place), -1)
        tokens = tokens.scatter(1, _like(visible, entered), entered)
        out: Tensor = self.leave(self.norm(self.blocks(tokens + self.place)))
        return out


def _like(index: Tensor, x: Tensor) -> Tensor:
    """(B, V) -> (B, V, ...) expanded to the trailing axes of `x`, for gather and scatter."""
    shape = (*index.shape, *x.shape[2:])
    return index.view(*index.shape, *[1] * (x.ndim - 2)).expand(shape)
