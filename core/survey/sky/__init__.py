"""Surveys from the archives of the sky: cutouts and spectra, whole frames, catalogue queries."""
