"""Pictures that are no rows of a survey, seen by the encoder of one of its embeddings."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.representation.encoder import IMAGES, reads
from core.representation.quality.finding import Embedded, embeddings_of, loaded_encoder
from core.survey import Survey

__all__ = ["encode_pictures", "sees_pictures"]

_LARGEST_FLOAT16 = float(np.finfo(np.float16).max)
_BATCH = 64

# Some encoders keep what a layer gives while it runs: one picture at a time.
_encoding = threading.Lock()

_KEPT = 2
_kept: dict[tuple[Path, str], Any] = {}
"""Encoders read from their runs, the one used last at the end."""


def encode_pictures(
    survey: Survey, run_id: str, pictures: Sequence[NDArray[Any]]
) -> NDArray[np.float32]:
    """(B, D) that the encoder of an embedding run says of pictures, as it would be stored.

    The encoder is read from its run, so the pixel limits, components and whitening are those of
    the survey: a row's own pixels give the row's own numbers, but for rounding. A row of NaN says
    that the encoder has nothing to say of a picture.

    Parameters
    ----------
    pictures
        (band, side, side) each, in the survey's bands, dtype and units
        (`core.survey.outside_picture` makes such).

    Raises
    ------
    NotFound
        No finished embedding of this version of the survey has that id.
    NotReady
        Its encoder is not known here.
    BadInput
        Its encoder does not look at pictures alone, or a picture has another shape.
    Damaged
        Its files cannot be read.
    """
    embedded = embeddings_of(survey, (run_id,))[0]
    dimensions = embedded.values.shape[1]
    manifest = survey.manifest
    wanted = (len(manifest.bands), manifest.cutout_size_px, manifest.cutout_size_px)
    for picture in pictures:
        if picture.shape != wanted:
            raise BadInput(
                f"A picture for {survey.name} has the shape (band, y, x) = {wanted}, but came with"
                f" {picture.shape}; bring it to the survey's size and bands."
            )
    if not pictures:
        return np.empty((0, dimensions), np.float32)
    with _encoding:
        model = _model(embedded)
        if reads(model) != IMAGES:
            raise BadInput(
                f"The embedding {run_id} ({embedded.encoder}) is not made of pictures alone, so"
                " that it has no place for a picture; choose an embedding of pictures."
            )
        batch = np.stack([np.asarray(one, manifest.dtype) for one in pictures])
        codes: NDArray[np.float32] = np.concatenate(
            [model.encode(batch[at : at + _BATCH]) for at in range(0, len(batch), _BATCH)]
        )
    if embedded.values.dtype == np.float16:
        bounded = np.clip(codes, -_LARGEST_FLOAT16, _LARGEST_FLOAT16)
        codes = bounded.astype(np.float16).astype(np.float32)
    codes[~np.isfinite(codes).all(axis=1)] = np.nan
    return codes


def sees_pictures(survey: Survey, run_id: str) -> bool:
    """Whether `encode_pictures` can be asked of that embedding; errors as there."""
    embedded = embeddings_of(survey, (run_id,))[0]
    with _encoding:
        return reads(_model(embedded)) == IMAGES


def _model(embedded: Embedded) -> Any:
    """The encoder of an embedding, kept for the next picture; call it under the lock."""
    # By the time of its record too: a run made anew under an old name has other weights.
    key = (embedded.run.path.resolve(), str(embedded.run.record.get("finished")))
    model = _kept.pop(key, None) or loaded_encoder(embedded)
    _kept[key] = model
    while len(_kept) > _KEPT:
        del _kept[next(iter(_kept))]
    return model
