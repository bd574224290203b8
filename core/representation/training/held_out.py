"""How good the codes of objects are that training never sees, without any label.

The loss says little of it: its scale moves with the augmentations and differs between methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core import metrics
from core.errors import BadInput
from core.representation.augmentation import ViewRecipe
from core.representation.device import autocast, best_device
from core.representation.methods.method import Method
from core.representation.training.views import as_seen, random_numbers
from core.representation.whitening import Whitening

PROGRESS_MEASURE = "neighbour_consistency"
"""The measure that picks the weights which are kept, and by which training stops early, of methods
that are trained for codes."""

RECONSTRUCTION_ERROR = "reconstruction_error"
"""The one that does so of methods that give pictures back: maps that learn to copy may keep ever
fewer neighbours of turned views, and the other then picks a network that has hardly learnt to."""

LOWER_IS_BETTER = frozenset({"alignment", "uniformity", RECONSTRUCTION_ERROR})

COMPONENTS = 64
"""As an encoder keeps of a network: neighbours are looked up where the app will look them up. A
quarter as many as there are objects at most: whitened, few objects in many dimensions are all
equally far apart."""

NEIGHBOURS = 10
"""Looked at of each object; a tenth of the objects at most."""

LEAST_RANK, LEAST_SPREAD = 1.5, 1e-3
"""Codes of less effective rank, or whose largest deviation is a smaller share of their size (which
half precision only rounds), tell no objects apart."""

COLLAPSED = (
    "The codes collapsed: the network gives all objects nearly the same one, so do not use it;"
    " train longer, with a lower learning rate, or by another method."
)

_VIEWS = 103
_BLOCK = 64


class HeldOut:
    """The held-out objects: unchanged, and in two views that are the same at every evaluation.

    The views are drawn by the standard recipe, whatever training uses, so that runs compare.

    Parameters
    ----------
    fetch
        Gives the scaled pictures of an index tensor.
    rows
        (N,) indices held out.

    Attributes
    ----------
    objects
        Ids of the held-out objects by survey, in the order of `rows`; empty where `fetch` does
        not say them.
    plain
        (N, D) codes of the objects as they are at the newest evaluation; None before it, or
        where they were no numbers.
    """

    def __init__(
        self,
        fetch: Callable[[Tensor], Tensor],
        rows: NDArray[np.int64],
        method: Method,
        recipe: ViewRecipe,
        seed: int,
    ) -> None:
        spec = method.spec
        # Half precision: half the memory, and finer than the pixels' noise.
        self.shown: list[list[Tensor]] = []  # [block][view] (B, channels, size_px, size_px)
        conditions = getattr(fetch, "conditions", None)
        for start in range(0, len(rows), _BLOCK):
            index = torch.from_numpy(rows[start : start + _BLOCK])
            pictures = fetch(index)
            known = conditions(index) if conditions is not None else None
            for image in range(spec.images):
                looks = torch.full((len(pictures),), image)
                generator = random_numbers(_VIEWS, seed, start, image)
                block = [spec(pictures)[:, image].half()]
                block += [
                    as_seen(pictures, spec, recipe, generator, looks, conditions=known).half()
                    for _ in range(2)
                ]
                self.shown.append(block)
        self.images = spec.images
        ids = getattr(fetch, "ids", None)
        self.objects: dict[str, list[str]] = ids(rows) if ids is not None else {}
        self.plain: NDArray[np.float32] | None = None

    def __bool__(self) -> bool:
        return bool(self.shown)

    def codes(self, method: Method) -> list[NDArray[np.float32]]:
        """(N, images * D) of the objects as they are and of the two views of them."""
        found = []
        with evaluating(method), torch.inference_mode(), autocast():
            for view in range(3):
                blocks = [
                    method.codes(
                        block[view]
                        .to(best_device())
                        .float()
                        .contiguous(memory_format=torch.channels_last)
                    )
                    .float()
                    .cpu()
                    .numpy()
                    for block in self.shown
                ]
                # The blocks go object by object within each image.
                images = [np.concatenate(blocks[i :: self.images]) for i in range(self.images)]
                found.append(np.concatenate(images, axis=1))
        return found

    def quality(self, method: Method) -> dict[str, float]:
        """Measures of `core.metrics` by name; those that make no sense are left out, and of codes
        that have collapsed there is the rank alone, 0 where all are the same. With them the
        reconstruction error of a method that `reconstructs`; nothing where codes are no
        numbers."""
        found = self._of_codes(method)
        if self.plain is not None and method.reconstructs:
            error = self.reconstruction_error(method)
            if np.isfinite(error):
                found[RECONSTRUCTION_ERROR] = float(f"{error:.6g}")
        return found

    def reconstruction_error(self, method: Method) -> float:
        """Mean squared difference a pixel between the objects as they are, pixels 0 to 1, and
        what the method makes of their codes; in float32, as reconstructions are shown."""
        total, pixels = 0.0, 0
        with evaluating(method), torch.inference_mode():
            for block in self.shown:
                seen = block[0].to(best_device()).float()
                seen = seen.contiguous(memory_format=torch.channels_last)
                rebuilt = method.decode(method.codes(seen))
                total += float((rebuilt - seen.clamp(0, 1)).double().square().sum())
                pixels += seen.numel()
        return total / pixels

    def _of_codes(self, method: Method) -> dict[str, float]:
        self.plain = None
        plain, first, second = self.codes(method)
        if not all(np.isfinite(codes).all() for codes in (plain, first, second)):
            return {}
        self.plain = plain
        spread = float(plain.std(0, dtype=np.float64).max())
        flat = spread <= LEAST_SPREAD * float(np.abs(plain).max())
        rank = 0.0 if flat else metrics.rankme(plain)
        if rank < LEAST_RANK:  # whitened, the rounding of such codes would look like a spread
            return {"rank": round(rank, 6)}
        whitening = Whitening.fit(plain, min(COMPONENTS, max(2, len(plain) // 4)))
        k = min(NEIGHBOURS, max(1, len(plain) // 10))
        white, one, other = (whitening(codes) for codes in (plain, first, second))
        measures: dict[str, Callable[[], float]] = {
            "neighbour_consistency": lambda: metrics.neighbour_consistency(one, other, k),
            "view_retrieval": lambda: metrics.view_retrieval(one, other),
            "rank": lambda: rank,
            "two_point": lambda: metrics.two_point_score(plain),
            "alignment": lambda: metrics.alignment(one, other),
            "uniformity": lambda: metrics.uniformity(white),
        }
        found = {}
        for name, measure in measures.items():
            try:
                found[name] = round(float(measure()), 6)
            except BadInput:  # so few objects, for one, have no two-point score
                continue
        return found


def collapsed(quality: dict[str, float]) -> bool:
    """Whether the codes of that quality tell no objects apart."""
    return quality.get("rank", LEAST_RANK) < LEAST_RANK


def picked_by(*qualities: Mapping[str, object]) -> str:
    """The measure by which such qualities are compared: the reconstruction error where one of them
    has it, else the neighbour consistency, as of autoencoders of versions that had no other."""
    has_error = any(RECONSTRUCTION_ERROR in one for one in qualities)
    return RECONSTRUCTION_ERROR if has_error else PROGRESS_MEASURE


def picked_words(quality: Mapping[str, object]) -> str:
    """That measure and its value, as told of the weights kept; "" where it was not measured."""
    measure = picked_by(quality)
    value = quality.get(measure)
    if not isinstance(value, int | float):
        return ""
    told = f"{value:.3g}" if measure == RECONSTRUCTION_ERROR else f"{value:.3f}"
    return f"picked by {measure.replace('_', ' ')}, {told}"


def stalled(quality: Mapping[str, object]) -> str:
    """That the measure which picked this quality gets no better, in words."""
    measure = picked_by(quality)
    return f"{measure} has not {'fallen' if measure in LOWER_IS_BETTER else 'risen'}"


def better(present: dict[str, float], best: dict[str, float] | None) -> bool:
    """Whether a quality is at least as good as the best one before, by `picked_by`. Codes that
    have collapsed are better than nothing, and than others that have."""
    if best and collapsed(present) and not collapsed(best):
        return False
    if best and present and collapsed(best) and not collapsed(present):
        return True
    measure = picked_by(present, best or {})
    if best is None or measure not in best:
        return True
    if measure not in present:
        return False
    sign = -1 if measure in LOWER_IS_BETTER else 1
    return sign * present[measure] >= sign * best[measure]


@contextmanager
def evaluating(method: Method) -> Iterator[Any]:
    """The method in evaluation mode within the block, in training mode after it."""
    method.eval()
    try:
        yield method
    finally:
        method.train()
