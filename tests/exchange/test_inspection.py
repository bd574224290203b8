"""A label file is looked into before it is taken in."""

from __future__ import annotations

import pytest

from core.errors import BadInput
from core.exchange.inspection import inspect


def test_what_a_file_holds(tmp_path):
    path = tmp_path / "labels.csv"
    lines = [f"g{number},{'a' if number % 3 else 'b'},bob" for number in range(12)]
    path.write_text("\n".join(["object_id,label,annotator", *lines, "x,a,", lines[0]]) + "\n")
    found = inspect(path, n_first=3)
    assert (found.format, found.n_rows) == ("csv", 13)
    assert [values["object_id"] for values in found.first] == ["g0", "g1", "g2"]
    assert found.classes == {"a": 9, "b": 4}
    assert found.annotators == {"bob"}
    assert found.left_out == {"rows that are there twice": 1}


def test_a_row_that_cannot_be_used_is_named(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("object_id,label\ng1,a\ng2,\n")
    with pytest.raises(BadInput, match="line 3"):
        inspect(path)
