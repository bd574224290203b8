"""Which planes of an image become which bands of the survey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import BadInput
from core.survey.readers.unreadable import Unreadable


@dataclass(frozen=True)
class BandChoice:
    """The survey's bands and where an image has them.

    Attributes
    ----------
    bands
        Of the survey.
    planes
        Their places in an image whose planes are not named.
    n_planes
        Planes that such an image has.
    by_name
        The bands are those that the headers name.
    """

    bands: tuple[str, ...]
    planes: tuple[int, ...]
    n_planes: int
    by_name: bool

    @classmethod
    def make(cls, named: Sequence[str], n_planes: int, wished: Sequence[str]) -> BandChoice:
        """From the names that the data give (none: band1, band2 ...) and those wished.

        Wished names that the data have choose and order; as many others rename.

        Raises
        ------
        BadInput
            The wished names can do neither.
        """
        names = tuple(named) or tuple(f"band{number + 1}" for number in range(n_planes))
        if not wished:
            return cls(names, tuple(range(n_planes)), n_planes, bool(named))
        if set(wished) <= set(names):
            return cls(tuple(wished), tuple(map(names.index, wished)), n_planes, bool(named))
        if len(wished) == n_planes:
            return cls(tuple(wished), tuple(range(n_planes)), n_planes, False)
        raise BadInput(
            f"The bands wished are {', '.join(wished)}, but the images have {n_planes}"
            f" ({', '.join(names)}); name some of these, or {n_planes} new names."
        )

    def pick(self, image: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """The survey's bands of (plane, y, x), whose header names `names` (or nothing).

        Raises
        ------
        Unreadable
            The image has not got them.
        """
        if self.by_name and not names and self.n_planes > 1:
            raise Unreadable("does not name its bands, as most others do")
        if self.by_name and names:
            lacking = [band for band in self.bands if band not in names]
            if lacking:
                raise Unreadable(f"lacks the band {lacking[0]} (it has {', '.join(names)})")
            planes = [names.index(band) for band in self.bands]
        else:
            if len(image) != self.n_planes:
                raise Unreadable(f"has {len(image)} bands, and most others have {self.n_planes}")
            planes = list(self.planes)
        return image if planes == list(range(len(image))) else image[planes]
