"""Surveys from the archives of the sky: cutouts and spectra, whole frames, catalogue queries."""

# The readers use these modules, which use those of the readers that decode one file: whoever comes
# first, the readers begin.
import core.survey.readers  # noqa: F401
