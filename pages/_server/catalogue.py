"""What of a survey can be plotted by one person: its quantities, as an array of each.

A quantity is a column of the catalogue or one added later, or what the task says of an object:
answers, P(target), uncertainty, anomaly score, group. They are the colourings of the map, under
the same names and the same rules of who may see what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from astropy.units import Unit, UnrecognizedUnit

from core.errors import BadInput, NotReady
from core.survey import Survey
from core.survey.added_columns import added_info, columns_stamp, full_catalogue
from core.survey.astrometry import sky_positions
from labels_db import Task
from pages._server.catalogue_categories import told_apart
from pages._server.catalogue_sky import TURN_DEG, centre_of, mollweide, plain_plane
from pages._server.columns import known_columns
from pages._server.identity import Identity
from pages._server.map_colours import Paint, colourings, paint
from pages._server.map_data import Placed
from pages._server.map_view import MapView
from pages._server.services import Services

__all__ = [
    "COLUMN",
    "MAX_ON_AXIS",
    "SPREAD",
    "Axis",
    "PlotSource",
    "Quantity",
    "SkyPlane",
    "unit_words",
]

COLUMN = "column:"
"""Begins the name of a quantity that is a column."""
MAX_ON_AXIS = 24
"""Categories that are told apart on an axis; the smaller ones stand together."""
SPREAD = 0.3
"""Points of a category are drawn so far to both sides of its place, or they would be a line."""
_SCORES = ("prediction", "uncertainty", "anomaly")


@dataclass(frozen=True)
class Quantity:
    """Something that can be plotted; `kind` is "numbers" or "categories"."""

    by: str
    title: str
    kind: str
    unit: str = ""
    description: str = ""

    @property
    def label(self) -> str:
        """Its title with the unit."""
        return f"{self.title} [{unit_words(self.unit)}]" if self.unit else self.title

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers rather than categories."""
        return self.kind == "numbers"


@dataclass(frozen=True, eq=False)
class Axis:
    """The values of a quantity by row.

    Attributes
    ----------
    values
        (N,) float64, not to be written into: numbers, NaN where there is none; of categories
        their places 0, 1, ... along the axis.
    names
        The categories by place; empty for numbers.
    whole_numbers
        Whether all the numbers are whole.
    """

    quantity: Quantity
    values: np.ndarray
    names: tuple[str, ...] = ()
    whole_numbers: bool = False

    def spread(self, seed: int) -> np.ndarray:
        """(N,) where the points are drawn: of categories beside each other, always the same.

        seed: another for each axis of a plot, or categories against categories would be lines.
        """
        if not self.names:
            return self.values
        aside = np.random.default_rng(seed).uniform(-SPREAD, SPREAD, len(self.values))
        return self.values + aside


@dataclass(frozen=True, eq=False)
class SkyPlane:
    """Places on the sky as a plot has them, (N,) degrees, NaN for an object without a position;
    `centre_deg` is the right ascension in the middle, `period` that after which x comes round
    again (None: never)."""

    x: np.ndarray
    y: np.ndarray
    centre_deg: float
    period: float | None


