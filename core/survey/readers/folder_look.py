"""A look at some entries of a folder: what kind of images they are, and what survey they make."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import BadInput
from core.survey.readers.bands import from_blue_to_red
from core.survey.readers.decoding import decode
from core.survey.readers.picture import is_grey, is_measured_png, picture_size
from core.survey.readers.shaping import SCALE_TOLERANCE
from core.survey.readers.sniffing import kind_of
from core.survey.readers.unreadable import Unreadable
from core.survey.readers.whole_file import read_whole

SAMPLE = 400
MAX_PICTURE_SIDE_PX = 256
"""Colour pictures are made to be looked at and can be resampled; measured pixels are kept."""

MAX_SIDE_PX = 2048
COLOURS = ("R", "G", "B")


@dataclass(frozen=True)
class Look:
    """What the sample shows.

    Attributes
    ----------
    measured
        float32 pixels of FITS and deep TIFF files; else 8-bit pictures.
    side
        The most frequent shorter side.
    n_bands
        Of most images.
    band_names
        As the headers name them, all alike; empty where they do not.
    other_filters
        Filters that headers name, where they differ from image to image.
    scale
        Pixel scale in arcsec that most images have.
    scales_differ
        Whether some have another one.
    grey
        Whether all are 8-bit pictures of one channel.
    n_seen, n_readable
        Files looked at, and those of them that are images of this kind.
    """

    measured: bool
    side: int
    n_bands: int
    band_names: tuple[str, ...]
    other_filters: tuple[str, ...]
    scale: float | None
    scales_differ: bool
    n_seen: int
    n_readable: int
    grey: bool = False


@dataclass(frozen=True)
class _Seen:
    measured: bool
    side: int
    n_bands: int
    names: tuple[str, ...]
    scale: float | None
    grey: bool = False


def look_at(
    folder: Path, paths: Sequence[str], n_files: int, hdu: int | str | None = None
) -> Look:
    """Look at files of a folder, of `n_files` that it has.

    Raises
    ------
    BadInput
        None of them is an image.
    """
    seen: list[_Seen] = []
    reason = ""
    for path in paths:
        try:
            seen.append(_see(folder / path, hdu))
        except Unreadable as error:  # the reading pass writes it down
            reason = reason or f"{path} {error}"
    if not seen:
        looked = (
            f"{len(paths):,} looked at of the {n_files:,}" if len(paths) < n_files else n_files
        )
        raise BadInput(
            f"None of the {looked} image files in {folder} can be used (for one, {reason});"
            " check the files."
        )
    measured = sum(one.measured for one in seen) * 2 >= len(seen)
    seen = [one for one in seen if one.measured == measured]
    n_bands = _most_frequent(one.n_bands for one in seen)
    seen = [one for one in seen if one.n_bands == n_bands]
    names = {one.names for one in seen}
    if n_bands == 1 and len(names) > 1:
        names.discard(())  # there is nothing to mistake a single band for
    alike = len({frozenset(some) for some in names}) == 1
    bands = COLOURS if not measured else from_blue_to_red(next(iter(names))) if alike else ()
    scales = sorted(one.scale for one in seen if one.scale is not None)
    scale = statistics.median_low(scales) if scales else None
    differ = any(abs(one / scales[len(scales) // 2] - 1) > SCALE_TOLERANCE for one in scales)
    most = MAX_SIDE_PX if measured else MAX_PICTURE_SIDE_PX
    return Look(
        measured,
        min(most, _most_frequent(one.side for one in seen)),
        n_bands,
        bands,
        () if alike else from_blue_to_red({name for some in names for name in some}),
        None if scale is None else float(f"{scale:.6g}"),
        differ,
        len(paths),
        len(seen),
        all(one.grey for one in seen),
    )


def _see(path: Path, hdu: int | str | None) -> _Seen:
    content = read_whole(path)
    if kind_of(content) == "picture" and not is_measured_png(content):
        side = min(picture_size(content))
        return _Seen(False, side, len(COLOURS), COLOURS, None, is_grey(content))
    found = decode(content, hdu)
    if isinstance(found, np.ndarray):
        grey = bool((found == found[:1]).all())
        return _Seen(False, min(found.shape[1:]), len(found), COLOURS, None, grey)
    side = min(found.image.shape[1:])
    return _Seen(True, side, len(found.image), found.bands, found.pixel_scale_arcsec)


def _most_frequent(values: Iterable[int]) -> int:
    """The most frequent value; of several the largest."""
    counts = Counter(values)
    return max(counts, key=lambda value: (counts[value], value))
