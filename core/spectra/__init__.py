"""What can be read off spectra: arrays in, arrays out; knows no file and no survey."""

from core.spectra.grid import SpectralGrid
from core.spectra.noise import estimated_ivar
from core.spectra.resample import combine, resample
from core.spectra.wavelengths import fitting_grid, to_vacuum

__all__ = [
    "SpectralGrid",
    "combine",
    "estimated_ivar",
    "fitting_grid",
    "resample",
    "to_vacuum",
]
