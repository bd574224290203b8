"""What can be read off pixels: arrays in, arrays out."""

from core.measure.sources import Sources, find_sources

__all__ = ["Sources", "find_sources"]
