"""`describe` says in plain text what a survey holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from core.run import main
from core.run_describe import describe, number, share
from core.survey import Batch, SurveyWriter
from core.survey.added_columns import write_columns
from core.survey.batch import Reject
from core.workspace import open_workspace


def survey(tmp_path, **more):
    workspace = open_workspace(tmp_path / "ws")
    rng = np.random.default_rng(0)
    images = rng.normal(5, 1, (40, 2, 8, 8)).astype(np.float32)
    images[0] = 0
    columns: list[dict[str, Any]] = [
        {"ra": 150 + row / 100, "dec": 2.0, "kind": "a\x1b[2Jb"} for row in range(40)
    ]
    with SurveyWriter(
        workspace,
        "mine",
        bands=("g", "r"),
        cutout_size_px=8,
        dtype="float32",
        pixel_scale_arcsec=0.25,
        origin="a test",
        licence="CC0",
        notes=("One file was left out.",),
    ) as writer:
        ids = [f"o{row}" for row in range(40)]
        rejects = [Reject(f"f{row}.fits", "is cut short") for row in range(3)]
        writer.append(Batch(ids, images, columns, [f"g{row // 2}" for row in range(40)], rejects))
        return writer.commit()


def test_everything_is_there(tmp_path):
    found = survey(tmp_path)
    text = describe(found)
    lines = text.splitlines()
    assert lines[0] == "mine, version 1"
    said = [" ".join(line.split()) for line in lines]
    assert "objects 40 in 20 groups" in said
    assert "rejected 3" in said
    assert "with picture 40, 8 x 8 px of g, r (float32), 0.25 arcsec a pixel" in said
    assert "3 is cut short" in said
    assert "o0 every pixel is zero" in said
    assert "One file was left out." in said
    assert any(line.startswith("right ascension 150.0000 to 150.3900") for line in said)
    assert any(line.startswith("ra fraction 150 to 150.39, median 150.") for line in said)
    assert "kind text a�[2Jb 40" in said  # the data do not steer the terminal
    assert all(line == line.rstrip() for line in lines)
    assert describe(found) == text  # from what was kept


def test_the_command_prints_it_or_its_numbers(tmp_path, capsys):
    text = describe(survey(tmp_path))
    where = ["--workspace", str(tmp_path / "ws")]
    assert main(["describe", "mine", *where]) == 0
    assert capsys.readouterr().out == f"{text}\n"
    assert main(["describe", "mine", "--json", *where]) == 0
    assert json.loads(capsys.readouterr().out)["n_objects"] == 40
    assert main(["describe", "none", *where]) == 2
    assert "There is no survey 'none'" in capsys.readouterr().err


def test_columns_that_came_later_are_told(tmp_path, capsys):
    found = survey(tmp_path)
    assert "Added columns" not in describe(found)
    where = ["--workspace", str(tmp_path / "ws")]
    write_columns(
        *(found, "one", "crossmatch"),
        {"known": pa.array([True, None, False]), "name": pa.array(["M 51", None, None])},
        object_ids=["o0", "o1", "o2"],
    )
    write_columns(found, "two", "duplicates", {"known": pa.array([1])}, object_ids=["o3"])
    day = datetime.now(UTC).date().isoformat()
    text = describe(found)
    lines = text.splitlines()
    place = lines.index("Added columns: 2")
    assert [line.split() for line in lines[place : place + 4]] == [
        ["Added", "columns:", "2"],
        ["name", "by", "on", "objects", "with", "a", "value"],
        ["known", "duplicates", day, "1"],
        ["name", "crossmatch", day, "1"],
    ]
    assert main(["describe", "mine", "--json", *where]) == 0
    assert json.loads(capsys.readouterr().out)["added_columns"][0] == {
        "name": "known",
        "kind": "duplicates",
        "day": day,
        "n_values": 1,
    }


def test_added_columns_that_cannot_be_read_leave_the_rest(tmp_path):
    found = survey(tmp_path)
    path = write_columns(found, "one", "crossmatch", {"a": pa.array([1])}, object_ids=["o0"])
    path.write_bytes(b"x")
    text = describe(found)
    assert text.startswith("mine, version 1\n")
    assert "Added columns\n" in text
    assert f"{path} cannot be read" in text


def test_columns_are_aligned(tmp_path):
    lines = describe(survey(tmp_path)).splitlines()
    head = next(place for place, line in enumerate(lines) if line.split()[:2] == ["band", "min"])
    assert len({len(line) for line in lines[head : head + 3]}) == 1


def test_numbers_and_shares():
    assert [number(one) for one in (None, 3, 2**60, 5.0, 0.123456789, 1e22, -2.5)] == [
        *("", "3", str(2**60), "5", "0.12346", "1e+22", "-2.5"),
    ]
    assert [share(one) for one in (0, 1e-9, 0.25, 1 - 1e-9, 1)] == [
        *("0%", "<0.01%", "25%", ">99.99%", "100%"),
    ]
