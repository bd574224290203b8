"""How sure the table reader is of a path, by a few kilobytes of it."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from core.errors import BadInput
from core.survey.tables.header import guess_dialect
from core.survey.tables.lines import checked_file

_FEW_BYTES = 64 * 1024
_FEW_HDUS = 10
_FEW_FILES = 200


def sureness(source: Path) -> int:
    """0 to 100; never raises."""
    try:
        return _sureness(source)
    except Exception:  # whatever a damaged file makes a library raise: it is none of ours
        return 0


def _sureness(source: Path) -> int:
    from core.survey.tables import table_kind

    if source.is_dir():
        return 40 if _has_parquet(source) else 0
    try:
        checked_file(source)
        kind = table_kind(source)
    except BadInput:
        return 0
    if kind in ("VOTable", "CDS table", "IPAC table", "MAT", "MAT 7.3"):
        return 60
    if kind == "Parquet":
        return 50
    if kind == "FITS table":
        return _fits(source)
    if kind in ("NPY", "NPZ"):
        return _arrays(source, kind)
    return _text(source)


def _has_parquet(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        for _number, entry in zip(range(_FEW_FILES), entries, strict=False):
            if entry.name.lower().endswith((".parquet", ".parq", ".pq")):
                return True
    return False


def _fits(source: Path) -> int:
    """55 for tables alone; a file with an image too is rather for others."""
    from core.survey.tables.fits_header import has_image, is_table, read_hdus

    hdus = read_hdus(source, _FEW_HDUS)
    if not any(is_table(one.header) for one in hdus):
        return 0
    return 15 if any(has_image(one.header) for one in hdus) else 55


def _arrays(source: Path, kind: str) -> int:
    """60 for a matrix with rows, nothing where an array could be images."""
    from core.survey.tables.npz import read_npy_header

    found = []
    if kind == "NPY":
        with open(source, "rb") as file:
            found.append(read_npy_header(file))
    else:
        with zipfile.ZipFile(source) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            for name in names[:_FEW_FILES]:
                with archive.open(name) as member:
                    found.append(read_npy_header(member))  # type: ignore[arg-type]
    if any(len(shape) > 2 and shape[0] > 1 for shape, _fortran, _dtype in found):
        return 0
    matrix = any(len(shape) == 2 and dtype.kind in "biuf" for shape, _fortran, dtype in found)
    named = any(dtype.names is not None for _shape, _fortran, dtype in found)
    return 60 if matrix or named else 20


def _text(source: Path) -> int:
    from core.survey.tables.ecsv import read_ecsv_header

    ecsv = read_ecsv_header(source)
    if ecsv is not None:
        return 60
    dialect, _names = guess_dialect(source, None, _FEW_BYTES)
    return 50 if dialect.n_cells > 1 else 5
