"""What decoders of one file raise."""

from __future__ import annotations


class Unreadable(Exception):
    """Why a file, or a part of one, cannot become an image; a few words that follow its name."""
