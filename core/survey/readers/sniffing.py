"""What a file is, by its first bytes; which endings image files have; and what is left of a name
without them."""

from __future__ import annotations

import os
import re

from core.survey.readers.whole_file import read_head, unpacked_head

HEAD_BYTES = 4096

PICTURE_ENDINGS = (".jpg", ".jpeg", ".png")
TIFF_ENDINGS = (".tif", ".tiff")
FITS_ENDINGS = (".fits", ".fit", ".fts", ".fits.fz", ".fz")
PACKED = (".gz", ".bz2")

_MAGIC = {
    b"\xff\xd8\xff": "picture",
    b"\x89PNG\r\n\x1a\n": "picture",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"SIMPLE  =": "fits",
}
_ENDING = re.compile(
    r"(?:\.(?:jpe?g|png|tiff?)|\.(?:fits?|fts)(?:\.fz)?(?:\.gz|\.bz2)?|\.fz)\Z", re.IGNORECASE
)


def kind_of(head: bytes) -> str:
    """ "picture" (JPEG, PNG), "tiff", "fits" (packed by gzip or bzip2 or not), or empty."""
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if head[:2] == b"\x1f\x8b" or head[:3] == b"BZh":
        return "fits" if unpacked_head(head, 16).startswith(b"SIMPLE  =") else ""
    return ""


def kind_of_file(path: str | os.PathLike[str]) -> str:
    """As `kind_of`; empty too for what cannot be read or is no plain file."""
    head = read_head(path, HEAD_BYTES)
    if head[:3] == b"BZh":
        # A block of bzip2 is unpacked as a whole, and may be 900 kB long.
        head = read_head(path, 1024 * 1024)
    return kind_of(head)


def image_ending(name: str) -> str:
    """The ending by which a file is an image, as it is written there; empty where it has none."""
    found = _ENDING.search(name)
    return found[0] if found else ""


def stem(path: str) -> str:
    """The name of a file without the endings of images ("a/b.1.fits.gz" -> "b.1")."""
    name = path.rpartition("/")[2]
    bare = name.removesuffix(image_ending(name))
    if bare == name:
        first, dot, ending = name.rpartition(".")
        # "J1200.5" ends in a number that belongs to the name.
        bare = first if dot and first and not ending[:1].isdigit() else name
    return bare or name
