"""Reads a folder of images, or one of them: JPEG, PNG, TIFF and FITS."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from core.errors import BadInput
from core.survey.batch import Batch, BatchBuilder
from core.survey.layout import Layout
from core.survey.options import ImportOptions
from core.survey.readers.band_choice import BandChoice
from core.survey.readers.bands import from_blue_to_red
from core.survey.readers.decoding import decode
from core.survey.readers.fits_image import FitsImage
from core.survey.readers.fits_planes import FitsPlanes, is_pile
from core.survey.readers.folder_look import COLOURS, SAMPLE, Look, look_at
from core.survey.readers.image_entry import EntryShaper
from core.survey.readers.joining import Group, Joined, NamePattern, common_bands, guess_pattern
from core.survey.readers.listing import Listing, list_images
from core.survey.readers.names import SortedNames
from core.survey.readers.picture import GREY_KEPT
from core.survey.readers.recognising import sure_of_file, sure_of_folder
from core.survey.readers.registry import Reader, Unit, register_reader
from core.survey.readers.sniffing import kind_of_file, stem
from core.survey.readers.unreadable import Unreadable
from core.survey.readers.whole_file import read_whole

_ROOMY_PX = 512
"""Side from which an image of the sky may be meant to be cut up."""

_MIN_WHOLE = 0.5
"""A guessed pattern is dropped when fewer of its objects than this have all bands."""


@register_reader("folder", "a folder of JPEG, PNG, TIFF or FITS images, or one of them")
class FolderReader(Reader):
    """Images in a folder and the folders below it, in the order of their paths.

    Files are known by their first bytes, whatever their names say; what is no image is counted
    in `notes`. Linked files are read, linked folders are not entered.

    8-bit pictures become uint8 bands R, G, B (see `read_picture`); FITS and deep TIFF images
    become float32 bands (see `read_fits`). A folder is one or the other, by most of its files.
    An image of another size or pixel scale is shaped as `shaping` says.

    The object_id is the file name without its ending, or the {id} of the pattern. Columns:
    file_name (path below the folder), width_px, height_px (of the file, as it is meant to be
    looked at), resampled, padded (part of the image); for FITS images with celestial
    coordinates ra, dec (of the centre) and wcs_*, and the header cards asked for.

    Raises
    ------
    BadInput
        The folder is missing, holds no image, or none that can be read; a setting is wrong.
    """

    own_options: ClassVar[Mapping[str, str]] = {
        "axis": "what the planes of one FITS file are: bands or objects (guessed when left out)",
        "hdu": "number or name of the FITS extension to read (all images when left out)",
        "header": "FITS header cards that become columns, with commas between: OBJECT,EXPTIME",
        "pattern": "how files of one object are named, one a band: {id}_{band}.fits; none for no"
        " such files (guessed when left out)",
        "lacking": "what happens to an object that lacks a band's file: reject or nan",
    }

    def __init__(self, source: Path, options: ImportOptions) -> None:
        super().__init__(source, options)
        own = options.own(self.own_options)
        self._hdu = own.get("hdu")
        self._lacking = _one_of("lacking", own.get("lacking", "reject"), ("reject", "nan"))
        axis = _one_of("axis", own.get("axis", ""), ("", "bands", "objects"))
        path = _checked_source(source)
        self._folder = path if path.is_dir() else path.parent
        self._file = "" if path.is_dir() else path.name
        self._pattern: NamePattern | None = None
        self._entries: SortedNames | Joined | None = None
        self._planes: FitsPlanes | None = None
        if self._file and (axis == "objects" or (not axis and is_pile(path, self._hdu))):
            self._planes = FitsPlanes(path, self._hdu)
            self._lay_out_planes(self._planes, own)
        elif axis == "objects":
            raise BadInput(
                "axis=objects is for one FITS file whose planes are the objects, but"
                f" {path} is a folder; name the file."
            )
        else:
            self._lay_out_files(own)

    @classmethod
    def recognises(cls, source: Path) -> int:
        return sure_of_folder(source) if source.is_dir() else sure_of_file(source)

    def units(self) -> Iterator[Unit]:
        step = self.layout.unit_entries
        if self._planes is not None:
            yield from self._planes.units(step)
            return
        if self._entries is None:  # in another process than the one that looked
            self._entries = self._listed(self._pattern)[0]
            if isinstance(self._entries, Joined):
                self._entries.choose(self._file_bands())
        entries = iter(self._entries)
        number = 0
        while part := list(islice(entries, step)):
            yield Unit(number, len(part), part)
            number += 1

    def read(self, unit: Unit) -> Iterator[Batch]:
        if self._planes is not None:
            yield from self._planes.read(unit, self._choice, self._shaper)
            return
        gathered = BatchBuilder()
        for entry in unit.what:
            source = entry if isinstance(entry, str) else _first_file(entry[1])
            try:
                if isinstance(entry, str):
                    self._read_file(gathered, entry)
                else:
                    self._read_group(gathered, entry[0], entry[1])
            except _InFile as error:
                gathered.reject(error.path, str(error))
            except Unreadable as error:
                gathered.reject(source.rstrip("/") or ".", str(error))
            except MemoryError:
                gathered.reject(source, "is too large for the memory")
        yield gathered.take()

    def __getstate__(self) -> dict[str, Any]:
        # Those who read are told what to read: millions of names need not travel.
        return {**self.__dict__, "_entries": None}

    def _read_file(self, gathered: BatchBuilder, path: str) -> None:
        if path.endswith("/"):
            raise Unreadable("may not be listed by this user")
        if self._pattern is not None:
            raise Unreadable(f"does not fit the pattern {self._pattern.text!r}")
        found = self._decoded(path)
        if isinstance(found, np.ndarray):
            image = self._choice.pick(found, COLOURS)
            self._shaper.add_picture(gathered, stem(path), path, image)
        else:
            image = self._choice.pick(found.image, found.bands)
            self._shaper.add_measured(gathered, stem(path), path, [(found, image)])

    def _read_group(self, gathered: BatchBuilder, name: str, files: Mapping[str, str]) -> None:
        parts: list[tuple[FitsImage, np.ndarray] | None] = []
        greys: list[np.ndarray] = []
        first = _first_file(files)
        for band in self._file_bands():
            path = files.get(band)
            if path is None:
                if self._lacking == "reject" or not self._measured:
                    raise Unreadable(f"lacks the band {band}")
                parts.append(None)
                continue
            if "//" in path:
                raise Unreadable(f"has several files for the band {band}: {path.split('//')[1]}")
            try:
                found = self._decoded(path)
                if isinstance(found, np.ndarray):
                    greys.append(_grey(found))
                elif len(found.image) != 1:
                    raise Unreadable(f"has {len(found.image)} bands, where one was expected")
                else:
                    parts.append((found, found.image))
            except Unreadable as error:
                raise _InFile(path, str(error)) from None
        if greys:
            if len({grey.shape for grey in greys}) > 1:
                raise Unreadable("has pictures of several sizes")
            self._shaper.add_picture(gathered, name, first, np.concatenate(greys))
        else:
            self._shaper.add_measured(gathered, name, first, parts)

    def _decoded(self, path: str) -> FitsImage | np.ndarray:
        found = decode(read_whole(self._folder / path), self._hdu)
        if isinstance(found, np.ndarray) == self._measured:
            raise Unreadable(
                "is an 8-bit picture, and most others hold measured pixels"
                if self._measured
                else "holds measured pixels, and most others are 8-bit pictures"
            )
        return found

    def _lay_out_files(self, own: Mapping[str, str]) -> None:
        options = self.options
        entries, listing = self._listed(None)
        assert isinstance(entries, SortedNames)
        if not len(entries):
            raise BadInput(_no_image(self._folder, listing))
        self._entries = entries
        self.n_entries = len(entries)
        self.notes = listing.notes()
        told = self._join(own.get("pattern", ""), entries)
        sample = self._sample()
        if not sample:
            raise BadInput(f"The folder {self._folder} may not be read; change its permissions.")
        look = look_at(self._folder, sample, self.n_entries, self._hdu)
        self._measured = look.measured
        if self._pattern is not None:
            bands = self._file_bands()
            self._choice = BandChoice(bands, tuple(range(len(bands))), len(bands), False)
        else:
            self._choice = BandChoice.make(look.band_names, look.n_bands, options.bands)
            if look.grey and len(self._choice.bands) > 1:
                self.notes.append(GREY_KEPT)
        on_sky = look.scale is not None and look.side >= _ROOMY_PX
        if self._file and on_sky and options.catalogue is None:
            self.notes.append(
                "This is one object; --reader mosaic (with --catalogue, or without one to detect"
                " sources) cuts it up."
            )
        self._shaper = self._make_shaper(own, look.side, look.scale, bool(look.other_filters))
        self.settings |= told | _told(look, self._shaper.mixed)

    def _lay_out_planes(self, planes: FitsPlanes, own: Mapping[str, str]) -> None:
        self._measured = True
        self.n_entries = planes.n_entries
        self.notes = planes.notes()
        self._choice = BandChoice.make(planes.band_names, planes.n_bands, self.options.bands)
        self._shaper = self._make_shaper(own, planes.side, planes.scale, False)
        self.settings |= planes.settings() | {"mixed": self._shaper.mixed}

    def _make_shaper(
        self, own: Mapping[str, str], side: int, scale: float | None, with_filter: bool
    ) -> EntryShaper:
        options = self.options
        self.layout = Layout(
            bands=self._choice.bands,
            cutout_size_px=options.size_px or side,
            dtype="float32" if self._measured else "uint8",
            pixel_scale_arcsec=options.pixel_scale_arcsec or scale,
            origin=options.origin or f"{'file' if self._file else 'folder'} {self.source.name}",
            licence=options.licence or "not stated",
        )
        return EntryShaper.make(self.layout, options.mixed, own.get("header", ""), with_filter)

    def _join(self, pattern: str, names: SortedNames) -> dict[str, Any]:
        """Find out whether files belong together; returns what to tell of it."""
        if pattern == "none" or self._file:
            return {}
        found = NamePattern(pattern) if pattern else guess_pattern(names)
        if found is None:
            return {}
        joined = Joined(names, found)
        known = _all_bands(joined, found) if pattern else common_bands(joined.counts)
        bands = self.options.bands or known
        if not set(bands) <= set(joined.counts):
            raise BadInput(
                f"The bands wished are {', '.join(bands)}, but the file names have"
                f" {', '.join(known)}; name some of these, or set pattern to none"
                " (--set pattern=none)."
            )
        n_entries = joined.choose(bands)
        if not pattern:
            n_whole, n_groups = joined.n_whole(len(bands))
            if n_whole < _MIN_WHOLE * n_groups:
                return {}
        self._pattern, self._entries, self.n_entries = found, joined, n_entries
        self._pattern_bands = tuple(bands)
        if joined.n_left_out:
            self.notes.append(
                f"Files whose ending is not that of the pattern: {joined.n_left_out:,}, left out."
            )
        others = {band: n for band, n in sorted(joined.counts.items()) if band not in bands}
        if others:
            told = ", ".join(f"{band} {n:,}" for band, n in list(others.items())[:8])
            self.notes.append(
                f"Files of other bands: {sum(others.values()):,} ({told}), left out."
            )
        return {"pattern": found.text, "pattern_guessed": not pattern}

    def _file_bands(self) -> tuple[str, ...]:
        return self._pattern_bands

    def _listed(self, pattern: NamePattern | None) -> tuple[SortedNames | Joined, Listing]:
        if self._file:
            names = SortedNames([self._file])
            listing = Listing(names)
        else:
            listing = list_images(self._folder)
        return (Joined(listing.names, pattern) if pattern else listing.names), listing

    def _sample(self) -> list[str]:
        assert self._entries is not None
        step = max(1, -(-self.n_entries // SAMPLE))
        chosen: Iterable[str | Group] = islice(self._entries, 0, None, step)
        paths: list[str] = []
        for entry in chosen:
            if isinstance(entry, str):
                # Files outside the pattern will be rejects, whatever they hold.
                paths += [entry] if self._pattern is None and not entry.endswith("/") else []
            else:
                paths += [path for path in sorted(entry[1].values()) if "//" not in path]
        return paths[:: max(1, -(-len(paths) // SAMPLE))]


class _InFile(Unreadable):
    """A band's file is the culprit, not the whole object."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path


