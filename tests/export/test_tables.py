"""The exported tables, read back with the csv module and with pandas."""

from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd
import pytest

from core.errors import BadInput
from core.export import (
    CANDIDATE_COLUMNS,
    Provenance,
    candidates_csv,
    rank_candidates,
    write_csv,
)

PROVENANCE = Provenance(
    task="duals",
    target="dual",
    survey="simulated",
    survey_version=1,
    score_kind="P(target)",
    model_version=7,
    sampler="most_likely",
    learner="averaged",
    encoder_run="embed-1",
    exported_at="2026-01-02T03:04:05+00:00",
    skysift_version="0.1.0",
    filtered_by="flux > 3",
)
IDS = ["a", "b", "c", "d", "e"]
SCORES = np.array([0.1, 0.9, np.nan, 0.9, 0.5], np.float32)


def read(lines):
    return list(csv.DictReader(io.StringIO("".join(lines))))


def test_candidates_are_ranked_without_rejects_and_nan():
    best = rank_candidates(IDS, SCORES, labels={"b": "dual", "e": "other"}, leave_out=["other"])
    assert [(one["object_id"], one["label"], one["row"]) for one in best] == [
        ("b", "dual", 1),
        ("d", None, 3),
        ("a", None, 0),
    ]
    assert [one["object_id"] for one in rank_candidates(IDS, SCORES, n=2)] == ["b", "d"]
    finer = np.array([9, 1, 9, 2, np.nan])
    best = rank_candidates(IDS, SCORES, ties=finer)
    assert [one["object_id"] for one in best] == ["d", "b", "e", "a"]
    assert rank_candidates(IDS, SCORES, n=0) == []
    with pytest.raises(BadInput, match="one score for each of the 5"):
        rank_candidates(IDS, SCORES[:3])
    with pytest.raises(BadInput, match="zero or more"):
        rank_candidates(IDS, SCORES, n=-1)


def test_every_candidate_line_carries_its_provenance():
    rows = read(candidates_csv(rank_candidates(IDS, SCORES, labels={"b": "dual"}), PROVENANCE))
    assert list(rows[0]) == list(CANDIDATE_COLUMNS)
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["label"] for row in rows] == ["dual", "", "", ""]
    for row in rows:
        assert row["task"] == "duals"
        assert row["target"] == "dual"
        assert row["filtered_by"] == "flux > 3"
        assert row["score_kind"] == "P(target)"
        assert row["model_version"] == "7"
        assert row["learner"] == "averaged"
        assert row["encoder_run"] == "embed-1"
        assert row["survey_version"] == "1"
        assert row["exported_at"] == "2026-01-02T03:04:05+00:00"
        assert row["skysift_version"] == "0.1.0"
    assert np.float32(rows[0]["score"]) == SCORES[1]


def test_own_columns_of_the_survey_follow():
    one = {"object_id": "a", "score": 0.5, "ra": -12.25, "note": pd.NA, "flux": float("nan")}
    lines = list(candidates_csv([one], PROVENANCE, extra_columns=["ra", "note", "flux", "z"]))
    row = read(lines)[0]
    assert list(row)[-4:] == ["ra", "note", "flux", "z"]
    assert (row["ra"], row["note"], row["flux"], row["z"]) == ("-12.25", "", "", "")
    for twice in (["object_id"], ["ra", "ra"]):
        with pytest.raises(BadInput, match="comes twice"):
            candidates_csv([one], PROVENANCE, extra_columns=twice)


def test_provenance_fills_in_time_and_version():
    made = Provenance("t", "x", "s", 1, "P(target)", 1, "random", None, "run")
    assert made.exported_at.endswith("+00:00")
    assert made.skysift_version not in ("", "unknown")


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd|x", "@SUM(A1)", "\tx", "\rx"])
def test_no_cell_is_taken_for_a_formula(text):
    for row in read(
        candidates_csv([{"object_id": text, "label": text, "score": -0.5}], PROVENANCE)
    ):
        assert row["object_id"].startswith("'")
        assert row["label"].startswith("'")
        assert row["score"] == "-0.5"  # a number stays one
    header = next(candidates_csv([], PROVENANCE, extra_columns=["=HYPERLINK(1)"]))
    assert "'=HYPERLINK(1)" in header


def test_awkward_text_comes_back_as_it_was(tmp_path):
    texts = ['a,"b"', "two\nlines", "γ-ray", " spaced "]
    path = tmp_path / "candidates.csv"
    assert (
        write_csv(candidates_csv(({"object_id": text} for text in texts), PROVENANCE), path) == 4
    )
    with open(path, newline="", encoding="utf-8") as handle:
        assert [row["object_id"] for row in csv.DictReader(handle)] == texts
    assert pd.read_csv(path)["object_id"].tolist() == texts


def test_rows_are_streamed():
    taken = []

    def rows():
        for number in range(5):
            taken.append(number)
            yield {"object_id": str(number)}

    lines = candidates_csv(rows(), PROVENANCE)
    next(lines)
    next(lines)
    assert taken == [0]


def test_a_file_appears_only_when_whole(tmp_path):
    path = tmp_path / "candidates.csv"
    path.write_text("old")

    def broken():
        yield "header\r\n"
        raise RuntimeError("the source went away")

    with pytest.raises(RuntimeError):
        write_csv(broken(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    assert write_csv(candidates_csv([], PROVENANCE), path) == 0
