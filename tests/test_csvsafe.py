from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.csvsafe import safe_cell


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("＝1", "'＝1"),
        ("-", "'-"),
        (-1.5e-8, "-1.5e-08"),
        ("-12.5", "-12.5"),
        ("+.5", "+.5"),
        (float("-inf"), "-inf"),
        (np.float32(-2.5), "-2.5"),
        ("SDSS J1-2+3=4", "SDSS J1-2+3=4"),
        ("", ""),
        (None, ""),
        (True, "True"),
        ("a\x00b", "ab"),
        ("\x00=1", "'=1"),
        ("\udcff", "\\udcff"),
    ],
)
def test_cells(value, cell):
    assert safe_cell(value) == cell


@given(st.text())
def test_no_cell_starts_a_formula_and_all_can_be_written(text):
    cell = safe_cell(text)
    assert cell.encode("utf-8") is not None
    if cell.strip()[:1] in ("=", "+", "-", "@"):
        float(cell)  # only numbers may
    target = io.StringIO()
    csv.writer(target).writerow([cell, "next"])
    target.seek(0)
    assert len(next(csv.reader(io.StringIO(target.getvalue(), newline="")))) == 2
