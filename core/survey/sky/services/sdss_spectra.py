"""Spectra of SDSS, BOSS and eBOSS by plate, MJD and fibre, from the Science Archive Server.

Source of the addresses: https://data.sdss.org/datamodel/files/SPECTRO_REDUX/RUN2D/spectra/lite/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from core.errors import BadInput
from core.spectra import SpectralGrid
from core.survey.batch import CatalogueValue
from core.survey.layout import ColumnInfo, Layout
from core.survey.options import ImportOptions
from core.survey.readers.spectra_files import decode_one
from core.survey.readers.spectra_raw import FLUX_UNIT, Rules, on_grid, tidy
from core.survey.sky.client import Client, Unavailable
from core.survey.sky.kinds import FITS
from core.survey.sky.services.base import Entry, Made, Service, register_service

_RANGE_ANGSTROM = (3600.0, 10400.0)
"""BOSS's; what the older spectrographs did not reach is masked."""

_FIRST_BOSS_PLATE = 3510
_BOSS_RUN = "v5_13_2"
_LEGACY_RUNS = ("26", "103", "104")
_NAMES = {
    "plate": ("plate", "plateid"),
    "mjd": ("mjd",),
    "fiber": ("fiberid", "fiber", "fibreid", "fibre"),
    "run2d": ("run2d",),
}


@register_service("sdss-spectra", "spectra of SDSS, BOSS and eBOSS by plate, mjd and fiberid")
class SdssSpectra(Service):
    """The list needs no positions but columns plate, mjd and fiberid; a column run2d (the
    reduction) is heeded. Without it BOSS plates (3510 and up) are looked for in the reduction
    v5_13_2, older ones in 26, then 103 and 104 (SEGUE).
    """

    base_url = "https://data.sdss.org/sas/dr17/sdss/spectro/redux"
    own_options: ClassVar = {"run2d": "reduction of all spectra, such as 26 or v5_13_2"}
    by_position = False
    kind = FITS

    def __init__(self, options: ImportOptions, own: Mapping[str, str]) -> None:
        super().__init__(options, own)
        self.run2d = own.get("run2d", "")
        if self.run2d and not _is_run(self.run2d):
            raise BadInput(
                f"run2d is the name of a reduction such as 26 or v5_13_2, but is {self.run2d!r};"
                " change that setting."
            )
        low = options.wavelength_min or _RANGE_ANGSTROM[0]
        high = options.wavelength_max or _RANGE_ANGSTROM[1]
        self.layout = Layout(
            grid=SpectralGrid.between(low, high, options.wavelength_step or 1e-4),
            origin=options.origin or "spectra of SDSS, from the Science Archive Server",
            licence=options.licence or "public; acknowledge SDSS (www.sdss.org)",
            columns={"spectrum": ColumnInfo(FLUX_UNIT, "flux density")},
        )

    def object_id(self, entry: Entry) -> str:
        if entry.object_id:
            return entry.object_id
        try:
            return _stem(entry)
        except Unavailable:  # what the list says, for the line in rejects.csv
            return "-".join(str(_cell(entry, name)) for name in ("plate", "mjd", "fiber"))

    def urls(self, entry: Entry) -> Sequence[str]:
        stem = _stem(entry)
        plate = stem.split("-")[1]
        run = _cell(entry, "run2d")
        wished = self.run2d or ("" if run is None else str(run).strip())
        if wished and not _is_run(wished):
            raise Unavailable(f"has no usable run2d ({wished[:40]!r})")
        runs: Sequence[str] = (wished,)
        if not wished:
            runs = (_BOSS_RUN,) if int(plate) >= _FIRST_BOSS_PLATE else _LEGACY_RUNS
        return [f"{self.address}/{run}/spectra/lite/{plate}/{stem}.fits" for run in runs]

    def fetch(self, client: Client, entry: Entry) -> tuple[Sequence[str], Sequence[bytes]]:
        urls = self.urls(entry)
        for url in urls[:-1]:
            try:
                return (url,), [client.get(url, self.kind)]
            except Unavailable as error:
                if not error.lasting:
                    raise
        return urls[-1:], [client.get(urls[-1], self.kind)]

    def decode(self, entry: Entry, answers: Sequence[bytes]) -> Made:
        tally: list[str] = []
        raw = decode_one(answers[0], _stem(entry))
        grid = self.layout.grid
        assert grid is not None
        spectrum = on_grid(tidy(raw, Rules(), tally.append), grid)
        return Made(spectrum=spectrum, columns=raw.columns, tally=tuple(dict.fromkeys(tally)))

    def settings(self) -> dict[str, object]:
        return {**super().settings(), "run2d": self.run2d or "by column, else by plate"}


def _stem(entry: Entry) -> str:
    """ "spec-0266-51602-0001"; raises `Unavailable` where the columns do not tell."""
    numbers = []
    for what, low, high in (("plate", 1, 99_999), ("mjd", 40_000, 99_999), ("fiber", 1, 9_999)):
        value = _cell(entry, what)
        try:
            number = int(float(value)) if isinstance(value, str) else int(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            raise Unavailable(f"has no usable {what} ({str(value)[:40]!r})") from None
        if not low <= number <= high or number != float(value):  # type: ignore[arg-type]
            raise Unavailable(f"has no usable {what} ({str(value)[:40]!r})")
        numbers.append(number)
    plate, mjd, fiber = numbers
    return f"spec-{plate:04d}-{mjd:05d}-{fiber:04d}"


def _cell(entry: Entry, what: str) -> CatalogueValue:
    for name, value in entry.columns.items():
        if name.lower() in _NAMES[what]:
            return value
    return None


def _is_run(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_]{1,20}", name) is not None
