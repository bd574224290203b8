from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.csvsafe import safe_cell
from core.exchange.cells import empty_cells, escaped, safe_cells, starting, unescaped, unsafe_cell

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SUSPECT = st.builds(
    lambda head, tail: head + tail,
    st.sampled_from(
        ["=", "+", "-", "@", " =", "'", "'=", "＝", "－", "\t", "\x00", "-1", "+٣", "'"]
    ),
    TEXT,
)


@given(st.lists(st.none() | TEXT | SUSPECT), st.integers(0, 3))
@example(["a", "", "=b"], 1)
def test_a_column_is_made_safe_as_a_cell_is(texts, skipped):
    column = pa.array(texts, pa.string()).slice(skipped)
    expected = [None if text is None else safe_cell(text) for text in texts[skipped:]]
    assert safe_cells(column).to_pylist() == expected


@given(SUSPECT | TEXT)
def test_the_apostrophe_comes_off_where_it_was_put(text):
    text = text.replace("\x00", "")
    if safe_cell(text) != text:
        assert unsafe_cell(safe_cell(text)) == text


@pytest.mark.parametrize("text", ["'quoted'", "'", "", "it's", "''=1"])
def test_other_apostrophes_stay(text):
    assert unsafe_cell(text) == text


@given(TEXT | st.sampled_from(["\\u0041", "\\\\u0041", "\\u005cu", "\\alpha", "🙂\\u🙂"]))
def test_escapes_come_back(text):
    bad = re.compile(r"[^\x20-\x7e]")
    there = escaped(text, bad)
    assert there.isascii()
    assert unescaped(there) == text


def test_latex_stays_readable():
    assert escaped("\\alpha_{\\rm é}", re.compile(r"[^\x20-\x7e]")) == "\\alpha_{\\rm \\u00e9}"


def test_starting_looks_into_no_neighbour():
    column = pa.array(["", "=", None, "a", ""])
    found, empty = starting(column, b"="), empty_cells(column)
    assert found is not None
    assert found.to_pylist() == [False, True, False, False, False]
    assert empty is not None
    assert empty.to_pylist() == [True, False, False, False, True]
    assert starting(column, b"@") is None
    assert starting(pa.array([None, None], pa.string()), b"=") is None
