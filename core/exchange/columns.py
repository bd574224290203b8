"""The columns of the two label tables that leave Skysift and come back.

Times are ISO 8601 strings in UTC, an `object_id` is the survey's own string, `payload` is JSON
text. Each field carries a description, which the formats that have room for one write out.
"""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa


class Format(StrEnum):
    """The formats that a label table is written in."""

    CSV = "csv"
    PARQUET = "parquet"
    VOTABLE = "votable"
    FITS = "fits"
    JSONL = "jsonl"


SUFFIXES = {
    Format.CSV: ".csv",
    Format.PARQUET: ".parquet",
    Format.VOTABLE: ".vot",
    Format.FITS: ".fits",
    Format.JSONL: ".jsonl",
}

MEDIA_TYPES = {
    Format.CSV: "text/csv",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.VOTABLE: "application/x-votable+xml",
    Format.FITS: "application/fits",
    Format.JSONL: "application/jsonl",
}


def _field(name: str, kind: pa.DataType, description: str) -> pa.Field:
    return pa.field(name, kind, metadata={"description": description})


_TEXT, _WHOLE, _REAL, _TRUTH = pa.string(), pa.int64(), pa.float64(), pa.bool_()
_LIST = pa.list_(pa.string())

_WHY_SHOWN = (
    _field("sampler", _TEXT, "what chose the object to be shown"),
    _field("score", _REAL, "score with which it was chosen; higher is sooner"),
    _field("probability", _REAL, "chance with which it was drawn, 0 to 1"),
    _field("model_version", _WHOLE, "retraining of the task's model that ranked it"),
)

EVENT_SCHEMA = pa.schema(
    [
        _field("event_id", _TEXT, "UUID of the event"),
        _field("seq", _WHOLE, "order of commits in the workspace it comes from"),
        _field("task", _TEXT, "task that the event belongs to"),
        _field("survey", _TEXT, "survey that the object belongs to"),
        _field("survey_version", _WHOLE, "version of the survey"),
        _field("object_id", _TEXT, "the object's name in the survey"),
        _field("annotator", _TEXT, "who did it"),
        _field("action", _TEXT, "what was done: label, skip, unsure, flag, note, mark, undo ..."),
        _field("class_name", _TEXT, "class given to the object"),
        _field("confidence", _REAL, "how sure the annotator was, 0 to 1"),
        _field("tags", _LIST, "tags given beside the class"),
        _field("payload", _TEXT, "what else came with the answer, as a JSON object"),
        _field("undoes", _TEXT, "event_id of the event that this one takes back"),
        _field("redoes", _TEXT, "event_id of the undo that this one takes back"),
        _field("note", _TEXT, "the annotator's words"),
        _field("lease", _TEXT, "lease under which the object was shown"),
        _field("late", _TRUTH, "answered after the lease had run out"),
        _field("prediction_visible", _TRUTH, "whether the model's opinion was on screen"),
        _field("shown_at", _TEXT, "when it was shown, ISO 8601 UTC"),
        _field("answered_at", _TEXT, "when it was answered, ISO 8601 UTC"),
        _field("recorded_at", _TEXT, "when it was committed, ISO 8601 UTC"),
        *_WHY_SHOWN,
        _field("source", _TEXT, "where an imported event came from"),
    ]
)
"""One line an event: everything that an annotator did, undone or not."""

LABEL_SCHEMA = pa.schema(
    [
        _field("object_id", _TEXT, "the object's name in the survey"),
        _field("label", _TEXT, "the object's current class"),
        _field("how", _TEXT, "how the class was settled"),
        _field("n_answers", _WHOLE, "annotators who answered"),
        _field("annotators", _LIST, "who answered"),
        _field("annotator", _TEXT, "whose event gave the label"),
        _field("answered_at", _TEXT, "when that was, ISO 8601 UTC"),
        _field("shown_at", _TEXT, "when it was shown, ISO 8601 UTC"),
        *_WHY_SHOWN,
        _field("flagged", _TRUTH, "whether somebody flagged the object"),
        _field("notes", _TEXT, "notes on the object"),
        _field("tags", _LIST, "tags given beside the class"),
        _field("consensus", _TEXT, "most probable class by a model of the annotators"),
        _field("consensus_probability", _REAL, "its probability, 0 to 1"),
        _field("task", _TEXT, "task that was asked"),
        _field("survey", _TEXT, "survey that the object belongs to"),
        _field("survey_version", _WHOLE, "version of the survey"),
        _field("event_id", _TEXT, "event that gave the label"),
        _field("skysift_version", _TEXT, "version of Skysift that wrote the line"),
    ]
)
"""One line an object that has a label now."""


def description(field: pa.Field) -> str:
    """What a column means, in words; "" where the schema does not say."""
    return (field.metadata or {}).get(b"description", b"").decode()
