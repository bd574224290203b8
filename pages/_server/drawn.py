"""What is shown of an object without a picture: its spectrum as a chart, or its row as a card."""

from __future__ import annotations

import numpy as np

from core.errors import NotFound
from core.survey import Survey
from core.survey.astrometry import sky_columns
from pages._server.drawn_card import draw_card
from pages._server.drawn_values import values_of

__all__ = ["SPECTRUM_WIDTHS", "bytes_to_chart", "drawn_object", "drawn_spectrum", "is_drawn"]

SPECTRUM_WIDTHS = (320, 480, 640, 960, 1280, 1920)
"""Widths in pixels that a spectrum is drawn at: a few, so that the cache is hit."""

_SPECTRUM_HEIGHT = 0.6
"""Of its width."""
_LEAST_CHART_PX = 256
"""Drawn smaller, the numbers at the axes would fill the chart."""


def is_drawn(survey: Survey, row: int) -> bool:
    """True for an object without a picture that has something else to look at."""
    return not survey.has_image[row] and bool(survey.can_be_shown[row])


def drawn_object(
    survey: Survey, row: int, size_px: int, *, dark: bool = True, wide: bool = False
) -> bytes:
    """PNG of `size_px` x `size_px`: the object's spectrum, else the unusual values of its row.

    A `wide` spectrum is lower than it is wide, for a place that is.

    Raises
    ------
    NotFound
        The object has neither picture nor spectrum, in a survey whose objects have them.
    """
    object_id = str(survey.object_ids[row])
    if survey.has_spectrum[row]:
        height = round(size_px * _SPECTRUM_HEIGHT) if wide else size_px
        return _chart(survey, row, size_px, height, dark=dark)
    if not survey.can_be_shown[row]:
        what = " or ".join(
            f"no {'picture' if one == 'images' else 'spectrum'}" for one in _parts(survey)
        )
        raise NotFound(f"The object {object_id} of the survey {survey.name} has {what}.")
    return draw_card(object_id, values_of(survey, row), size_px, dark=dark)


def drawn_spectrum(survey: Survey, row: int, width_px: int, *, dark: bool = True) -> bytes:
    """PNG of the object's spectrum, `width_px` wide, with lines marked at its redshift.

    Raises
    ------
    NotFound
        The object has no spectrum.
    """
    if not survey.has_spectrum[row]:
        raise NotFound(
            f"The object {survey.object_ids[row]} of the survey {survey.name} has no spectrum."
        )
    return _chart(survey, row, width_px, round(width_px * _SPECTRUM_HEIGHT), dark=dark)


def bytes_to_chart(survey: Survey, width_px: int, height_px: int) -> int:
    """What drawing a chart holds at its height: it is drawn at twice its size."""
    n = survey.grid.n if survey.grid is not None else 0
    return max(width_px, _LEAST_CHART_PX) * max(height_px, _LEAST_CHART_PX) * 3 * 6 + n * 8 * 40


def _chart(survey: Survey, row: int, width_px: int, height_px: int, *, dark: bool) -> bytes:
    from core.display.render import encode_png
    from core.display.spectrum import draw_spectrum, spectrum_png

    assert survey.grid is not None
    spectrum = survey.spectrum(row)
    enlarged = max(1.0, _LEAST_CHART_PX / min(width_px, height_px))
    drawn = draw_spectrum(
        survey.grid,
        spectrum.flux,
        spectrum.ivar,
        spectrum.mask,
        round(width_px * enlarged),
        round(height_px * enlarged),
        dark=dark,
        redshift=_redshift(survey, row),
    )
    if enlarged == 1.0:
        return spectrum_png(drawn)
    return encode_png(drawn, max(width_px, height_px))


def _redshift(survey: Survey, row: int) -> float | None:
    redshifts = sky_columns(survey).z
    if redshifts is None or not np.isfinite(redshifts[row]):
        return None
    return float(redshifts[row])


def _parts(survey: Survey) -> list[str]:
    return [one for one in survey.manifest.modalities if one in ("images", "spectra")]
