"""What is asked of a training, checked before anything is read or timed."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import BadInput, NotReady
from core.representation.inputs.spec import MAX_BANDS
from core.survey import Survey

MAX_MINUTES = 30 * 24 * 60.0
"""A month."""


def checked_minutes(minutes: float | None) -> None:
    """Refuse a time that none can be planned by; None leaves the steps as they are."""
    if minutes is not None and not 0 < minutes <= MAX_MINUTES:
        raise BadInput(
            f"--minutes is above 0 and at most {MAX_MINUTES:,.0f} (30 days), but is {minutes:g};"
            " give another time."
        )


def checked_numbers(minutes: float | None, bands: int | None) -> None:
    """`checked_minutes` and `checked_bands`."""
    checked_minutes(minutes)
    checked_bands(bands)


def checked_bands(bands: int | None) -> None:
    """Refuse a number of bands that no network sees; None takes that of the surveys."""
    if bands is not None and not 1 <= bands <= MAX_BANDS:
        raise BadInput(
            f"--bands is 1 to {MAX_BANDS}, but is {bands}; give another number, or leave it out"
            " for the bands that the surveys have."
        )


def checked_surveys(surveys: Sequence[Survey]) -> Sequence[Survey]:
    """The surveys, unless one is named twice or has nothing to train on.

    Raises
    ------
    BadInput
        One is named twice.
    NotReady
        No object of one has a picture.
    """
    names = [survey.name for survey in surveys]
    for survey in surveys:
        if names.count(survey.name) > 1:
            raise BadInput(f"The survey {survey.name} is named twice; name each survey once.")
        if not survey.has_image.any():
            instead = f", or leave {survey.name} out" if len(surveys) > 1 else ""
            raise NotReady(
                f"No object of {survey.name} has a picture to train on; import pictures{instead}."
            )
    return surveys
