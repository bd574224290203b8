from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadInput
from core.survey import (
    READERS,
    Batch,
    ImportOptions,
    Layout,
    Reader,
    Reject,
    Unit,
    import_survey,
    make_reader,
    register_reader,
)
from core.workspace import open_workspace


class Counting(Reader):
    """Two objects and a reject."""

    def __init__(self, source: Path, options: ImportOptions) -> None:
        super().__init__(source, options)
        self.n_entries = 3
        self.notes = ["Counted."]
        self.layout = Layout(
            bands=("r",),
            cutout_size_px=4,
            pixel_scale_arcsec=0.2,
            origin="counted",
            licence="none",
        )

    @classmethod
    def recognises(cls, source: Path) -> int:
        return 99 if source.name == "countable" else 0

    def units(self) -> Iterator[Unit]:
        yield Unit(0, 1, ["1"])
        yield Unit(1, 2, ["2", "3"])

    def read(self, unit: Unit) -> Iterator[Batch]:
        images = np.zeros((1, 1, 4, 4), np.uint8)
        rejects = [Reject(name, "is odd") for name in unit.what[1:]]
        yield Batch(unit.what[:1], images, [{}], rejects=rejects)


@pytest.fixture
def counting(monkeypatch):
    monkeypatch.setitem(READERS, "counting", None)  # taken back after the test, and so is this:
    del READERS["counting"]
    assert register_reader("counting", "what can be counted")(Counting) is Counting


def test_a_name_can_be_taken_once():
    assert "folder" in READERS
    with pytest.raises(ValueError, match="already a reader 'folder'"):
        register_reader("folder", "a folder")(READERS["folder"])


@pytest.mark.usefixtures("counting")
def test_a_new_reader_is_one_decorator(tmp_path):
    told = []
    (tmp_path / "countable").mkdir()
    survey = import_survey(
        open_workspace(tmp_path / "ws"),
        tmp_path / "countable",
        "mine",
        progress=lambda fraction, sentence: told.append((fraction, sentence)),
    )
    assert len(survey) == 2
    assert survey.manifest.pixel_scale_arcsec == 0.2
    assert survey.manifest.notes == ("Counted.",)
    assert told[-1][0] == 1.0
    assert "Rejected: 1" in told[-1][1]
    assert [fraction for fraction, _sentence in told] == sorted(f for f, _s in told)


@pytest.mark.usefixtures("counting")
def test_a_folder_of_one_file_is_that_file(tmp_path):
    (tmp_path / "countable").write_text("")
    assert make_reader(tmp_path, ImportOptions()).source == tmp_path / "countable"
    assert make_reader(tmp_path, ImportOptions(reader="counting")).source == tmp_path


def test_unknown_reader(tmp_path):
    options = ImportOptions(reader="unheard-of")
    with pytest.raises(BadInput, match=r"no reader 'unheard-of' \(there: .*folder"):
        import_survey(open_workspace(tmp_path / "ws"), tmp_path, "mine", options)


def test_what_nothing_recognises(tmp_path):
    (tmp_path / "poem.xyz").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(BadInput, match=r"Nothing here knows|should hold|cannot"):
        make_reader(tmp_path / "poem.xyz", ImportOptions())
    with pytest.raises(BadInput, match="no file or folder"):
        make_reader(tmp_path / "nowhere", ImportOptions())


def test_what_cannot_be_opened_is_told(tmp_path, monkeypatch):
    def told(name: str) -> str:
        with pytest.raises(BadInput) as caught:
            make_reader(tmp_path / name, ImportOptions())
        return str(caught.value)

    (tmp_path / "empty.csv").touch()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "round").symlink_to("round")
    (tmp_path / "closed.csv").write_text("id,ra,dec\na,1,2\n")
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 20)
    assert "is empty" in told("empty.csv")
    assert "neither a file nor a folder" in told("pipe.csv")
    assert "symbolic links" in told("round")
    assert "There is no file" in told("nowhere")
    assert "There is no file" in told("closed.csv/below")
    assert "null" in told("a\0b")
    assert len(told("noise")) < 400 + len(str(tmp_path))

    def refused(*_args: object, **_more: object) -> object:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("builtins.open", refused)
    assert "cannot be opened (permission denied)" in told("closed.csv")
