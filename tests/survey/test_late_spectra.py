"""Spectra joined to pictures, where the import is killed among them."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from core.survey import READERS, ImportOptions, import_survey
from core.survey.batch import Spectrum
from core.survey.late_spectra import LateSpectra
from tests.survey.made_up import MadeUp


class Killed(BaseException):
    """Stands for a process that is gone."""


def asked(**own: object) -> ImportOptions:
    return ImportOptions(reader="made-up", more={key: str(one) for key, one in own.items()})


@pytest.mark.parametrize("every", [0.0, 1000.0])
@pytest.mark.parametrize("at", [1, 12, 35])
def test_killed_among_the_spectra_it_ends_with_the_same(workspace, monkeypatch, at, every):
    monkeypatch.setitem(READERS, "made-up", MadeUp)
    monkeypatch.setattr("core.survey.merging.CHECKPOINT_SECONDS", every)
    monkeypatch.setattr(
        "core.survey.merging.make_reader",
        lambda path, options: MadeUp(workspace.root, asked(n=80, first=50, grid=1)),
    )
    options = replace(asked(n=120), spectra="somewhere", join="id")
    whole = import_survey(workspace, workspace.root, "whole", options, workers=0)
    put, n = LateSpectra.put, 0

    def killed(self: LateSpectra, row: int, spectrum: Spectrum, unit: int) -> bool:
        nonlocal n
        found = put(self, row, spectrum, unit)
        n += found
        if n == at:
            raise Killed
        return found

    with monkeypatch.context() as patched:
        patched.setattr(LateSpectra, "put", killed)
        with pytest.raises(Killed):
            import_survey(workspace, workspace.root, "mine", options, workers=0)
    again = import_survey(workspace, workspace.root, "mine", options, workers=0)
    assert again.manifest.content_hash == whole.manifest.content_hash
    assert again.manifest.notes == whole.manifest.notes
    told = []
    for survey in (again, whole):
        with open(survey.path / "rejects.csv", newline="", encoding="utf-8") as file:
            told.append(list(csv.reader(file)))
    assert told[0] == told[1]
    again.verify()
