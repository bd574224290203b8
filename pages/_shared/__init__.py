"""Panels that more than one page draws."""