def _checked_source(source: Path) -> Path:
    path = Path(source).expanduser()
    if not path.exists():
        raise BadInput(f"There is no file or folder {path}; check the path.")
    if not path.is_dir():
        if not kind_of_file(path):
            raise BadInput(
                "The folder reader wants a folder of JPEG, PNG, TIFF or FITS images, or one of"
                f" them, but {path} is a file of another kind; name another reader or path."
            )
        return path.absolute()
    if not os.access(path, os.R_OK | os.X_OK):
        raise BadInput(f"The folder {path} may not be read by this user; change its permissions.")
    return path.resolve()


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise BadInput(
            f"{name} must be one of {', '.join(filter(None, allowed))}, but is {value!r}; choose"
            " one of these."
        )
    return value


def _all_bands(joined: Joined, pattern: NamePattern) -> tuple[str, ...]:
    bands = from_blue_to_red(joined.counts)
    if not bands:
        raise BadInput(f"No file fits the pattern {pattern.text!r}; change it.")
    if len(bands) > 64:
        raise BadInput(
            f"The pattern {pattern.text!r} finds {len(bands):,} bands ({', '.join(bands[:4])},"
            " ...), and at most 64 are allowed; change it, or name the bands."
        )
    return bands


def _first_file(files: Mapping[str, str]) -> str:
    """The file that stands for an object; where a band has several, one of them."""
    return min(files.values()).split("//")[0]


def _grey(picture: np.ndarray) -> np.ndarray:
    if (picture != picture[:1]).any():
        raise Unreadable("is a colour picture, where one band was expected")
    return picture[:1]


def _no_image(folder: Path, listing: Listing) -> str:
    n_others = sum(listing.others.values())
    there = f"{n_others:,} other files" if n_others else "nothing"
    return (
        f"The folder {folder} should hold JPEG, PNG, TIFF or FITS images, but holds {there};"
        " name another folder, or a table, an array or an archive by its file."
    )


def _told(look: Look, mixed: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "images": "measured pixels" if look.measured else "8-bit pictures",
        "looked_at": look.n_seen,
        "readable": look.n_readable,
        "mixed": mixed,
    }
    if look.scales_differ:
        told["pixel_scales"] = "differ"
    if look.other_filters:
        told["filters"] = ", ".join(filter(None, look.other_filters))
    return told
