"""The import job: everything seen is an object or a reject, whatever happens on the way."""

from __future__ import annotations

import csv
import errno
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from core.errors import AlreadyExists, BadInput, Cancelled, NotFound, StorageFull
from core.survey import READERS, ImportOptions, Survey, import_record, import_survey, list_surveys
from core.survey.interrupted import discard, interrupted
from core.survey.previewing import preview
from core.workspace import Workspace
from tests.survey.made_up import GRID, MadeUp

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS, "made-up", MadeUp)
    monkeypatch.setattr("core.survey.job.CHECKPOINT_SECONDS", 0.0)


def asked(**own: object) -> ImportOptions:
    return ImportOptions(reader="made-up", more={key: str(one) for key, one in own.items()})


def imported(workspace: Workspace, name: str = "mine", workers: int = 0, **own: object) -> Survey:
    return import_survey(workspace, workspace.root, name, asked(**own), workers=workers)


def rejects_of(survey: Survey) -> list[dict[str, str]]:
    with open(survey.path / "rejects.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Stop:
    """A person who cancels at the n-th sign of progress."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, fraction: float, message: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled("Stopped on request.")


def test_everything_seen_is_an_object_or_a_reject(workspace):
    survey = imported(workspace, n=100)
    assert len(survey) == 91
    assert survey.manifest.n_rejects == len(rejects_of(survey)) == 9
    assert rejects_of(survey)[0] == {"source": "entry-10", "member": "", "reason": "is odd"}
    assert "Nothing of this is real." in survey.manifest.notes
    assert "Objects made up: 91." in survey.manifest.notes
    record = import_record(survey)
    assert (record["reader"], record["n_entries"], record["resumed"]) == ("made-up", 100, 0)
    survey.verify()


def test_processes_and_this_one_give_the_same(workspace):
    here = imported(workspace, "here")
    there = imported(workspace, "there", workers=2)
    assert here.manifest.content_hash == there.manifest.content_hash
    assert rejects_of(here) == rejects_of(there)


def test_the_main_program_is_not_run_once_more(workspace, tmp_path, monkeypatch):
    script = tmp_path / "unguarded.py"
    script.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise SystemExit\n")
    main = ModuleType("__main__")
    main.__file__ = str(script)
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert len(imported(workspace, workers=2)) == 91
    assert not (tmp_path / "ran").exists()


def test_a_dask_cluster_gives_the_same(workspace):
    import distributed

    here = imported(workspace, "here")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        there = import_survey(
            workspace, workspace.root, "there", asked(), scheduler=cluster.scheduler_address
        )
    assert here.manifest.content_hash == there.manifest.content_hash


def test_a_scheduler_that_is_not_there_is_told(workspace, monkeypatch):
    with pytest.raises(BadInput, match="no Dask scheduler"):
        import_survey(workspace, workspace.root, "mine", asked(), scheduler="nonsense://nowhere")


@pytest.mark.parametrize("after", [3, 5, 9, 14])
def test_cancelled_it_goes_on_where_it_was(workspace, after):
    whole = imported(workspace, "whole")
    with pytest.raises(Cancelled):
        import_survey(workspace, workspace.root, "mine", asked(), workers=0, progress=Stop(after))
    assert list_surveys(workspace) == ["whole"]
    [stopped] = interrupted(workspace)
    assert (stopped.name, stopped.n_entries, stopped.running) == ("mine", 100, False)
    assert stopped.n_done == 7 * (after - 1)
    assert stopped.options == asked()
    again = import_survey(workspace, stopped.source, "mine", stopped.options, workers=0)
    assert again.manifest.content_hash == whole.manifest.content_hash
    assert again.manifest.band_sigma == whole.manifest.band_sigma
    assert again.manifest.notes == whole.manifest.notes
    assert rejects_of(again) == rejects_of(whole)
    assert import_record(again)["resumed"] == 1
    again.verify()
    assert interrupted(workspace) == []
    assert {path.name for path in again.path.iterdir()} == {
        path.name for path in whole.path.iterdir()
    }


def test_cancelled_while_it_takes_up_what_was_done_nothing_is_lost(workspace, monkeypatch):
    with pytest.raises(Cancelled):
        import_survey(workspace, workspace.root, "mine", asked(), workers=0, progress=Stop(9))
    [stopped] = interrupted(workspace)
    with monkeypatch.context() as patched:
        patched.setattr("core.survey.ids.id_hashes", lambda texts: Stop(0)(0.0, ""))
        with pytest.raises(Cancelled):
            import_survey(workspace, workspace.root, "mine", asked(), workers=0)
    assert interrupted(workspace)[0].n_done == stopped.n_done > 0
    assert len(import_survey(workspace, workspace.root, "mine", asked(), workers=0)) == 91


def test_with_other_options_it_begins_anew(workspace):
    with pytest.raises(Cancelled):
        import_survey(workspace, workspace.root, "mine", asked(), workers=0, progress=Stop(8))
    assert len(imported(workspace, n=20)) == 19


def test_discarded_and_restarted(workspace):
    for _ in range(2):
        with pytest.raises(Cancelled):
            import_survey(workspace, workspace.root, "mine", asked(), progress=Stop(8))
    discard(workspace, "mine")
    assert interrupted(workspace) == []
    with pytest.raises(Cancelled):
        import_survey(workspace, workspace.root, "mine", asked(), progress=Stop(8))
    again = import_survey(workspace, workspace.root, "mine", asked(), restart=True)
    assert import_record(again)["resumed"] == 0


SCRIPT = """
import sys
import core.survey.job
from core.survey import READERS, ImportOptions, import_survey
from core.workspace import open_workspace
from tests.survey.made_up import MadeUp

if __name__ == "__main__":
    core.survey.job.CHECKPOINT_SECONDS = 0.0
    READERS["made-up"] = MadeUp
    options = ImportOptions(reader="made-up", more={"n": "700", "seconds": "0.005"})
    workspace = open_workspace(sys.argv[1])
    import_survey(workspace, workspace.root, "mine", options, workers=int(sys.argv[2]))
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_again_and_again_it_ends_with_the_same_content(workspace, tmp_path, workers):
    whole = imported(workspace, "whole", n=700, seconds=0.005)
    script = tmp_path / "importing.py"
    script.write_text(SCRIPT)
    seen = -1
    for round_number in range(20):
        process = subprocess.Popen(
            [sys.executable, str(script), str(workspace.root), str(workers)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        while process.poll() is None:
            done = [one.n_done for one in interrupted(workspace)]
            if round_number < 5 and done and done[0] > seen + 35:
                seen = done[0]
                process.send_signal(signal.SIGKILL)
                assert process.wait() == -signal.SIGKILL
                break
            time.sleep(0.005)
        else:
            assert process.returncode == 0
            break
    assert round_number == 5
    survey = Survey.open(workspace, "mine")
    assert survey.manifest.content_hash == whole.manifest.content_hash
    assert rejects_of(survey) == rejects_of(whole)
    assert import_record(survey)["resumed"] == 5
    survey.verify()


def test_a_full_disk_keeps_what_was_done(workspace, monkeypatch):
    whole = imported(workspace, "whole")
    room = [6]
    write = os.replace

    def replace_if_room(source, target):
        room[0] -= str(target).endswith("journal.json")
        if room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(source, target)

    with monkeypatch.context() as patched:
        patched.setattr("core.survey.journal.os.replace", replace_if_room)
        with pytest.raises(StorageFull, match="is full"):
            imported(workspace)
    assert interrupted(workspace)[0].n_done > 0
    assert imported(workspace).manifest.content_hash == whole.manifest.content_hash


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [("raise", "cannot be read (ZeroDivisionError: no such thing)"), ("lose", "cannot be read")],
)
def test_a_reader_that_fails_on_one_entry_loses_no_other(workspace, workers, fault, reason):
    survey = imported(workspace, workers=workers, fault=fault, at=52)
    assert len(survey) == 90
    assert "obj-00052" not in survey.object_ids
    found = {line["source"]: line["reason"] for line in rejects_of(survey)}
    assert len(found) == 10
    assert found["52"].startswith(reason)


def test_a_decoder_that_takes_its_process_along_is_one_reject(workspace):
    survey = imported(workspace, workers=2, fault="crash", at=52)
    assert len(survey) == 90
    assert {line["reason"] for line in rejects_of(survey)} == {
        "is odd",
        "crashed the program that reads it",
    }


def test_added_objects_make_a_new_version(workspace):
    first = imported(workspace, n=50)
    options = asked(n=50, first=40)
    second = import_survey(workspace, workspace.root, "mine", options, append=True, workers=0)
    assert (first.version, second.version) == (1, 2)
    assert second.manifest.origin == "made up"
    assert "Version 2: Nothing of this is real." in second.manifest.notes
    assert set(first.manifest.notes) < set(second.manifest.notes)
    assert list(second.object_ids[: len(first)]) == list(first.object_ids)
    # Five of the ten objects that both have are counted among the older ones' rejects already.
    taken = [line for line in rejects_of(second) if "is taken by row" in line["reason"]]
    assert len(second) + len(rejects_of(second)) - len(first) == 50
    assert {line["source"] for line in taken} <= set(first.object_ids)
    np.testing.assert_array_equal(second.images(slice(0, len(first))), first.images(slice(None)))
    for version in (1, 2):
        Survey.open(workspace, "mine", version).verify()
    assert Survey.open(workspace, "mine").version == 2


def test_an_interrupted_addition_goes_on(workspace):
    imported(workspace, n=50)
    options = asked(n=60, first=1000)
    with pytest.raises(Cancelled):
        import_survey(
            workspace, workspace.root, "mine", options, append=True, workers=0, progress=Stop(6)
        )
    assert interrupted(workspace)[0].adds
    assert Survey.open(workspace, "mine").version == 1
    second = import_survey(workspace, workspace.root, "mine", options, append=True, workers=0)
    assert import_record(second)["resumed"] == 1
    for version in (1, 2):
        Survey.open(workspace, "mine", version).verify()


def test_what_is_added_must_fit(workspace):
    imported(workspace, n=20)
    with pytest.raises(BadInput, match="has bands g, but the new objects have none"):
        import_survey(workspace, workspace.root, "mine", asked(grid=1), append=True)
    with pytest.raises(NotFound, match="to add to"):
        import_survey(workspace, workspace.root, "other", asked(), append=True)
    with pytest.raises(AlreadyExists, match="--append"):
        imported(workspace)


def test_a_survey_of_spectra(workspace):
    survey = imported(workspace, grid=1)
    assert survey.manifest.modalities == ("spectra",)
    assert survey.grid == GRID
    assert not survey.has_image.any()
    assert 0 < survey.has_spectrum.sum() < len(survey)
    row = survey.row("obj-00004")
    expected = np.random.default_rng(4).normal(size=GRID.n).astype(np.float32)
    np.testing.assert_array_equal(survey.spectrum(row).flux, expected)
    assert survey.spectrum(survey.row("obj-00003")).mask.all()
    survey.verify()


@pytest.mark.parametrize("join", ["id", "sky"])
def test_spectra_are_joined_to_pictures(workspace, monkeypatch, join):
    def spectra(options):
        return MadeUp(workspace.root, asked(n=80, first=50, grid=1))

    monkeypatch.setattr("core.survey.merging.make_reader", lambda path, options: spectra(options))
    options = replace(asked(), spectra="somewhere", join=join, radius_arcsec=1.0)
    survey = import_survey(workspace, workspace.root, "mine", options, workers=0)
    assert survey.manifest.modalities == ("images", "spectra")
    there = set(survey.object_ids[survey.has_spectrum])
    both = {n for n in range(50, 100) if n % 11 != 10 and n in _kept(50)}
    assert there == {f"obj-{n:05d}" for n in both if n % 3}
    n = 58
    row = survey.row(f"obj-{n:05d}")
    expected = np.random.default_rng(n - 50).normal(size=GRID.n).astype(np.float32)
    np.testing.assert_array_equal(survey.spectrum(row).flux, expected)
    assert survey.catalogue["n_spectrum"][row] == n
    reasons = [line["reason"] for line in rejects_of(survey)]
    assert reasons.count("its spectrum belongs to no object of the survey") == len(
        _kept(50) - both
    )
    assert reasons.count("has no spectrum") == len([n for n in both if n % 3 == 0])
    survey.verify()


def test_pictures_without_spectra_are_added_to_a_survey_that_has_some(workspace, monkeypatch):
    monkeypatch.setattr(
        "core.survey.merging.make_reader",
        lambda path, options: MadeUp(workspace.root, asked(n=50, grid=1)),
    )
    options = replace(asked(n=50), spectra="somewhere")
    first = import_survey(workspace, workspace.root, "mine", options, workers=0)
    assert import_record(first)["n_spectra"] == 50
    more = asked(n=30, first=500)
    second = import_survey(workspace, workspace.root, "mine", more, append=True, workers=0)
    assert second.has_spectrum.sum() == first.has_spectrum.sum() > 0
    assert second.has_image.sum() == first.has_image.sum() + 28
    second.verify()


def _kept(first: int) -> set[int]:
    return {first + n for n in range(80) if n % 11 != 10}


def test_a_preview_shows_what_a_catalogue_will_bring(workspace, tmp_path):
    catalogue = tmp_path / "known.csv"
    catalogue.write_text("object_id,mag\nobj-00001,17.5\nobj-00003,18.5\nelsewhere,1\n")
    options = replace(asked(), catalogue=str(catalogue))
    found = preview(workspace.root, options, 5)
    assert [row["mag"] for row in found.batch.columns] == [None, 17.5, None, 18.5, None]
    assert "2 of the first 5 objects have a row" in found.notes[-1]
    with pytest.raises(BadInput, match="check the path"):
        preview(workspace.root, replace(asked(), catalogue=str(tmp_path / "nowhere.csv")))
    survey = import_survey(workspace, workspace.root, "mine", options, workers=0)
    assert survey.catalogue["mag"].notna().sum() == 2


def test_joined_by_sky_without_a_position_nothing_that_was_read_is_lost(
    workspace, tmp_path, monkeypatch
):
    catalogue = tmp_path / "known.csv"
    catalogue.write_text("id,ra,dec\na,0.01,1.0\n")
    monkeypatch.setattr("core.survey.merging.position_names", lambda names: None)
    options = replace(asked(), catalogue=str(catalogue), join="sky")
    with pytest.raises(BadInput, match="join it by id"):
        import_survey(workspace, workspace.root, "mine", options, workers=0)
    assert interrupted(workspace)[0].n_done == 100
    monkeypatch.undo()
    monkeypatch.setitem(READERS, "made-up", MadeUp)
    survey = import_survey(workspace, workspace.root, "mine", options, workers=0)
    assert import_record(survey)["resumed"] == 1


def test_a_preview_shows_the_first_objects_and_writes_nothing(workspace):
    found = preview(workspace.root, asked(), 5)
    assert found.batch.object_ids == [f"obj-{n:05d}" for n in range(5)]
    assert (found.reader, found.n_entries) == ("made-up", 100)
    assert not workspace.surveys.exists()


def test_ids_of_one_look_are_one(workspace, monkeypatch):
    from core.survey import Batch, SurveyWriter

    with SurveyWriter(
        workspace, "mine", bands=(), cutout_size_px=0, dtype="uint8", origin="", licence=""
    ) as writer:
        names = ["caf\u00e9", "cafe\u0301", "NGC 1", "ngc 1", "\u00c5"]
        writer.append(Batch(names, None, [{"a": 1}] * 5))
        survey = writer.commit()
    assert list(survey.object_ids) == ["caf\u00e9", "NGC 1", "ngc 1", "\u00c5"]
    assert survey.manifest.modalities == ("columns",)
    assert "Ids that differ from another only by upper and lower case: 1." in survey.manifest.notes
    survey.verify()
