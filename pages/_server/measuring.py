"""The picture of an object that is measured in, and room to measure.

Both go through the gate of the pictures, whose threads also save the answers of the label page.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from core.survey import Survey
from pages._server.pictures import Pictures, Rendered, row_with_picture

__all__ = ["picture_to_measure", "room_to_measure", "room_to_suggest"]


def picture_to_measure(
    pictures: Pictures, survey: Survey, object_id: str, band: int | None
) -> np.ndarray:
    """(y, x) float32, the sum of all bands in units of their noise, or one band; kept.

    Whoever marks an object asks again at each click.

    Raises
    ------
    NotFound
        The survey has no such object, or the object no picture.
    NotReady
        Too many pictures are being drawn.
    """
    from core.measure.nuclei import summed

    row = row_with_picture(survey, object_id)
    manifest = survey.manifest

    def make() -> Rendered:
        with pictures.gate.room_for(bytes_to_sum(survey)):
            picture = summed(survey.image(row), manifest.band_sigma, band)
            return Rendered(picture.tobytes(), picture.shape)

    kept = pictures.cache.get(("measured", manifest.content_hash, object_id, band), make)
    return np.frombuffer(kept.body, np.float32).reshape(kept.shape)


def bytes_to_sum(survey: Survey) -> int:
    """What reading and summing holds at its height: the image four times while it is decoded, the
    sum twice as it is handed over, and some rows of it in arrays of eight bytes."""
    manifest = survey.manifest
    pixels = manifest.cutout_size_px**2
    values = len(manifest.bands) * pixels
    return values * np.dtype(manifest.dtype).itemsize * 4 + pixels * 4 * 2 + 48 * 2**20


@contextmanager
def room_to_measure(
    pictures: Pictures, survey: Survey, n_points: int, radius_px: float
) -> Iterator[None]:
    """Hold room to measure so many points; `NotReady` as `DrawingGate.room_for`."""
    from core.measure.nuclei import bytes_to_measure

    side = survey.manifest.cutout_size_px
    with pictures.gate.room_for(bytes_to_measure(n_points, radius_px, side)):
        yield


@contextmanager
def room_to_suggest(pictures: Pictures, survey: Survey) -> Iterator[None]:
    """Hold room to look for nuclei; `NotReady` as `DrawingGate.room_for`."""
    from core.measure.nuclei import bytes_to_suggest

    with pictures.gate.room_for(bytes_to_suggest(survey.manifest.cutout_size_px)):
        yield
