"""Label tables whose texts are as awkward as texts get, and label files written by hand."""

from __future__ import annotations

import json

import pytest

AWKWARD = (
    "plain",
    'quoted "twice", with commas\r\nand\nlines\rof all kinds',
    "=cmd|' /C calc'!A0",
    "'=an apostrophe of its own",
    "  leading and trailing  ",
    "naïve 🙂 \\alpha \\u00e9 <&>]]> \t\x01\x7f\ufffe",
    "",
    "x" * 10_000,
    "'",
    "-1.5",
    "null",
)

METADATA = {
    "task": "hunt",
    "question": 'Is it "dual" & double?\n<é 🙂>',
    "classes": [{"name": "dual AGN", "guideline": "two\nnuclei's // cores & more" * 20}],
    "nested": {"deep": [1, None, True, 2.5]},
    "skysift": {"version": "0.1.0"},
    "empty": "",
}


def event(i: int) -> dict:
    text = AWKWARD[i % len(AWKWARD)]
    return {
        "event_id": f"00000000-0000-4000-8000-{i:012d}",
        "seq": i + 1,
        "task": "hunt",
        "survey": "hubble",
        "survey_version": 1,
        "object_id": f"SDSS J{i}+1, \"'=é",
        "annotator": "ada" if i % 3 else "=ada",
        "action": ("label", "note", "undo", "flag")[i % 4],
        "class_name": "dual AGN" if i % 4 == 0 else None,
        "confidence": None if i % 2 else 0.1 + 0.2,
        "tags": (["a | b", "c"], None, [])[i % 3],
        "payload": json.dumps({"tags": ["a"], "x": text}) if i % 5 == 0 else None,
        "undoes": None,
        "redoes": None,
        "note": None if i % 7 == 3 else text,
        "lease": None,
        "late": bool(i % 2),
        "prediction_visible": (True, None, False)[i % 3],
        "shown_at": "2026-05-04T12:00:00.123+00:00",
        "answered_at": None,
        "recorded_at": "2026-05-04T12:00:01+00:00",
        "sampler": text or None,
        "score": (-1e-300, None, 1e17, 5e-324, 1.7976931348623157e308)[i % 5],
        "probability": 1 / 3,
        "model_version": None if i % 2 else 2**53 + 1,
        "source": "x" * 3000 if i == 5 else None,
    }


def label(i: int) -> dict:
    return {
        "object_id": f"obj-{i}",
        "label": "dual AGN" if i % 2 else "=other",
        "how": "plurality",
        "n_answers": 3,
        "annotators": ["ada", 'be"n'],
        "annotator": "ada",
        "answered_at": "2026-05-04T12:00:00+00:00",
        "shown_at": None,
        "sampler": "uncertainty",
        "score": 0.25,
        "probability": None,
        "model_version": 4,
        "flagged": bool(i % 2),
        "notes": AWKWARD[i % len(AWKWARD)],
        "tags": None if i % 3 else ["tail"],
        "consensus": None,
        "consensus_probability": None if i % 2 else 0.9,
        "task": "hunt",
        "survey": "hubble",
        "survey_version": 1,
        "event_id": f"00000000-0000-4000-8000-{i:012d}",
        "skysift_version": "0.1.0",
    }


@pytest.fixture
def events() -> list[dict]:
    return [event(i) for i in range(25)]


@pytest.fixture
def labels() -> list[dict]:
    return [label(i) for i in range(25)]


@pytest.fixture
def metadata() -> dict:
    return dict(METADATA)


@pytest.fixture
def file(tmp_path):
    """Writes text or bytes to a file and gives its path."""

    def write(content: str | bytes, name: str = "labels.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
