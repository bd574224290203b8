from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadInput
from core.survey import READERS, Batch, Reject, import_survey, register_reader


def test_a_name_can_be_taken_once():
    assert "folder" in READERS
    with pytest.raises(ValueError, match="already a reader 'folder'"):
        register_reader("folder")(READERS["folder"])


def test_a_new_reader_is_one_decorator(tmp_path, monkeypatch):
    from core.workspace import open_workspace

    class Counting:
        bands: Sequence[str] = ("r",)
        dtype, origin, licence = "uint8", "counted", "none"
        cutout_size_px, n_sources = 4, 3
        pixel_scale_arcsec: float | None = 0.2

        def __init__(self, source: Path, size_px: int | None) -> None:
            self.notes: list[str] = ["Counted."]

        def batches(self) -> Iterator[Batch]:
            images = np.zeros((1, 1, 4, 4), np.uint8)
            yield Batch(["1"], images, [{}])
            yield Batch(["2"], images, [{}], rejects=[Reject("3", "is odd")])

    monkeypatch.setitem(READERS, "counting", None)  # taken back after the test, and so is this:
    del READERS["counting"]
    assert register_reader("counting")(Counting) is Counting
    told = []
    survey = import_survey(
        open_workspace(tmp_path / "ws"),
        "counting",
        "anywhere",
        "mine",
        progress=lambda fraction, sentence: told.append((fraction, sentence)),
    )
    assert len(survey) == 2
    assert survey.manifest.pixel_scale_arcsec == 0.2
    assert survey.manifest.notes == ("Counted.",)
    assert told[-1][0] == 1.0
    assert "Rejected: 1" in told[-1][1]
    assert [fraction for fraction, _sentence in told] == sorted(f for f, _s in told)


def test_unknown_reader(tmp_path):
    from core.workspace import open_workspace

    with pytest.raises(BadInput, match=r"no reader 'fits' \(there: .*folder"):
        import_survey(open_workspace(tmp_path / "ws"), "fits", tmp_path, "mine")
