"""Tables that several tests write and read back."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
from astropy.table import Column, MaskedColumn, Table

BIG = 2**53 + 1
"""The first whole number that no float64 is."""

X = np.random.default_rng(7).normal(size=(40, 3)).astype(np.float32)


def rows_of(source) -> list[dict]:
    """All rows, read as workers would: the source pickled, in slices."""
    other = pickle.loads(pickle.dumps(source))
    found: list[dict] = []
    for start in range(0, other.n_rows, 7):
        piece = other.rows(start, start + 7)
        assert piece.column_names == list(source.columns) == list(source.types)
        found += piece.to_pylist()
    assert len(found) == source.n_rows
    assert other.rows(0, other.n_rows).to_pylist() == found  # back to the beginning
    return found


def written(tmp_path: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def columns_of(rows: list[dict]) -> dict[str, list]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def fits_table(path: Path, n: int = 50) -> Table:
    rng = np.random.default_rng(5)
    table = Table(
        {
            "ID": np.arange(n) + BIG,
            "U": (np.arange(n) * 3).astype(np.uint64),
            "SHORT": np.arange(n).astype(np.uint16),
            "FLUX": Column(rng.normal(size=n).astype(np.float32), unit="mJy", description="peak"),
            "NAME": [f"n {i}" if i % 3 else "" for i in range(n)],
            "GOOD": np.arange(n) % 2 == 0,
            "MAG": rng.normal(size=(n, 5)),
            "SPEC": rng.normal(size=(n, 20)),
            "COUNT": MaskedColumn(np.arange(n), mask=np.arange(n) % 4 == 0),
        }
    )
    table["FLUX"][3] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table.write(path, overwrite=True)
    return table


def astronomers_table() -> Table:
    return Table(
        {
            "id": np.array([BIG, BIG + 2, 3]),
            "flux": MaskedColumn(
                [1.5, 2.5, 3.5], mask=[False, True, False], unit="mJy", description="peak flux"
            ),
            "name": ["a b", "c", "d"],
        }
    )
