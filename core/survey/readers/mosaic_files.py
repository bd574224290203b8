"""Which files of a folder are mosaics, and which band each of them shows."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from core.errors import BadInput
from core.survey.mosaics.extensions import Extension, image_extensions
from core.survey.mosaics.tiles import Tile
from core.survey.options import ImportOptions
from core.survey.positions import open_positions
from core.survey.readers.bands import band_of_header, from_blue_to_red, is_band
from core.survey.readers.sniffing import kind_of_file, stem
from core.survey.readers.source_file import files_below
from core.survey.readers.unreadable import Unreadable

LARGE_PX = 1024
"""Images of at least this side are mosaics rather than stamps, where nothing else is said."""

ROOMY_PX = 256
"""Side from which an image that comes with a catalogue is a mosaic."""

_ROWS_A_FILE = 3
"""A catalogue with more rows than this for each file lists what is on the images."""

MAX_TILES = 200_000
_MAX_BANDS = 64
_LOOKED_AT = 200
_BESIDE = re.compile(
    r"(?:^|[._-])(?:weights?|wht|wt|rms|sigma|err|var|variance|ivar|invvar|masks?|flags?|dq|bpm|"
    r"segm?|segmentation|psf|psfsize|exp|nexp|expmap|exptime|chi2|model|depth|galdepth|nobs|maskbits)"
    r"(?:$|[._-])",
    re.IGNORECASE,
)
"""Words in the names of maps that lie beside a mosaic and are none."""

_WORDS = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True)
class TileFile:
    """One plane of one image in one file, before it is opened.

    Attributes
    ----------
    name
        Path below the source with '/' between; the file's name where the source is a file.
    hdu, plane
        Which image of the file, and which of its planes.
    band
        What it shows.
    stamp
        Size and time of change of the file.
    centre, cos_radius, scale_arcsec
        See `core.survey.mosaics.tiles.Tile`.
    unit
        BUNIT, empty where the header has none.
    """

    name: str
    hdu: int
    plane: int
    band: str
    stamp: tuple[int, int]
    centre: tuple[float, float, float]
    cos_radius: float
    scale_arcsec: float
    unit: str = ""


@dataclass
class Mosaics:
    """What was found: tiles of every band, files that cannot be read, and sentences."""

    tiles: list[TileFile] = field(default_factory=list)
    bands: tuple[str, ...] = ()
    bands_from: str = ""
    rejects: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def may_be_cut_up(source: Path, options: ImportOptions) -> bool:
    """Whether a source holds celestial FITS images that have room for cutouts; of a folder the
    catalogue must list many more positions than there are files."""
    if not source.is_dir():
        return bool(_is_large(source, ROOMY_PX))
    if not looks_like_mosaics(source, ROOMY_PX):
        return False
    catalogue = open_positions(Path(str(options.catalogue)).expanduser(), options)
    most_files = (catalogue.n_entries - 1) // _ROWS_A_FILE
    n_files = sum(1 for _file in islice(files_below(source, []), most_files + 1))
    return 0 < n_files <= most_files


def looks_like_mosaics(source: Path, at_least: int = LARGE_PX) -> bool:
    """Whether every image that is seen at first is a large celestial FITS image."""
    if not source.is_dir():
        return bool(_is_large(source, at_least))
    n_large = 0
    for path in _some_files(source):
        kind = kind_of_file(path)
        if kind in ("picture", "tiff"):
            return False
        if kind != "fits" or _BESIDE.search(stem(path.name)):
            continue
        verdict = _is_large(path, at_least)
        if verdict is False:
            return False
        n_large += bool(verdict)
        if n_large >= 20:
            break
    return n_large > 0


def find_mosaics(
    source: Path,
    *,
    bands: Sequence[str] = (),
    pattern: str | None = None,
    hdu: str | None = None,
    leave_out: Path | None = None,
) -> Mosaics:
    """Every mosaic in a file or folder; `leave_out` is the catalogue, if it lies among them.

    Raises
    ------
    BadInput
        There is none.
    """
    found = Mosaics()
    names = _candidates(source, leave_out, found)
    by_pattern = _pattern(pattern) if pattern else None
    seen: list[tuple[TileFile, str]] = []
    without_image = others = 0
    beside = set() if by_pattern or not source.is_dir() else _maps_beside(names)
    for name in names:
        path = source / name if source.is_dir() else source
        band = ""
        if by_pattern is not None:
            match = by_pattern.fullmatch(name if "/" in str(pattern) else path.name)
            if match is None:
                others += 1
                continue
            band = match["band"]
        elif name in beside:
            continue
        try:
            tiles = list(_tiles_of(path, name, hdu))
        except Unreadable as error:
            if str(error) == "holds no image":
                without_image += 1
            else:
                found.rejects.append((name, str(error)))
            continue
        seen += [(replace(tile, band=band or tile.band), band) for tile in tiles]
        if len(seen) > MAX_TILES:
            raise BadInput(
                f"{source} holds more than {MAX_TILES:,} mosaics; import a part of it at a time."
            )
    found.tiles = [tile for tile, _ in seen]
    _tell(found, others, len(beside), without_image)
    if not found.tiles:
        raise BadInput(_none(source, found))
    _name_bands(found, pattern is not None, bands, source)
    return found


def _candidates(source: Path, leave_out: Path | None, found: Mosaics) -> list[str]:
    if not source.exists():
        raise BadInput(f"There is no file or folder {source}; check the path.")
    if not source.is_dir():
        return [source.name]
    if not os.access(source, os.R_OK | os.X_OK):
        raise BadInput(
            f"The folder {source} may not be read by this user; change its permissions."
        )
    closed: list[str] = []
    names = []
    others = 0
    skipped = leave_out.resolve() if leave_out is not None else None
    for path in files_below(source, closed):
        name = path.relative_to(source).as_posix()
        if skipped is not None and path.resolve() == skipped:
            continue
        if kind_of_file(path) == "fits":
            names.append(name)
        elif re.search(r"\.(fits?|fts)(\.(gz|bz2|fz))?$", name, re.IGNORECASE):
            try:
                next(image_extensions(path), None)
                found.rejects.append((name, "is not a FITS file, whatever its name says"))
            except Unreadable as error:
                found.rejects.append((name, str(error)))
        else:
            others += 1
    found.rejects += [(name, "may not be listed by this user") for name in sorted(closed)]
    if others:
        found.notes.append(f"Files that are not FITS and were left out: {others:,}.")
    return names


def _maps_beside(names: Sequence[str]) -> set[str]:
    """Weights, masks and the like, where something is left without them."""
    beside = {name for name in names if _BESIDE.search(stem(name))}
    return beside if len(beside) < len(names) else set()


def _tiles_of(path: Path, name: str, hdu: str | None) -> Iterator[TileFile]:
    """The image of a file that is meant, or all of them (`hdu` "all"); each plane a band."""
    if hdu == "all":
        extensions = [one.index for one in image_extensions(path)]
        if not extensions:
            raise Unreadable("holds no image")
        opened: list[Tile] = []
        why = ""
        for index in extensions:
            try:
                opened.append(Tile.open(path, index))
            except Unreadable as error:
                why = why or str(error)
        if not opened:
            raise Unreadable(why)
    else:
        wanted: int | str | None = int(hdu) if hdu and hdu.isdecimal() else hdu
        opened = [Tile.open(path, wanted)]
    for tile in opened:
        unit = str(tile.card("BUNIT") or "").strip()[:64]
        whole = TileFile(
            name,
            tile.extension.index,
            0,
            _band(tile),
            tile.stamp,
            (float(tile.centre[0]), float(tile.centre[1]), float(tile.centre[2])),
            tile.cos_radius,
            tile.pixel_scale_arcsec,
            unit,
        )
        tile.close()
        if tile.n_planes == 1:
            yield whole
            continue
        for plane in range(tile.n_planes):
            yield replace(whole, plane=plane, band=f"plane{plane + 1}")


def _band(tile: Tile) -> str:
    for header in tile.headers:
        if band := band_of_header(header):
            return band
    return ""


def _name_bands(found: Mosaics, is_by_pattern: bool, wanted: Sequence[str], source: Path) -> None:
    tiles = found.tiles
    if is_by_pattern:
        found.bands_from = "the pattern of the file names"
    elif all(tile.band for tile in tiles):
        cubes = any(tile.band.startswith("plane") for tile in tiles)
        found.bands_from = "the planes of the cubes" if cubes else "the headers"
    else:
        names = {tile.name: _band_word(tile.name) for tile in tiles}
        if all(names.values()) and len(set(names.values())) > 1:
            found.bands_from = "the file names"
            tiles = [replace(tile, band=names[tile.name]) for tile in tiles]
        else:
            found.bands_from = "no header names a filter, so that all are taken for one band"
            tiles = [replace(tile, band="band1") for tile in tiles]
    there = from_blue_to_red({tile.band for tile in tiles})
    if there and all(band.startswith("plane") for band in there):
        there = tuple(sorted(there, key=lambda band: (len(band), band)))
    if len(wanted) == len(there) and not set(wanted) <= set(there):
        if len(there) > 1 and not all(band.startswith("plane") for band in there):
            raise BadInput(_unknown_band(wanted, there, source))
        called = dict(zip(there, wanted, strict=True))
        tiles = [replace(tile, band=called[tile.band]) for tile in tiles]
    elif wanted:
        if not set(wanted) <= set(there):
            raise BadInput(_unknown_band(wanted, there, source))
        left_out = [tile for tile in tiles if tile.band not in wanted]
        tiles = [tile for tile in tiles if tile.band in wanted]
        if left_out:
            found.notes.append(f"Mosaics of other bands that were left out: {len(left_out):,}.")
    found.bands = tuple(wanted) or there
    if len(found.bands) > _MAX_BANDS:
        raise BadInput(
            f"A survey has at most {_MAX_BANDS} bands, but the mosaics of {source} show"
            f" {len(found.bands)}; choose some by their names."
        )
    order = {band: number for number, band in enumerate(found.bands)}
    found.tiles = sorted(tiles, key=lambda tile: order[tile.band])


def _band_word(name: str) -> str:
    """The one word of a file's name that is a band's; empty where none or several are."""
    words = [word for word in _WORDS.findall(stem(name)) if is_band(word)]
    return words[0] if len(words) == 1 else ""


def _pattern(pattern: str) -> re.Pattern[str]:
    if "{band}" not in pattern:
        raise BadInput(
            "The pattern of mosaics' names says where the band stands, such as"
            f" {{tile}}_{{band}}.fits, but is {pattern!r}; put {{band}} into it."
        )
    parts = re.split(r"(\{[a-z]+\})", pattern)
    made = ""
    for part in parts:
        if part == "{band}":
            made += "(?P=band)" if "(?P<band>" in made else r"(?P<band>[^/]+?)"
        elif part in ("{tile}", "{id}"):
            made += r".+?"
        elif re.fullmatch(r"\{[a-z]+\}", part):
            raise BadInput(
                f"The pattern of mosaics' names may hold {{tile}} and {{band}}, but holds {part};"
                " change it."
            )
        else:
            made += re.escape(part)
    return re.compile(made)


def _tell(found: Mosaics, others: int, beside: int, without_image: int) -> None:
    for n, words in (
        (others, "FITS files whose names do not fit the pattern and were left out"),
        (beside, "Maps beside the mosaics (weights, masks ...) that were left out by their names"),
        (without_image, "FITS files without an image that were left out"),
    ):
        if n:
            found.notes.append(f"{words}: {n:,}.")


def _none(source: Path, found: Mosaics) -> str:
    if found.rejects:
        name, reason = found.rejects[0]
        most = Counter(reason for _, reason in found.rejects).most_common(1)[0][1]
        which = f"for one, {name}" if most < len(found.rejects) else name
        if not source.is_dir():
            return f"{source} {reason}; name a FITS image with celestial coordinates (WCS)."
        return f"No mosaic in {source} can be used ({which} {reason}); check the files."
    told = " ".join(found.notes)
    return (
        f"{source} should hold FITS images with celestial coordinates (WCS), but holds none"
        f"{f' ({told[:-1]})' if told else ''}; name another folder."
    )


def _unknown_band(wanted: Sequence[str], there: Sequence[str], source: Path) -> str:
    unknown = [band for band in wanted if band not in there]
    return (
        f"The mosaics in {source} show the bands {', '.join(there)}, but not"
        f" {', '.join(unknown)}; choose among these."
    )


def _is_large(path: Path, at_least: int = LARGE_PX) -> bool | None:
    """Whether the first image of a file is large and celestial; None if it has no image."""
    try:
        extension: Extension | None = next(image_extensions(path), None)
    except Unreadable:
        return None
    if extension is None:
        return None
    axes = extension.cards
    is_celestial = any(
        str(axes.get(f"CTYPE{axis}", "")).upper().startswith(("RA--", "GLON", "ELON", "DEC-"))
        for axis in (1, 2)
    )
    return is_celestial and min(extension.shape[1:]) >= at_least


def _some_files(folder: Path) -> Iterator[Path]:
    """A few hundred files at most: a folder of millions is not listed to the end."""
    waiting, n = [folder], 0
    while waiting and n < _LOOKED_AT:
        try:
            with os.scandir(waiting.pop(0)) as entries:
                for entry in entries:
                    n += 1
                    if n > _LOOKED_AT:
                        return
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    elif entry.is_file():
                        yield Path(entry.path)
        except OSError:
            continue


def scales(tiles: Sequence[TileFile], bands: Sequence[str]) -> dict[str, float]:
    """The median pixel scale of every band, in arcsec."""
    return {
        band: float(np.median([tile.scale_arcsec for tile in tiles if tile.band == band]))
        for band in bands
    }
