"""Vectors by object_id out of a file of the user's own: NPY, NPZ, Parquet, HDF5, FITS or CSV."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import BadInput, NotFound

SUFFIXES = {
    ".npy": "NPY",
    ".npz": "NPZ",
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".h5": "HDF5",
    ".hdf5": "HDF5",
    ".fits": "FITS",
    ".fit": "FITS",
    ".csv": "CSV",
}

Columns = Mapping[str, Any]
"""Arrays by name, each with a row an object."""


class Vectors(NamedTuple):
    """(N,) ids, (N, D) numbers, and names of what else the file has, which nobody named and which
    is left out."""

    ids: list[str]
    values: NDArray[Any]
    left_out: list[str]


def read_vectors(path: Path, ids: Path | None, id_column: str, array: str | None) -> Vectors:
    """Vectors by object_id.

    Parameters
    ----------
    ids
        A file with the ids in the order of the rows, where `path` has none: text, one a line; a
        CSV with the column `id_column`; or an NPY of strings or whole numbers.
    id_column
        Column, dataset or array with the ids.
    array
        Name of the array or of the columns (separated by commas); without it, the only array, or
        else all columns of numbers.

    Raises
    ------
    NotFound
        A file is not there.
    BadInput
        It cannot be read or does not hold this; lengths differ; ids repeat.
    """
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise BadInput(
            f"Vectors come as {', '.join(SUFFIXES)}, but {path.name} is none of them; convert it."
        )
    read = (lambda p: _csv(p, id_column)) if kind == "CSV" else _READERS[kind]
    columns = _read(path, read, kind)
    values = _numbers(path, columns, id_column, array)
    taken = set(columns) if array else {id_column, *_meant(columns, id_column)}
    if ids is not None:
        named = _ids_of(ids, id_column)
    elif id_column in columns:
        named = _as_ids(columns[id_column])
    else:
        raise BadInput(
            f"{path.name} has no {id_column!r} that says which object each row is (it has"
            f" {', '.join(columns) or 'nothing'}); name it by id_column=, or a file of ids by"
            " ids=."
        )
    if len(named) != len(values):
        raise BadInput(
            f"There are {len(named):,} ids for the {len(values):,} rows of {path.name}; each row"
            " needs one."
        )
    repeated = pd.Series(named).duplicated()
    if repeated.any():
        first = named[int(np.flatnonzero(repeated)[0])]
        raise BadInput(
            f"{path.name} has {int(repeated.sum()):,} ids that came before, such as"
            f" {first[:80]!r}; keep one row an object."
        )
    return Vectors(named, values, [name for name in columns if name not in taken])


def file_hash(*paths: Path | None) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the files' bytes."""
    found = hashlib.sha256()
    for path in paths:
        if path is not None:
            with open(path, "rb") as handle:
                while part := handle.read(1 << 20):
                    found.update(part)
    return found.hexdigest()[:16]


def _read(path: Path, read: Callable[[Path], Columns], kind: str) -> Columns:
    if not path.is_file():
        raise NotFound(f"There is no file {path}; check the path.")
    try:
        return read(path)
    except BadInput:
        raise
    except Exception as error:  # each format's library raises its own errors for a damaged file
        raise BadInput(
            f"{path} cannot be read as {kind} ({type(error).__name__}: {str(error)[:120]}); check"
            " the file (pickled objects are never loaded)."
        ) from None


def _npy(path: Path) -> Columns:
    return {"array": np.load(path, mmap_mode="r", allow_pickle=False)}


def _npz(path: Path) -> Columns:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _parquet(path: Path) -> Columns:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    found: dict[str, Any] = {}
    for name in table.column_names:
        column = table.column(name)
        if "list" in str(column.type):
            rows = column.to_pylist()
            lengths = {len(row) for row in rows if row is not None}
            if len(lengths) > 1:
                raise BadInput(
                    f"The vectors in the column {name!r} of {path.name} have {min(lengths)} to"
                    f" {max(lengths)} numbers; all need the same."
                )
            empty = [np.nan] * (lengths.pop() if lengths else 0)
            found[name] = np.array([empty if row is None else row for row in rows], np.float32)
        else:
            found[name] = column.to_pandas().to_numpy()
    return found


def _hdf5(path: Path) -> Columns:
    import h5py

    found: dict[str, Any] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim in (1, 2):
            found[name] = item.asstr()[()] if h5py.check_string_dtype(item.dtype) else item[()]

    with h5py.File(path, "r") as file:
        file.visititems(keep)
    return found


def _fits(path: Path) -> Columns:
    from astropy.io import fits

    with fits.open(path, memmap=False) as hdus:
        tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
        if not tables:
            raise BadInput(f"{path.name} has no table; put ids and vectors into one.")
        data = tables[0].data
        return {name: np.array(data[name]) for name in data.names}


def _csv(path: Path, id_column: str) -> Columns:
    # Ids stay text: 0012 is not 12.
    table = pd.read_csv(path, dtype={id_column: str})
    return {str(name): table[name].to_numpy() for name in table.columns}


_READERS: dict[str, Callable[[Path], Columns]] = {
    "NPY": _npy,
    "NPZ": _npz,
    "Parquet": _parquet,
    "HDF5": _hdf5,
    "FITS": _fits,
}


def _numbers(path: Path, columns: Columns, id_column: str, array: str | None) -> NDArray[Any]:
    """(N, D) of what was named, or of what can only be meant."""
    names = [name.strip() for name in array.split(",")] if array else _meant(columns, id_column)
    for name in names:
        if name not in columns:
            raise BadInput(
                f"{path.name} has no {name!r} (it has {', '.join(columns)}); correct array=."
            )
    if not names:
        raise BadInput(
            f"{path.name} has no array or columns of numbers beside {id_column!r}; name them by"
            " array=."
        )
    parts = [np.asanyarray(columns[name]) for name in names]
    if any(part.dtype.kind not in "fiub" or part.ndim not in (1, 2) for part in parts):
        raise BadInput(
            f"Vectors are a table of numbers, but {', '.join(names)} of {path.name} is not; name"
            " others by array=."
        )
    if len(parts) == 1 and parts[0].ndim == 2:
        return parts[0]
    if len({len(part) for part in parts}) > 1:
        raise BadInput(f"The arrays of {path.name} have different lengths; name one by array=.")
    return np.column_stack(parts)


def _meant(columns: Columns, id_column: str) -> list[str]:
    tables = [name for name, one in columns.items() if np.ndim(one) == 2]
    if len(tables) == 1:
        return tables
    return [
        name
        for name, one in columns.items()
        if name != id_column and np.asanyarray(one).dtype.kind in "fiub"
    ]


def _ids_of(path: Path, id_column: str) -> list[str]:
    if path.suffix.lower() == ".npy":
        return _as_ids(_read(path, _npy, "NPY")["array"])
    if path.suffix.lower() == ".csv":
        columns = _read(path, lambda p: _csv(p, id_column), "CSV")
        if id_column not in columns:
            raise BadInput(f"{path.name} has no column {id_column!r}; name it by id_column=.")
        return _as_ids(np.asarray(columns[id_column]))
    if not path.is_file():
        raise NotFound(f"There is no file {path}; check the path.")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise BadInput(f"{path} is no text file; give the ids one a line.") from None
    return [line.strip() for line in lines if line.strip()]


def _as_ids(values: Any) -> list[str]:
    found: Sequence[Any] = np.asarray(values).ravel().tolist()
    return [
        (one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one)).strip()
        for one in found
    ]


__all__ = ["SUFFIXES", "file_hash", "read_vectors"]
