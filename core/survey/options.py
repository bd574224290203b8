"""What a person may say about data that are to be imported; everything else is found out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from core.errors import BadInput

MIN_SIDE_PX = 8
MAX_SIDE_PX = 2048

MIXED = ("auto", "resample", "crop", "reject")
JOINS = ("id", "sky")


@dataclass(frozen=True)
class ImportOptions:
    """Settings of an import; the same from the command line and the Data page.

    Attributes
    ----------
    reader
        Name of a registered reader; found by looking into the data when left out.
    size_px
        Side of the cutouts, 8 to 2048; the reader's guess when left out.
    bands
        Names of the bands, in the order wished; the reader's own when empty.
    pixel_scale_arcsec
        Side of a pixel on the sky, where the data do not say.
    mixed
        What happens to an image of another size or pixel scale: "resample" to the survey's,
        "crop" its centre or pad it, or "reject" it; "auto" resamples 8-bit pictures and crops
        measured pixels.
    id_column, group_column, ra_column, dec_column
        Columns of a table (or of `catalogue`) with these meanings, where their names do not say.
    missing
        Values that stand for "not measured" in number columns, such as -10 and -999.
    catalogue
        Path of a table to join to the objects, or from which they are cut out.
    join
        "id" or "sky": how `catalogue` and `spectra` are joined.
    radius_arcsec
        Largest distance for joining by sky position.
    spectra
        Path of spectra to join to the objects.
    wavelength_min, wavelength_max, wavelength_step
        Of the grid for spectra: Angstrom, Angstrom, log10; the reader's guess when left out.
    origin, licence
        For the manifest.
    more
        Settings of one reader alone, by name (see its `own_options`).
    """

    reader: str | None = None
    size_px: int | None = None
    bands: tuple[str, ...] = ()
    pixel_scale_arcsec: float | None = None
    mixed: str = "auto"
    id_column: str | None = None
    group_column: str | None = None
    ra_column: str | None = None
    dec_column: str | None = None
    missing: tuple[float, ...] = ()
    catalogue: str | None = None
    join: str = "id"
    radius_arcsec: float = 1.0
    spectra: str | None = None
    wavelength_min: float | None = None
    wavelength_max: float | None = None
    wavelength_step: float | None = None
    origin: str | None = None
    licence: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.size_px is not None and not MIN_SIDE_PX <= self.size_px <= MAX_SIDE_PX:
            raise BadInput(
                f"The cutout size must be {MIN_SIDE_PX} to {MAX_SIDE_PX} pixels, but is"
                f" {self.size_px!r}; choose another."
            )
        for name in ("pixel_scale_arcsec", "radius_arcsec", "wavelength_step"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise BadInput(f"{name} must be above 0, but is {value!r}; change it.")
        for name, allowed in (("mixed", MIXED), ("join", JOINS)):
            if getattr(self, name) not in allowed:
                raise BadInput(
                    f"{name} must be one of {', '.join(allowed)}, but is"
                    f" {getattr(self, name)!r}; choose one of these."
                )
        if len(set(self.bands)) < len(self.bands):
            raise BadInput(
                f"Each band has its own name, but got {', '.join(self.bands)}; name them"
                " differently."
            )

    def as_dict(self) -> dict[str, Any]:
        """What was said, for the records: settings that were left out are left out."""
        plain = type(self)()
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if value != getattr(plain, name)
        }

    def own(self, allowed: Mapping[str, str]) -> dict[str, str]:
        """`more`, after checking that a reader knows all of it (`allowed`: name to meaning)."""
        unknown = sorted(set(self.more) - set(allowed))
        if unknown:
            known = ", ".join(sorted(allowed)) or "none"
            raise BadInput(
                f"This reader has no setting {unknown[0]!r} (its settings: {known}); leave it"
                " out or name another reader."
            )
        return dict(self.more)
