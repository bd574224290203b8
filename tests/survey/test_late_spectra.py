"""Spectra joined to pictures, where the import is killed among them."""

from __future__ import annotations

import csv
import errno
import os
from dataclasses import replace

import numpy as np
import pytest

from core.errors import StorageFull
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


def spectrum(value: float) -> Spectrum:
    return Spectrum(np.full(5, value, np.float32), np.ones(5, np.float32), np.arange(5) > 3)


def test_what_was_put_is_there_for_the_next_process(tmp_path):
    first = LateSpectra(tmp_path, 10, 4, 5)
    assert list(first) == [None] * 4
    assert first.put(12, spectrum(2.5), 0)
    assert first.put(10, spectrum(0.5), 3)
    assert not first.put(12, spectrum(9), 4)
    assert not first.put(9, spectrum(9), 4)
    found = list(LateSpectra(tmp_path, 10, 4, 5))
    assert [one is not None for one in found] == [True, False, True, False]
    assert found[2] is not None
    np.testing.assert_array_equal(found[2].flux, spectrum(2.5).flux)
    np.testing.assert_array_equal(found[2].ivar, spectrum(2.5).ivar)
    np.testing.assert_array_equal(found[2].mask, spectrum(2.5).mask)
    again = LateSpectra(tmp_path, 10, 4, 5)
    again.go_back(1)
    for late in (again, LateSpectra(tmp_path, 10, 4, 5)):
        assert [one is not None for one in late] == [False, False, True, False]
    assert again.put(10, spectrum(1), 1)
    again.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_is_told(workspace, monkeypatch):
    monkeypatch.setitem(READERS, "made-up", MadeUp)
    monkeypatch.setattr(
        "core.survey.merging.make_reader",
        lambda path, options: MadeUp(workspace.root, asked(n=80, first=50, grid=1)),
    )
    options = replace(asked(n=120), spectra="somewhere", join="id")
    whole = import_survey(workspace, workspace.root, "whole", options, workers=0)
    write, room = os.pwrite, 9000

    def write_if_room(handle: int, content: bytes, offset: int) -> int:
        if offset + len(content) > room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, content, offset)

    with monkeypatch.context() as patched:
        patched.setattr("core.survey.late_spectra.os.pwrite", write_if_room)
        with pytest.raises(StorageFull, match="is full"):
            import_survey(workspace, workspace.root, "mine", options, workers=0)
    again = import_survey(workspace, workspace.root, "mine", options, workers=0)
    assert again.manifest.content_hash == whole.manifest.content_hash