class PlotSource:
    """What one person may plot of a survey and task; made anew for each drawing.

    Arrays are kept in `services` by the survey's content and its added columns.
    """

    def __init__(self, services: Services, task: Task, survey: Survey, who: Identity) -> None:
        self.services = services
        self.task = task
        self.survey = survey
        self.who = who
        self._stamp = (survey.manifest.content_hash, columns_stamp(survey))

    @cached_property
    def quantities(self) -> Mapping[str, Quantity]:
        """By their names in links."""
        info = {**added_info(self.survey), **self.survey.column_info}
        found = {}
        for one in colourings(self.services, self.task, self.survey, self.who):
            said = info.get(one["by"].removeprefix(COLUMN)) if _is_column(one["by"]) else None
            unit, words = (said.unit, said.description) if said else ("", "")
            found[one["by"]] = Quantity(one["by"], one["title"], one["kind"], unit, words)
        return found

    def quantity(self, by: str) -> Quantity:
        """One of `quantities` (`BadInput`)."""
        found = self.quantities.get(by)
        if found is None:
            raise BadInput(
                f"There is nothing to plot by the name {by.removeprefix(COLUMN)[:80]!r} in"
                f" {self.survey.name}; choose one of the list, which changes with what the model"
                " and the catalogue have."
            )
        return found

    def axis(self, by: str) -> Axis:
        """The values of a quantity (`BadInput`, `NotReady`)."""
        quantity = self.quantity(by)
        if not quantity.is_number:
            return self._categories(quantity)
        if by in _SCORES:
            return self._scores(quantity)
        name = by.removeprefix(COLUMN)
        values, whole = self.services.plotted.get(
            ("column", name, *self._stamp), lambda: _numbers(full_catalogue(self.survey)[name])
        )
        return Axis(quantity, values, whole_numbers=whole)

    def colours(self, by: str, *, log: bool = False) -> Paint:
        """The colour of every object by a quantity, as on the map (`BadInput`)."""
        self.quantity(by)
        everything = self.services.plotted.get(
            ("everything", self._stamp[0]), lambda: _everything(len(self.survey))
        )
        return paint(self.services, self.task, self.survey, self.who, everything, by, log=log)

    @property
    def has_sky(self) -> bool:
        """Whether any object has a position."""
        return self._positions() is not None

    def sky(self, *, whole_sky: bool, centre_deg: float | None = None) -> SkyPlane:
        """Places on the sky: as a Mollweide projection of the whole, or plain.

        centre_deg: the right ascension in the middle; None: where the objects are.

        Raises
        ------
        NotReady
            The catalogue has no positions.
        """
        found = self.positions()
        key = ("sky", self._stamp[0], whole_sky, centre_deg)
        plane: SkyPlane = self.services.plotted.get(
            key, lambda: _plane(*found, whole_sky, centre_deg)
        )
        return plane

    def positions(self) -> tuple[np.ndarray, np.ndarray]:
        """(N,) right ascension and declination in degrees, NaN where unknown (`NotReady`)."""
        found = self._positions()
        if found is None:
            raise NotReady(
                f"The catalogue of {self.survey.name} has no positions (columns such as ra and"
                " dec in degrees), so that there is no sky to plot; plot other columns, or import"
                " the survey again with positions."
            )
        return found

    def tells(self, *quantities: str) -> dict[str, Any]:
        """What a selection made by these tells: "tells" and "knows", see `Selections.add`."""
        known = known_columns(self.survey)
        found: dict[str, Any] = {}
        if any(not (by == "group" or _is_column(by)) for by in quantities):
            found["tells"] = [self.task.name]
        if any(_is_column(by) and by.removeprefix(COLUMN) in known for by in quantities):
            found["knows"] = True
        return found

    def _positions(self) -> tuple[np.ndarray, np.ndarray] | None:
        # Columns alone: a position of a WCS is reckoned anew at each call.
        positions: tuple[np.ndarray, np.ndarray] | None = self.services.plotted.get(
            ("positions", self._stamp[0]), lambda: sky_positions(self.survey)
        )
        return positions

    def _scores(self, quantity: Quantity) -> Axis:
        scores = self.services.scores(self.task)
        if scores is None:  # it was there when the list was made
            raise NotReady(
                "The scores of this model have just been replaced; choose the quantity again."
            )
        values = scores.values.astype(np.float64)
        if quantity.by == "uncertainty":
            values = 1 - np.abs(2 * values - 1)
        return Axis(quantity, _settled(values))

    def _categories(self, quantity: Quantity) -> Axis:
        told = told_apart(self.colours(quantity.by), quantity.by, MAX_ON_AXIS)
        return Axis(quantity, _settled(told.codes.astype(np.float64)), told.names)


@lru_cache(maxsize=512)
def unit_words(unit: str) -> str:
    """A unit as a person writes it, such as "erg s⁻¹ cm⁻²"; as it came where astropy does not know
    it."""
    known = Unit(unit, parse_strict="silent")
    if isinstance(known, UnrecognizedUnit):
        return unit
    try:
        return str(known.to_string("unicode")) or unit
    except ValueError:
        return unit


def _is_column(by: str) -> bool:
    return by.startswith(COLUMN)


def _settled(values: np.ndarray) -> np.ndarray:
    values.setflags(write=False)
    return values


def _numbers(column: Any) -> tuple[np.ndarray, bool]:
    """(N,) float64, NaN for what is missing or infinite; and whether all the others are whole."""
    values = np.array(column.to_numpy(dtype=float, na_value=np.nan))
    values[~np.isfinite(values)] = np.nan
    known = values[~np.isnan(values)]
    return _settled(values), bool(len(known)) and bool((known == np.floor(known)).all())


def _everything(n: int) -> Placed:
    """All objects as the map's colours want them: every row, none of them with a place."""
    rows = np.arange(n)
    nowhere = np.empty((n, 0), np.float32)
    return Placed("catalogue", MapView(nowhere, "", "", None, "", ""), rows, nowhere)


def _plane(
    ra_deg: np.ndarray, dec_deg: np.ndarray, whole_sky: bool, centre_deg: float | None
) -> SkyPlane:
    centre = centre_of(ra_deg) if centre_deg is None else centre_deg
    if whole_sky:
        x, y = mollweide(ra_deg, dec_deg, centre)
        return SkyPlane(_settled(x), _settled(y), centre, None)
    x, y = plain_plane(ra_deg, dec_deg, centre)
    return SkyPlane(_settled(x), _settled(np.array(y)), centre, TURN_DEG)
