"""An import that is killed while it finishes goes on as any other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.survey import READERS, ImportOptions, Survey, import_survey
from tests.survey.made_up import MadeUp


class Killed(BaseException):
    """Stands for a process that is gone."""


def asked(**own: object) -> ImportOptions:
    return ImportOptions(reader="made-up", more={key: str(one) for key, one in own.items()})


@pytest.mark.parametrize(
    "last",
    [
        "core.survey.writer.finish_partial",
        "core.survey.writer.Manifest",
        "core.survey.writer.CatalogueWriter.finish",
        "core.survey.job._write_record",
        "core.survey.writer.drop_tools",
    ],
)
@pytest.mark.parametrize("join", [True, False])
def test_killed_while_it_finishes(workspace, monkeypatch, last, join):
    monkeypatch.setitem(READERS, "made-up", MadeUp)
    monkeypatch.setattr(
        "core.survey.merging.make_reader",
        lambda path, options: MadeUp(workspace.root, asked(n=80, first=50, grid=1)),
    )
    options = replace(asked(n=120), spectra="somewhere" if join else None)
    whole = import_survey(workspace, workspace.root, "whole", options, workers=0)

    def killed(*_given: object, **_named: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(last, killed)
        with pytest.raises(Killed):
            import_survey(workspace, workspace.root, "mine", options, workers=0)
    if last.endswith("drop_tools"):  # it has its name already
        again = Survey.open(workspace, "mine")
    else:
        again = import_survey(workspace, workspace.root, "mine", options, workers=0)
    assert again.manifest.content_hash == whole.manifest.content_hash
    assert again.manifest.notes == whole.manifest.notes
    again.verify()
    if not last.endswith("drop_tools"):
        assert {path.name for path in again.path.iterdir()} == {
            *("survey.toml", "catalogue.parquet", "rejects.csv", "import.json", "images.zarr"),
            *(("spectra.zarr",) if join else ()),
        }
