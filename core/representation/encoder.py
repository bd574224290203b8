"""The seam of every encoder, and the registry in which each has its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput, NotReady
from core.progress import Progress
from core.survey import Survey
from core.vocabulary import DEFAULT

DEFAULT_ENCODER = "fusion"
"""What `default` stands for, where there are pictures."""

IMAGES, SPECTRA, COLUMNS = "images", "spectra", "columns"
"""What an encoder can read of a survey; the words of the manifest's modalities."""

DEFAULTS_WITHOUT_IMAGES = {SPECTRA: "spectrum_pca", COLUMNS: "columns"}


class Encoder(Protocol):
    """Turns pictures into an embedding. One file an encoder, registered by `register_encoder`.

    A class attribute `reads` says what it sees instead of pictures, if it does: `SPECTRA` or
    `COLUMNS`. `encode` is then given what `read_batch` reads.
    """

    name: str

    def fit(self, survey: Survey, progress: Progress) -> None:
        """Learn what has to be learnt from the survey (at least its pixel limits)."""

    def encode(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """(B, band, y, x) native pixels -> (B, D) float32."""

    def save(self, folder: Path) -> dict[str, Any]:
        """Write weights (safetensors) into `folder`; return the rest as JSON settings."""

    @classmethod
    def load(cls, folder: Path, settings: dict[str, Any]) -> Encoder:
        """The encoder that `save` wrote."""


E = TypeVar("E", bound=type[Any])
ENCODERS: dict[str, type[Any]] = {}


def register_encoder(name: str) -> Callable[[E], E]:
    """Class decorator: make an encoder known by `name`; a taken name is refused."""

    def register(cls: E) -> E:
        if name in ENCODERS or name == DEFAULT:
            raise ValueError(f"an encoder named {name!r} is registered already")
        cls.name = name
        ENCODERS[name] = cls
        return cls

    return register


def reads(encoder: Any) -> str:
    """What an encoder (or its class) reads of a survey."""
    found: str = getattr(encoder, "reads", IMAGES)
    return found


def seen_rows(survey: Survey, what: str = IMAGES) -> NDArray[np.bool_]:
    """(N,) bool, True for an object that has what is to be read."""
    if what == COLUMNS:
        return np.ones(len(survey), bool)
    found: NDArray[np.bool_] = survey.has_spectrum if what == SPECTRA else survey.has_image
    return found


def read_batch(survey: Survey, rows: NDArray[np.int64], what: str = IMAGES) -> Any:
    """What `encode` is given for some rows: images (B, band, y, x) in native pixels; flux, ivar
    and mask (B, n) of spectra; or rows of the catalogue."""
    if what == COLUMNS:
        return survey.catalogue.iloc[rows]
    return survey.spectra(rows) if what == SPECTRA else survey.images(rows)


_NAMED = {IMAGES: "picture", SPECTRA: "spectrum", COLUMNS: "row in its catalogue"}
_IMPORT = {IMAGES: "import pictures", SPECTRA: "import spectra", COLUMNS: "import a table"}


def nothing_seen(survey: Survey, what: str, why: str) -> NotReady:
    """The error for a survey none of whose objects has what an encoder reads."""
    return NotReady(
        f"No object of the survey {survey.name} has a {_NAMED[what]}{why}; {_IMPORT[what]} first."
    )


def sampled_rows(
    survey: Survey, count: int, seed: int = 0, what: str = IMAGES
) -> NDArray[np.int64]:
    """At most `count` rows that have a picture (or what else is to be read), drawn with a fixed
    seed, in ascending order."""
    rows = np.flatnonzero(seen_rows(survey, what))
    if len(rows) > count:
        rows = np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))
    if not len(rows):
        raise nothing_seen(survey, what, " to learn from")
    return rows


def default_encoder(survey: Survey | None = None) -> str:
    """What `default` stands for in a survey: its pictures come first, then its spectra."""
    if survey is not None and IMAGES not in survey.manifest.modalities:
        for what, name in DEFAULTS_WITHOUT_IMAGES.items():
            if what in survey.manifest.modalities:
                return name
    return DEFAULT_ENCODER


def encoder_name(name: str, survey: Survey | None = None) -> str:
    """Resolve `default` (of a survey, or of one with pictures) and check the name."""
    resolved = default_encoder(survey) if name == DEFAULT else name
    if resolved not in ENCODERS:
        raise BadInput(
            f"The encoder must be one of {', '.join(sorted([DEFAULT, *ENCODERS]))}, but is"
            f" {name!r}; choose one of them."
        )
    return resolved
