"""A source that is made up: units of known content, and the faults that real ones have."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.spectra import SpectralGrid
from core.survey import Batch, ImportOptions, Layout, Reader, Unit
from core.survey.batch import BatchBuilder, Spectrum

GRID = SpectralGrid.between(4000, 4100, 1e-3)


class MadeUp(Reader):
    """`n` objects of 12 x 12 pixels in `g`, 7 a unit; each eleventh is a reject.

    Own options: n, first (number of the first object), seconds (of each unit), grid ("1" gives
    every third object a spectrum instead of every picture), fault ("crash", "raise", "lose",
    "exit", of the entry `at`).
    """

    name = "made-up"
    description = "nothing"
    own_options = {  # noqa: RUF012
        name: name for name in ("n", "first", "seconds", "grid", "fault", "at")
    }

    def __init__(self, source: Path, options: ImportOptions) -> None:
        super().__init__(source, options)
        own = options.own(self.own_options)
        self.n_entries = int(own.get("n", "100"))
        self.first = int(own.get("first", "0"))
        self.seconds = float(own.get("seconds", "0"))
        self.fault, self.at = own.get("fault", ""), int(own.get("at", "-1"))
        self.spectral = own.get("grid") == "1"
        self.layout = Layout(
            bands=() if self.spectral else ("g",),
            cutout_size_px=0 if self.spectral else 12,
            dtype="float32",
            grid=GRID if self.spectral else None,
            origin="made up",
        )
        self.notes = ["Nothing of this is real."]

    @classmethod
    def recognises(cls, source: Path) -> int:
        return 0

    def units(self) -> Iterator[Unit]:
        for number, start in enumerate(range(0, self.n_entries, 7)):
            entries = list(range(start, min(start + 7, self.n_entries)))
            yield Unit(number, len(entries), entries)

    def read(self, unit: Unit) -> Iterator[Batch]:
        time.sleep(self.seconds)
        gathered = BatchBuilder()
        for number in unit.what:
            if number == self.at and self.fault:
                if self.fault == "crash":
                    os.abort()
                if self.fault == "raise":
                    raise ZeroDivisionError("no such thing")
                if self.fault == "lose":
                    continue
            rng = np.random.default_rng(number)
            if number % 11 == 10:
                gathered.reject(f"entry-{number}", "is odd")
                continue
            number += self.first
            image = spectrum = None
            if not self.spectral:
                image = rng.normal(size=(1, 12, 12)).astype(np.float32)
            elif number % 3:
                flux = rng.normal(size=GRID.n).astype(np.float32)
                spectrum = Spectrum(flux, np.ones_like(flux), flux > 2)
            columns = {"ra": number * 0.01, "dec": 1.0, "n": number}
            gathered.add(f"obj-{number:05d}", columns, image=image, spectrum=spectrum)
            gathered.tally("Objects made up")
        yield gathered.take()
