"""Cuts objects out of FITS mosaics: at a catalogue's positions, or where sources are found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from core.errors import BadInput
from core.survey.astrometry import WCS_COLUMNS
from core.survey.batch import Batch, CatalogueValue, Reject
from core.survey.layout import ColumnInfo, Layout
from core.survey.mosaics.cutouts import (
    CHANGED,
    NO_DATA,
    Cut,
    cut_band,
    empty_fraction,
    wcs_columns,
)
from core.survey.mosaics.tiles import Tile
from core.survey.options import MAX_SIDE_PX, MIN_SIDE_PX, ImportOptions
from core.survey.positions import Position
from core.survey.readers.mosaic_files import (
    Mosaics,
    TileFile,
    find_mosaics,
    looks_like_mosaics,
    may_be_cut_up,
    scales,
)
from core.survey.readers.mosaic_positions import DETECTION_OPTIONS, positions_of
from core.survey.readers.mosaic_tiles import MosaicTiles
from core.survey.readers.registry import Reader, Unit, register_reader
from core.survey.readers.shaping import same_scale
from core.survey.readers.unreadable import Unreadable

_BLOCK = 65_536
"""Positions that are sorted by mosaic and row at a time: a catalogue of millions is never in
memory as a whole, and each mosaic is gone through once a block."""

_GUESSED_SIZE_PX = 64

_COLUMNS = {
    "ra": ColumnInfo("deg", "right ascension (ICRS) of the position"),
    "dec": ColumnInfo("deg", "declination (ICRS) of the position"),
    **{name: ColumnInfo("", "linear, around the middle of the cutout") for name in WCS_COLUMNS},
    "mosaic": ColumnInfo("", "the file that the first band was cut out of"),
    "padded": ColumnInfo("", "part of the cutout that lies outside its mosaic, at most of a band"),
    "zero_fraction": ColumnInfo("", "part of the pixels that are 0 or missing, at most of a band"),
}
_SKY = ("ra", "dec", *WCS_COLUMNS)


@register_reader("mosaic", "FITS mosaics, cut out at a catalogue's positions or detected sources")
class MosaicReader(Reader):
    """Entries are the positions of `options.catalogue`, or without one the sources that are
    detected; and before them the files that should be mosaics and cannot be read.

    Every band is cut by its own coordinates out of the mosaic in which the position lies
    farthest from an edge. Columns: those of the catalogue, `ra`, `dec`, `wcs_*` (of the first
    band), `mosaic` (where there are several), `padded`, `zero_fraction`, and `psf_fwhm_arcsec`
    where a header says it. Objects come in the order of mosaics and their rows, some ten
    thousand positions at a time.
    """

    own_options: ClassVar[Mapping[str, str]] = {
        "pattern": "names of the mosaics, such as {tile}_{band}.fits; found out when left out",
        "hdu": 'number or name of the image in every file, or "all"; the first celestial one',
        "size_arcsec": "side of the cutouts on the sky, instead of in pixels",
        "psf_fwhm": "width of the point spread function in arcsec, where no header says it",
        "lacking": '"nan" keeps objects that some bands do not cover; "reject" (the default)',
        **DETECTION_OPTIONS,
    }
    takes_catalogue = True

    def __init__(self, source: Path, options: ImportOptions) -> None:
        super().__init__(source, options)
        own = options.own(self.own_options)
        self._lacking = own.get("lacking", "reject")
        if self._lacking not in ("nan", "reject"):
            raise BadInput(
                f"lacking must be nan or reject, but is {self._lacking!r}; choose one of these."
            )
        catalogue = Path(options.catalogue).expanduser() if options.catalogue else None
        found = find_mosaics(
            source,
            bands=options.bands,
            pattern=own.get("pattern"),
            hdu=own.get("hdu"),
            leave_out=catalogue,
        )
        self._tiles = MosaicTiles(source, found.tiles, found.bands)
        by_band = scales(found.tiles, found.bands)
        scale = options.pixel_scale_arcsec or min(by_band.values())
        size = _size(options, own, scale)
        self._psf = _number(own, "psf_fwhm")
        self._bad = [Reject(name, reason) for name, reason in found.rejects]
        self._positions = positions_of(options, own, self._tiles)
        # A mosaic that detection could not read to its end.
        self._bad += self._positions.bad
        self.n_entries = len(self._bad) + self._positions.n_entries
        self._called = {
            name: f"{name}_" if name in _SKY else name for name in self._positions.columns
        }
        self.layout = Layout(
            bands=found.bands,
            cutout_size_px=size,
            dtype="float32",
            pixel_scale_arcsec=scale,
            origin=options.origin or f"cut out of {source.name}",
            licence=options.licence or "not stated",
            columns=self._column_info(),
        )
        self.settings = self._told_settings(found, by_band, own)
        self.notes = [*found.notes, *self._positions.notes, *self._scale_notes(by_band)]
        if options.reader is None and source.is_dir() and not looks_like_mosaics(source):
            self.notes.append(
                "The images are cut up, since the catalogue has many more rows than there are"
                " files; --reader folder keeps each as one object and joins the catalogue."
            )

    @classmethod
    def recognises(cls, source: Path) -> int:
        try:
            return 70 if looks_like_mosaics(source) else 0
        except Exception:
            # Whatever lies there: a guess must not fail.
            return 0

    @classmethod
    def cuts_up(cls, source: Path, options: ImportOptions) -> bool:
        try:
            return may_be_cut_up(source, options)
        except Exception:  # as above: the reader that is taken then says what is wrong
            return False

    def units(self) -> Iterator[Unit]:
        step = self.layout.unit_entries
        waiting: list[dict[str, Any]] = [{"reject": [*_parts(one)]} for one in self._bad]
        index = 0
        for start in range(0, self._positions.n_entries, _BLOCK):
            stop = min(start + _BLOCK, self._positions.n_entries)
            waiting += self._placed(list(self._positions.rows(start, stop)))
            while len(waiting) >= step:
                yield Unit(index, step, waiting[:step])
                index, waiting = index + 1, waiting[step:]
        if waiting:
            yield Unit(index, len(waiting), waiting)
        self._tiles.close()

    def read(self, unit: Unit) -> Iterator[Batch]:
        rejects = [Reject(*one["reject"]) for one in unit.what if "reject" in one]
        entries = [one for one in unit.what if "reject" not in one]
        size, n_bands = self.layout.cutout_size_px, len(self.layout.bands)
        images = np.empty((len(entries), n_bands, size, size), dtype=np.float32)
        ra = np.array([one["ra"] for one in entries], dtype=np.float64)
        dec = np.array([one["dec"] for one in entries], dtype=np.float64)
        columns: list[dict[str, CatalogueValue]] = [
            {self._called.get(name, name): value for name, value in one["columns"].items()}
            | {"ra": one["ra"], "dec": one["dec"]}
            for one in entries
        ]
        reasons = [""] * len(entries)
        tally: Counter[str] = Counter()
        inside = np.ones(len(entries))
        for number, band in enumerate(self.layout.bands):
            cut = Cut.empty(len(entries), size, images[:, number])
            self._cut_band(number, entries, ra, dec, cut, columns, tally)
            for row, reason in enumerate(cut.reasons):
                lacks = entries[row]["tiles"][number] < 0
                if lacks and self._lacking == "reject":
                    reason = f"lies outside the mosaics of the band {band}"
                if reason and not (lacks and self._lacking == "nan"):
                    reasons[row] = reasons[row] or reason
            covered = np.array([one["tiles"][number] >= 0 for one in entries], dtype=bool)
            inside = np.minimum(inside, np.where(covered, cut.inside, 0.0))
        empty = empty_fraction(images) if len(entries) else np.zeros((0, n_bands))
        for row, values in enumerate(columns):
            self._put(values, "padded", round(1.0 - float(inside[row]), 6))
            self._put(values, "zero_fraction", round(float(empty[row].max()), 6))
            if not reasons[row] and empty[row].min() == 1.0:
                reasons[row] = NO_DATA
            if entries[row]["n_over"] > 1:
                tally["Positions on several mosaics, cut where the edge is farthest off"] += 1
        good = [row for row, reason in enumerate(reasons) if not reason]
        rejects += [
            Reject(self._positions.name, reason, entries[row]["id"])
            for row, reason in enumerate(reasons)
            if reason
        ]
        ids = [entries[row]["id"] for row in good]
        kept = images if len(good) == len(entries) else images[good]
        yield Batch(ids, kept, [columns[row] for row in good], None, rejects, tally=dict(tally))

    def _cut_band(
        self,
        number: int,
        entries: Sequence[dict[str, Any]],
        ra: np.ndarray,
        dec: np.ndarray,
        cut: Cut,
        columns: list[dict[str, CatalogueValue]],
        tally: Counter[str],
    ) -> None:
        """One band of all entries, tile by tile; with the columns that the first band gives."""
        by_tile: dict[int, list[int]] = {}
        for row, one in enumerate(entries):
            if one["tiles"][number] >= 0:
                by_tile.setdefault(one["tiles"][number], []).append(row)
        band = self.layout.bands[number]
        for which, members in by_tile.items():
            rows = np.array(members)
            about = self._tiles.files[which]
            try:
                tile = self._tiles.open(which)
            except Unreadable as error:
                for row in members:
                    cut.reasons[row] = f"cannot be cut out: {about.name} {error}"
                continue
            scale = self.layout.pixel_scale_arcsec
            cut_band(
                tile,
                ra[rows],
                dec[rows],
                cut,
                rows,
                plane=about.plane,
                scale_arcsec=scale,
                mixed=self.options.mixed,
            )
            if tile.changed():
                self._tiles.forget(which)
                for row in members:
                    cut.reasons[row] = f"cannot be cut out: {about.name} {CHANGED}"
                continue
            if tile.loses_digits:
                tally["Cutouts whose pixels were rounded to 32-bit floats"] += len(members)
            if not same_scale(tile.pixel_scale_arcsec, scale):
                how = "cut as they are" if self.options.mixed == "crop" else "resampled"
                tally[f"Cutouts from mosaics of another pixel scale, {how}"] += len(members)
            self._describe(number, band, tile, about, cut, rows, columns)

    def _describe(
        self,
        number: int,
        band: str,
        tile: Tile,
        about: TileFile,
        cut: Cut,
        rows: np.ndarray,
        columns: list[dict[str, CatalogueValue]],
    ) -> None:
        if number == 0:
            good = rows[np.isfinite(cut.x_middle[rows])]
            for row, values in zip(good.tolist(), wcs_columns(tile, cut, good), strict=True):
                columns[row].update(values)
            if len(self._tiles.of_band[band]) > 1:
                for row in rows.tolist():
                    self._put(columns[row], "mosaic", about.name)
        width = tile.psf_fwhm_arcsec
        if width is None:
            width = self._psf
        if width is not None:
            name = "psf_fwhm_arcsec"
            name = name if len(self.layout.bands) == 1 else f"{name}_{band}"
            for row in rows.tolist():
                self._put(columns[row], name, width)

    def _placed(self, block: list[Position | Reject]) -> list[dict[str, Any]]:
        """Entries of a unit: with the tile of every band, by the first band's tile and row."""
        places = [one for one in block if isinstance(one, Position)]
        ra = np.array([one.ra for one in places], dtype=np.float64)
        dec = np.array([one.dec for one in places], dtype=np.float64)
        chosen, n_over = [], np.zeros(len(places), dtype=np.int64)
        sort_row = np.zeros(len(places))
        cut_off: dict[int, str] = {}
        for number, band in enumerate(self.layout.bands):
            tile, row, over = self._tiles.choose(band, ra, dec, cut_off)
            chosen.append(tile)
            n_over = np.maximum(n_over, over)
            sort_row = row if number == 0 else sort_row
        tiles = np.stack(chosen, axis=1)
        order = np.lexsort((sort_row, tiles[:, 0]))
        on_any: list[bool] = np.any(tiles >= 0, axis=1).tolist()
        of_place, counts = tiles.tolist(), n_over.tolist()
        placed: list[dict[str, Any]] = []
        nowhere = [one for one in block if isinstance(one, Reject)]
        for at in order.tolist():
            one = places[at]
            if on_any[at]:
                placed.append(
                    {
                        "id": one.object_id,
                        "ra": one.ra,
                        "dec": one.dec,
                        "columns": one.columns,
                        "tiles": of_place[at],
                        "n_over": counts[at],
                    }
                )
                continue
            reason = "lies outside the mosaic" + ("s" if len(self._tiles.files) > 1 else "")
            if at in cut_off:
                reason = f"lies in the part of {cut_off[at]} that is cut off"
            nowhere.append(Reject(self._positions.name, reason, one.object_id))
        return placed + [{"reject": [*_parts(one)]} for one in nowhere]

    def _put(self, values: dict[str, CatalogueValue], name: str, value: CatalogueValue) -> None:
        values[f"{name}_cutout" if name in self._positions.columns else name] = value

    def _column_info(self) -> dict[str, ColumnInfo]:
        info = {self._called[name]: one for name, one in self._positions.columns.items()}
        for name, one in _COLUMNS.items():
            taken = name in self._positions.columns and name not in _SKY
            info[f"{name}_cutout" if taken else name] = one
        width = ColumnInfo("arcsec", "full width at half maximum of a point source")
        bands = self._tiles.of_band
        for name in ["psf_fwhm_arcsec", *(f"psf_fwhm_arcsec_{band}" for band in bands)]:
            info[name] = width
        return info

    def _told_settings(
        self, found: Mosaics, by_band: dict[str, float], own: dict[str, str]
    ) -> dict[str, Any]:
        units: dict[str, str] = {}
        for tile in found.tiles:
            if tile.unit:
                units.setdefault(tile.band, tile.unit)
        told: dict[str, Any] = {
            "mosaics": len(found.tiles),
            "bands_from": found.bands_from,
            "cutout_size_px": self.layout.cutout_size_px,
            "size_is_a_guess": self.options.size_px is None and "size_arcsec" not in own,
            "pixel_scale_arcsec": {band: round(scale, 5) for band, scale in by_band.items()},
            "BUNIT": units,
            "lacking": self._lacking,
        }
        if self._positions.detection is not None:
            told["detection"] = asdict(self._positions.detection)
            told["detection_band"] = self._positions.band
        else:
            told["catalogue"] = str(self.options.catalogue)
        return told

    def _scale_notes(self, by_band: dict[str, float]) -> list[str]:
        target = self.layout.pixel_scale_arcsec
        other = [band for band, scale in by_band.items() if not same_scale(scale, target)]
        if not other:
            return []
        how = (
            "cut as they are, and so show another part of the sky"
            if self.options.mixed == "crop"
            else "rejected"
            if self.options.mixed == "reject"
            else "resampled, to within half a pixel of their own"
        )
        return [f"Bands with other pixels than {target:.4g} arcsec are {how}: {', '.join(other)}."]


def _parts(reject: Reject) -> tuple[str, str, str]:
    return reject.source, reject.reason, reject.member


def _number(own: dict[str, str], name: str) -> float | None:
    if name not in own:
        return None
    try:
        value = float(own[name])
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise BadInput(f"{name} must be a number above 0, but is {own[name]!r}; change it.")
    return value


def _size(options: ImportOptions, own: dict[str, str], scale: float) -> int:
    if options.size_px is not None:
        return options.size_px
    size_arcsec = _number(own, "size_arcsec")
    if size_arcsec is None:
        return _GUESSED_SIZE_PX
    size = round(size_arcsec / scale)
    if not MIN_SIDE_PX <= size <= MAX_SIDE_PX:
        raise BadInput(
            f"Cutouts of {size_arcsec:g} arcsec would have {size} pixels a side, where"
            f" {MIN_SIDE_PX} to {MAX_SIDE_PX} are allowed; change size_arcsec."
        )
    return size
