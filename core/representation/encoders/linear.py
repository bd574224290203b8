"""What PCA, ICA and NMF of pixels share: small scaled pictures as rows of numbers, and back."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from core.errors import BadInput, Damaged
from core.progress import Progress
from core.representation.encoder import sampled_rows
from core.representation.inputs.scaling import PixelScaling, resized
from core.representation.weightfiles import write_arrays
from core.survey import Survey

INPUT_PX = 32
FIT_ROWS = 5000
MAX_COMPONENTS, MAX_PX = 1024, 128

WEIGHTS = "weights.safetensors"

Floats = NDArray[np.float32]


class LinearEncoder(ABC):
    """Pictures of `size_px` pixels a side as a sum of components: (B, P) -> (B, D) and back.

    Fitted on at most 5,000 objects drawn with a fixed seed; fewer components than asked for where
    the pictures have fewer directions. P = band * size_px * size_px.

    Parameters
    ----------
    components
        D at most.
    size_px
        To which pictures are reduced.
    """

    name: str
    own_options: ClassVar[dict[str, str]] = {
        "components": f"components at most, 1 to {MAX_COMPONENTS} (default: the encoder's own)",
        "size_px": f"side to which pictures are reduced, 4 to {MAX_PX} px (default {INPUT_PX})",
    }
    default_components: ClassVar[int] = 64
    array_names: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        components: int | str | None = None,
        size_px: int | str = INPUT_PX,
        *,
        seed: int = 0,
    ) -> None:
        asked = self.default_components if components is None else components
        self.asked = _whole(asked, "components", 1, MAX_COMPONENTS)
        self.size_px = _whole(size_px, "size_px", 4, MAX_PX)
        self.seed = seed
        self.notes: list[str] = []
        """What a person should know of the fit."""
        self.scaling: PixelScaling | None = None
        self.arrays: dict[str, Floats] = {}

    @abstractmethod
    def fit_pixels(self, pixels: Floats) -> None:
        """Learn the components of (N, P) pixels into `arrays`; adds to `notes`."""

    @abstractmethod
    def code(self, pixels: Floats) -> Floats:
        """(B, P) -> (B, D)."""

    @abstractmethod
    def decode(self, codes: Floats) -> Floats:
        """(B, D) -> (B, P)."""

    def fit(self, survey: Survey, progress: Progress) -> None:
        self.scaling = PixelScaling.of(survey.manifest)
        rows = sampled_rows(survey, FIT_ROWS, self.seed)
        parts = []
        for start in range(0, len(rows), 256):
            parts.append(self.pixels(survey.images(rows[start : start + 256])))
            progress(0.0, f"reading pictures: {start + len(parts[-1]):,} of {len(rows):,}")
        progress(0.0, f"fitting {self.asked} components of {self.name} on {len(rows):,} pictures")
        self.notes = []
        self.fit_pixels(np.concatenate(parts))

    def seen(self, images: NDArray[Any]) -> Floats:
        """(B, band, y, x) native pixels -> (B, band, size_px, size_px), as it sees them."""
        assert self.scaling is not None
        with torch.inference_mode():
            out: Floats = resized(self.scaling(images), self.size_px).numpy()
        return out

    def pixels(self, images: NDArray[Any]) -> Floats:
        """(B, band, y, x) native pixels -> (B, P)."""
        return self.seen(images).reshape(len(images), -1)

    def encode(self, images: NDArray[Any]) -> Floats:
        return self.code(self.pixels(images))

    def reconstruct(self, images: NDArray[Any]) -> Floats:
        """(B, band, y, x) native pixels -> (B, band, size_px, size_px): what the components keep,
        beside `seen`."""
        return self.decode(self.encode(images)).reshape(
            len(images), -1, self.size_px, self.size_px
        )

    def save(self, folder: Path) -> dict[str, Any]:
        assert self.scaling is not None
        write_arrays(self.arrays, folder / WEIGHTS)
        return {
            "seed": self.seed,
            "scaling": self.scaling.as_dict(),
            "components": self.asked,
            "size_px": self.size_px,
        }

    @classmethod
    def load(cls, folder: Path, settings: dict[str, Any]) -> Self:
        encoder = cls(
            settings.get("components"), settings.get("size_px", INPUT_PX), seed=settings["seed"]
        )
        encoder.scaling = PixelScaling.from_dict(settings["scaling"])
        try:
            arrays = load_file(folder / WEIGHTS)
            encoder.arrays = {name: arrays[name] for name in cls.array_names}
        except (OSError, KeyError, SafetensorError) as error:
            raise Damaged(
                f"{folder / WEIGHTS} should hold {', '.join(cls.array_names)} of {cls.name}, but"
                f" cannot be read so ({type(error).__name__}: {str(error)[:120]}); embed again."
            ) from None
        return encoder


def principal(pixels: Floats, count: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Mean (P,), principal axes (D, P) of length 1, and the deviation (D,) along each of (N, P).

    Directions in which nothing varies but rounding are left out; one axis of zeros stays where
    none varies.
    """
    from sklearn.decomposition import PCA

    size = min(count, len(pixels), pixels.shape[1])
    if len(pixels) < 2 or not float(pixels.std(0).max()) > 1e-6:
        zeros = np.zeros((1, pixels.shape[1]), np.float32)
        return pixels.mean(0, dtype=np.float32), zeros, np.ones(1, np.float32)
    model = PCA(size, svd_solver="randomized", random_state=seed).fit(pixels)
    deviation = np.sqrt(np.maximum(model.explained_variance_, 0))
    kept = deviation > 1e-5 * deviation[0]
    return (
        model.mean_.astype(np.float32),
        model.components_[kept].astype(np.float32),
        deviation[kept].astype(np.float32),
    )


def told_of_convergence(
    caught: list[warnings.WarningMessage], rounds: int, what: str
) -> list[str]:
    """Notes on a fit whose warnings were caught: none where it converged.

    Other warnings are given on.
    """
    from sklearn.exceptions import ConvergenceWarning

    unconverged = False
    for one in caught:
        if issubclass(one.category, ConvergenceWarning):
            unconverged = True
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    if not unconverged:
        return []
    return [
        f"{what} did not settle within {rounds} rounds, so its components are approximate; ask"
        " for fewer of them (`--set components=...`) or import more pictures"
    ]


def _whole(value: int | str, option: str, low: int, high: int) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = low - 1
    if not low <= number <= high:
        raise BadInput(
            f"{option} must be a whole number of {low} to {high:,}, but is {value!r}; change it."
        )
    return number
