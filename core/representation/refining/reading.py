"""The columns of an embedding that its network makes, made by another network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import NotReady
from core.representation.device import autocast, best_device
from core.representation.embedding.records import Embedding
from core.representation.encoders.fusion import FARTHEST
from core.representation.inputs.pictures import PictureSource
from core.representation.methods.method import METHODS, Method
from core.representation.whitening import Whitening

BATCH = 128
QUARTER_TURNS = 4


@dataclass(frozen=True)
class Place:
    """Where the network stands in an embedding.

    Attributes
    ----------
    columns
        Those that it makes.
    method
        How it was trained; the name of its encoder.
    components
        Leading ones that are kept of it.
    weight
        Factor of its columns beside the others.
    """

    columns: slice
    method: str
    components: int
    weight: float


def network_place(embedding: Embedding, settings: Mapping[str, Any]) -> Place:
    """The one network behind an embedding.

    settings: of its encoder, as its run's result has them.

    Raises
    ------
    NotReady
        It has none that was trained here or came with Skysift, or several.
    """
    width = int(embedding.values.shape[1])
    if embedding.encoder in METHODS:
        return Place(slice(0, width), embedding.encoder, width, 1.0)
    parts = settings.get("parts")
    found = [one for one in parts if one["name"] in METHODS] if isinstance(parts, list) else []
    if len(found) != 1:
        has = "several networks" if found else "no network"
        raise NotReady(
            f"Labels are taught to the network behind an embedding, and the one in use"
            f" ({embedding.encoder}) has {has}; choose or make one of the default encoder, which"
            " has one."
        )
    columns = embedding.parts[found[0]["name"]]
    kept = columns.stop - columns.start
    return Place(columns, found[0]["name"], kept, float(found[0]["weight"]))


def replaced_columns(
    values: NDArray[np.float32],
    place: Place,
    network: Method,
    source: PictureSource,
    index: NDArray[np.int64],
    fit: NDArray[np.bool_],
    tell: Callable[[int], None] = lambda _done: None,
) -> NDArray[np.float32]:
    """(B, D) rows of an embedding with the columns of its network made anew by `network`.

    Parameters
    ----------
    values
        (B, D) rows as they are.
    index
        (B,) number of each row's object among the pictures.
    fit
        (B,) bool: the rows that stand for the survey; components are fitted on them alone.
    tell
        Called with the number of rows that are done.
    """
    codes = network_codes(network, source, index, tell)
    whitened = Whitening.fit(codes[fit], place.components)(codes)
    own = np.clip(whitened, -FARTHEST, FARTHEST) * np.float32(place.weight)
    before, after = values[:, : place.columns.start], values[:, place.columns.stop :]
    return np.concatenate([before, own, after], axis=1)


def network_codes(
    network: Method,
    source: PictureSource,
    index: NDArray[np.int64],
    tell: Callable[[int], None] = lambda _done: None,
) -> NDArray[np.float32]:
    """(B, images * dimensions): codes of all looks, the mean over the quarter turns, as an encoder
    takes them."""
    network = network.to(best_device()).eval()
    out: list[NDArray[np.float32]] = []
    for start in range(0, len(index), BATCH):
        pictures = source(torch.from_numpy(index[start : start + BATCH])).to(best_device())
        with torch.inference_mode():
            shown = network.spec(pictures)  # (B, images, channels, y, x)
            looks = [_turned(network, shown[:, look]) for look in range(shown.shape[1])]
        out.append(torch.cat(looks, dim=1).cpu().numpy())
        tell(start + len(pictures))
    return np.concatenate(out)


def _turned(network: Method, x: Tensor) -> Tensor:
    total: Tensor | float = 0.0
    for quarter in range(QUARTER_TURNS):
        turned = torch.rot90(x, quarter, (2, 3)).contiguous(memory_format=torch.channels_last)
        with autocast():
            codes = network.codes(turned)
        total = total + codes.float()
    assert isinstance(total, Tensor)
    return total / QUARTER_TURNS
