"""`python -m core.run describe SURVEY`: what a survey holds, as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import Damaged
from core.survey import Survey
from core.survey.added_columns import added_columns, column_runs
from core.survey.sky_coverage import SkyCoverage
from core.survey.summary import Summary, summarise
from core.survey.summary_columns import ColumnSummary
from core.survey.summary_pixels import PERCENTILES, BandSummary
from core.survey.summary_spectra import SpectraSummary

__all__ = [
    "AddedColumn",
    "added_later",
    "column_words",
    "counted",
    "describe",
    "number",
    "printable",
    "share",
    "sky_words",
    "spectra_words",
]

MAX_COLUMNS = 60
MAX_LISTED = 10


def describe(survey: Survey) -> str:
    """Several lines, aligned, for a terminal."""
    found = summarise(survey)
    manifest = survey.manifest
    lines = [
        f"{survey.name}, version {survey.version}",
        "",
        *_pairs(
            [
                ("objects", f"{found.n_objects:,}{_groups(found)}"),
                ("rejected", f"{found.n_rejects:,}"),
                ("with picture", f"{found.n_images:,}{_picture(survey)}"),
                ("with spectrum", f"{found.n_spectra:,}"),
                ("with position", f"{found.n_positions:,}"),
                ("origin", manifest.origin or "not stated"),
                ("licence", manifest.licence or "not stated"),
                ("made", manifest.created),
                ("content hash", manifest.content_hash[:16]),
                ("folder", str(survey.path)),
            ]
        ),
    ]
    if found.reject_reasons:
        lines += ["", "Rejected because", *_counted(found.reject_reasons)]
    if found.sky is not None:
        lines += ["", "Sky", *(f"  {line}" for line in sky_words(found.sky))]
    if found.bands:
        lines += ["", f"Pixels of {found.n_measured:,} objects", *_pixel_table(found.bands)]
    if found.spectra is not None:
        lines += ["", "Spectra", *(f"  {line}" for line in spectra_words(found.spectra))]
    if found.columns:
        lines += ["", f"Columns: {len(found.columns):,}", *_column_table(found.columns)]
    lines += _added_table(survey)
    if found.suspicious:
        lines += ["", "Worth a look", *_counted(found.suspicious_counts)]
        shown = found.suspicious[:MAX_LISTED]
        lines += _table([(one.object_id, one.reason) for one in shown])
        lines += _and_more(len(found.suspicious), len(shown))
    if manifest.notes:
        lines += ["", "Notes", *(f"  {note}" for note in manifest.notes)]
    return "\n".join(line.rstrip() for line in lines)


@dataclass(frozen=True)
class AddedColumn:
    """A column that came after the import: the kind of run that it is from, the day (UTC), and
    how many objects have a value."""

    name: str
    kind: str
    day: str
    n_values: int


def added_later(survey: Survey) -> list[AddedColumn]:
    """The columns that came after the import, the newest first.

    Raises
    ------
    Damaged
        One cannot be read.
    """
    frame = added_columns(survey)
    found: dict[str, AddedColumn] = {}
    for run in column_runs(survey):
        kind, day = str(run.record.get("kind", "")), str(run.record["finished"])[:10]
        for name in run.record["columns"]:
            if name not in found and name in frame:
                found[name] = AddedColumn(name, kind, day, int(frame[name].notna().sum()))
    return list(found.values())


def counted(n: int, one: str, many: str = "") -> str:
    """Such as "1 object" and "1,200 objects"."""
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"


def sky_words(sky: SkyCoverage) -> list[str]:
    """Where the survey lies and how large it is, in sentences."""
    words = [
        f"right ascension {sky.ra_min_deg:.4f} to {sky.ra_max_deg:.4f},"
        f" declination {sky.dec_min_deg:+.4f} to {sky.dec_max_deg:+.4f} degrees"
    ]
    cells = f"{sky.n_cells:,} cells of {_angle(sky.cell_arcmin)} (HEALPix order {sky.order})"
    square = f"{sky.area_deg2:,.0f}" if sky.area_deg2 >= 100 else f"{sky.area_deg2:.3g}"
    area = f"{square} square degrees, {share(sky.sky_fraction)} of the sky"
    if sky.is_thin:
        return [*words, f"{cells} hold an object; these stand too far apart for an area"]
    return [*words, f"{area}: {cells} hold an object"]


def spectra_words(spectra: SpectraSummary) -> list[str]:
    """The grid, what of it is used, and how good the spectra are."""
    words = [
        f"{spectra.n_pixels:,} pixels from {spectra.low_angstrom:,.1f} to"
        f" {spectra.high_angstrom:,.1f} Angstrom, {spectra.log10_step:g} in log10"
    ]
    if spectra.used_low_angstrom is not None and spectra.used_high_angstrom is not None:
        words.append(
            f"of {spectra.n_objects:,} spectra: values from {spectra.used_low_angstrom:,.1f} to"
            f" {spectra.used_high_angstrom:,.1f} Angstrom, {share(spectra.masked_share)} masked"
        )
    if spectra.snr:
        low, middle, high = spectra.snr
        words.append(
            f"signal-to-noise a pixel: median {number(middle)}, for two in three objects"
            f" {number(low)} to {number(high)}"
        )
    else:
        words.append("the noise is not known")
    return words


def column_words(column: ColumnSummary) -> str:
    """The values of a column in short: limits and median, or the most frequent."""
    if column.median is not None:
        low, high = number(column.low), number(column.high)
        return f"{low} to {high}, median {number(column.median)}"
    if column.top:
        shown = ", ".join(f"{value} {n:,}" for value, n in column.top[:4])
        more = (column.n_distinct or 0) - min(4, len(column.top))
        return f"{shown}, {more:,} more" if more > 0 else shown
    if column.kind == "text":
        n = column.n_distinct
        return "many different" if n is None else f"{n:,} different" if n else "no value"
    return "no value"


def number(value: float | int | None) -> str:
    """A number with the digits that matter; whole ones in full."""
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.5g}"


def share(value: float) -> str:
    """A share in percent; what is not quite none or all does not look it."""
    if 0 < value < 0.0001:
        return "<0.01%"
    if 0.9999 < value < 1:
        return ">99.99%"
    return f"{100 * value:.4g}%"


def _angle(arcmin: float) -> str:
    if arcmin >= 60:
        return f"{arcmin / 60:.1f} degrees"
    return f"{arcmin:.1f} arcmin" if arcmin >= 1 else f"{60 * arcmin:.0f} arcsec"


def _groups(found: Summary) -> str:
    return "" if found.n_groups == found.n_objects else f" in {counted(found.n_groups, 'group')}"


def _picture(survey: Survey) -> str:
    manifest = survey.manifest
    if not manifest.bands:
        return ""
    side, scale = manifest.cutout_size_px, manifest.pixel_scale_arcsec
    a_pixel = "" if scale is None else f", {scale:g} arcsec a pixel"
    return f", {side} x {side} px of {', '.join(manifest.bands)} ({manifest.dtype}){a_pixel}"


def _pixel_table(bands: Sequence[BandSummary]) -> list[str]:
    shown = (1, 16, 50, 84, 99)
    heads = ["band", "min", *(f"{one}%" for one in shown), "max", "mean", "std", "NaN", "zero"]
    rows = [tuple(heads)]
    for band in bands:
        at = dict(zip(PERCENTILES, band.percentiles, strict=False))
        rows.append(
            (
                band.name,
                number(band.low),
                *(number(at.get(one)) for one in shown),
                number(band.high),
                number(band.mean),
                number(band.std),
                share(band.nan_share),
                share(band.zero_share),
            )
        )
    return _table(rows, right=True)


def _column_table(columns: Sequence[ColumnSummary]) -> list[str]:
    rows = [("name", "type", "unit", "missing", "values")]
    for one in columns[:MAX_COLUMNS]:
        missing = f"{one.n_missing:,}" if one.n_missing else ""
        rows.append((one.name, one.kind, one.unit, missing, column_words(one)))
    return [*_table(rows), *_and_more(len(columns), MAX_COLUMNS)]


def _added_table(survey: Survey) -> list[str]:
    try:
        added = added_later(survey)
    except Damaged as error:
        return ["", "Added columns", f"  {error}"]
    if not added:
        return []
    rows = [("name", "by", "on", "objects with a value")]
    rows += [(one.name, one.kind, one.day, f"{one.n_values:,}") for one in added[:MAX_COLUMNS]]
    more = _and_more(len(added), MAX_COLUMNS)
    return ["", f"Added columns: {len(added):,}", *_table(rows), *more]


def _counted(counts: Sequence[tuple[str, int]]) -> list[str]:
    rows = [(f"{n:,}", reason) for reason, n in counts[:MAX_LISTED]]
    width = max(len(n) for n, _reason in rows)
    lines = [f"  {n:>{width}}  {reason}" for n, reason in rows]
    return [*lines, *_and_more(len(counts), MAX_LISTED)]


def _and_more(n: int, shown: int) -> list[str]:
    return [f"  and {n - shown:,} more"] if n > shown else []


def _pairs(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return _table([(name, value) for name, value in pairs if value and value != "0"])


def _table(rows: Sequence[tuple[str, ...]], *, right: bool = False) -> list[str]:
    """Columns side by side; all but the first to the right where `right`."""
    shown = [tuple(printable(cell) for cell in row) for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*shown, strict=True)]
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if right and place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in shown
    ]


def printable(text: str) -> str:
    """Names from data must not steer the terminal."""
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)
