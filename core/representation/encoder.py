"""The seam of every encoder, and the registry in which each has its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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

ROWS = "rows"
"""Neither: the encoder is told which objects (`SurveyRows`) and looks itself."""

DEFAULTS_WITHOUT_IMAGES = {SPECTRA: "spectrum_pca", COLUMNS: "columns"}


@dataclass(frozen=True)
class SurveyRows:
    """Some objects of a survey: (B,) rows."""

    survey: Survey
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Sampled:
    """What an encoder saw while it was fitted: (n,) ascending rows and their (n, D) codes."""

    rows: NDArray[np.int64]
    codes: NDArray[np.float32]


class Encoder(Protocol):
    """Turns pictures into an embedding. One file an encoder, registered by `register_encoder`.

    A class attribute `reads` says what it sees instead of pictures, if it does: `SPECTRA`,
    `COLUMNS` or `ROWS`. `encode` is then given what `read_batch` reads. A row of NaN says that
    the encoder has nothing to say of an object; it is masked in the embedding.

    A class attribute `own_options` names the options that it may be made with, each with its
    meaning; `make(survey, options)` makes it, or, where there is none, `cls(**options)`. Values
    may come as text from a command line.

    An attribute `sampled` may hold a `Sampled` after `fit`: what `encode` gives of the rows that
    it looked at, so that nobody encodes them again.
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


def make_encoder(name: str, survey: Survey, options: Mapping[str, Any] | None = None) -> Any:
    """An encoder of that name for a survey, not fitted yet.

    Raises
    ------
    BadInput
        The name or one of the options is not known, or an option's value is not allowed.
    NotReady
        It needs weights or files that are not there.
    """
    cls = ENCODERS[encoder_name(name, survey)]
    known: Mapping[str, str] = getattr(cls, "own_options", {})
    given = dict(options or {})
    for key in given:
        if key not in known:
            allowed = f"knows {', '.join(sorted(known))}" if known else "has no options"
            raise BadInput(
                f"The encoder {cls.name} {allowed}, but {key!r} was given; leave it out."
            )
    make = getattr(cls, "make", None)
    return make(survey, given) if make is not None else cls(**given)


def reads(encoder: Any) -> str:
    """What an encoder (or its class) reads of a survey."""
    found: str = getattr(encoder, "reads", IMAGES)
    return found


def seen_rows(survey: Survey, what: str = IMAGES) -> NDArray[np.bool_]:
    """(N,) bool, True for an object that has what is to be read."""
    if what in (COLUMNS, ROWS):
        return np.ones(len(survey), bool)
    found: NDArray[np.bool_] = survey.has_spectrum if what == SPECTRA else survey.has_image
    return found


def read_batch(survey: Survey, rows: NDArray[np.int64], what: str = IMAGES) -> Any:
    """What `encode` is given for some rows: images (B, band, y, x) in native pixels; flux, ivar
    and mask (B, n) of spectra; rows of the catalogue; or the rows themselves."""
    if what == ROWS:
        return SurveyRows(survey, rows)
    if what == COLUMNS:
        return survey.catalogue.iloc[rows]
    return survey.spectra(rows) if what == SPECTRA else survey.images(rows)


_NAMED = {
    IMAGES: "picture",
    SPECTRA: "spectrum",
    COLUMNS: "row in its catalogue",
    ROWS: "value",
}
_IMPORT = {
    IMAGES: "import pictures",
    SPECTRA: "import spectra",
    COLUMNS: "import a table",
    ROWS: "look what the encoder says",
}


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
