from __future__ import annotations

import csv
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from zarr.storage import LocalStore

from core.errors import AlreadyExists, BadInput, InUse, StorageFull
from core.survey import Batch, Reject, Survey, SurveyWriter, list_surveys

ROOT = Path(__file__).parents[2]


def writer_for(workspace, name="mine", **changes):
    settings: dict[str, Any] = {
        "bands": ("g", "r", "i"),
        "cutout_size_px": 12,
        "dtype": "float32",
        "origin": "made up",
        "licence": "none",
    }
    return SurveyWriter(workspace, name, **(settings | changes))


def batch_of(*ids: str, columns=None, images=None) -> Batch:
    n = len(ids)
    if images is None:
        images = np.ones((n, 3, 12, 12), np.float32)
    return Batch(list(ids), images, columns or [{}] * n)


def nothing_left(workspace) -> bool:
    return not workspace.surveys.exists() or not any(workspace.surveys.iterdir())


def test_hash_depends_on_content_alone(write_survey, monkeypatch):
    first = write_survey("one", size=6).manifest
    other = write_survey("two", size=20).manifest
    monkeypatch.setattr("core.survey.catalogue.ROW_GROUP", 3)
    monkeypatch.setattr("core.survey.rows._MAX_SHARD_OBJECTS", 8)
    monkeypatch.setattr("core.survey.rows._MAX_CHUNK_OBJECTS", 2)
    small = write_survey("three", size=7)
    small.verify()
    assert len(list((small.path / "images.zarr/image/c").iterdir())) == 3
    hashes = {first.content_hash, other.content_hash, small.manifest.content_hash}
    assert len(hashes) == 1
    assert first.band_low == other.band_low == small.manifest.band_low
    assert first.band_sigma == other.band_sigma == small.manifest.band_sigma


@pytest.mark.parametrize("change", ["id", "column", "name", "pixel", "mask", "group", "band"])
def test_hash_sees_every_change(workspace, change):
    hashes = []
    for number in (0, 1):
        changed = change if number else None
        image = np.ones((3, 12, 12), np.float32)
        image[0, 0, 0] = 2 if changed == "pixel" else 1
        batch = Batch(
            ["b" if changed == "id" else "a", "z"],
            [image, None if changed == "mask" else np.full_like(image, 3)],
            [{"Z" if changed == "name" else "z": 2 if changed == "column" else 1}, {}],
            ["h" if changed == "group" else "g", "g"],
        )
        bands = ("u", "r", "i") if changed == "band" else ("g", "r", "i")
        with writer_for(workspace, f"s{number}", bands=bands) as writer:
            writer.append(batch)
            hashes.append(writer.commit().manifest.content_hash)
    assert hashes[0] != hashes[1]


def test_existing_name_is_refused_before_any_work(write_survey, workspace):
    survey = write_survey()
    before = survey.manifest
    with pytest.raises(AlreadyExists, match="already a survey 'mine'"):
        writer_for(workspace)
    assert Survey.open(workspace, "mine").manifest == before
    assert not list(survey.path.parent.glob("*.partial"))


def test_an_error_leaves_nothing(workspace):
    writer = writer_for(workspace)
    writer.append(batch_of("a"))
    with pytest.raises(ZeroDivisionError), writer:
        raise ZeroDivisionError
    assert nothing_left(workspace)
    with writer_for(workspace) as writer:
        writer.append(batch_of("a"))
    assert nothing_left(workspace)  # left without a commit


def test_an_error_leaves_what_else_is_there(workspace):
    other = workspace.surveys / "mine" / "runs" / "old"
    other.mkdir(parents=True)
    with pytest.raises(ZeroDivisionError), writer_for(workspace):
        raise ZeroDivisionError
    assert other.is_dir()


def test_doubled_and_unusable_ids_become_rejects(workspace):
    with writer_for(workspace) as writer:
        assert writer.append(batch_of("a", "b", "a")) == 2
        assert writer.append(batch_of("b", "", "x\ny", "c" * 513, "\udcff", "d")) == 1
        survey = writer.commit()
    assert list(survey.object_ids) == ["a", "b", "d"]
    assert survey.manifest.n_rejects == 6
    with open(survey.path / "rejects.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "source": "a",
        "member": "",
        "reason": "its object_id 'a' is taken by row 0",
    }
    assert "taken by row 1" in rows[1]["reason"]
    survey.verify()


def test_rejects_are_safe_in_a_spreadsheet(workspace):
    with writer_for(workspace) as writer:
        writer.append(batch_of("a"))
        writer.reject('=HYPERLINK("evil")', "+bad\nline, and more")
        writer.append(Batch([], [], [], rejects=[Reject("-2+3.jpg", "@x")]))
        survey = writer.commit()
    with open(survey.path / "rejects.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1] == ['\'=HYPERLINK("evil")', "", "'+bad line, and more"]
    assert rows[2] == ["'-2+3.jpg", "", "'@x"]


@pytest.mark.parametrize(
    "image",
    [
        np.ones((3, 12, 13), np.float32),
        np.ones((12, 12, 3), np.float32),
        np.ones((3, 12, 12), np.float64),
        np.ones((3, 12, 12), np.uint8),
    ],
)
def test_other_images_are_refused(workspace, image):
    with pytest.raises(BadInput, match="convert the images"), writer_for(workspace) as writer:
        writer.append(batch_of("a", images=[image]))
    assert nothing_left(workspace)


def test_other_byte_order_is_the_same_content(workspace):
    values = np.arange(432, dtype=np.float32).reshape(1, 3, 12, 12)
    hashes = set()
    for name, images in (("le", values), ("be", values.astype(">f4"))):
        with writer_for(workspace, name) as writer:
            writer.append(batch_of("a", images=images))
            survey = writer.commit()
        np.testing.assert_array_equal(survey.image(0), values[0])
        hashes.add(survey.manifest.content_hash)
    assert len(hashes) == 1


def test_picture_without_a_finite_pixel_counts_as_absent(workspace):
    images = np.full((3, 3, 12, 12), np.nan, np.float32)
    images[1] = 5
    images[2] = np.inf
    with writer_for(workspace) as writer:
        writer.append(batch_of("a", "b", "c", images=images))
        survey = writer.commit()
    assert list(survey.has_image) == [False, True, False]
    survey.verify()


def test_survey_without_any_picture_can_be_kept(workspace):
    with writer_for(workspace) as writer:
        writer.append(batch_of("a", "b", images=[None, None]))
        survey = writer.commit()
    assert not survey.has_image.any()
    assert all(np.isfinite(survey.manifest.band_high))
    assert min(survey.manifest.band_sigma) > 0
    survey.verify()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"bands": ()}, "bands"),
        ({"bands": ("g", "g")}, "bands"),
        ({"bands": ("g", "")}, "bands"),
        ({"cutout_size_px": 0}, "cutout_size_px"),
        ({"cutout_size_px": 5000}, "cutout_size_px"),
        ({"dtype": "float64"}, "dtype"),
        ({"pixel_scale_arcsec": -1.0}, "pixel_scale_arcsec"),
        ({"pixel_scale_arcsec": float("nan")}, "pixel_scale_arcsec"),
        ({"name": "../up"}, "survey name"),
        ({"name": ""}, "survey name"),
    ],
)
def test_settings_are_checked(workspace, settings, sentence):
    name = settings.pop("name", "mine")
    with pytest.raises(BadInput, match=sentence):
        writer_for(workspace, name, **settings)
    assert nothing_left(workspace)


def test_empty_survey_is_refused(workspace):
    with pytest.raises(BadInput, match="no object"), writer_for(workspace) as writer:
        writer.commit()
    assert nothing_left(workspace)


def test_late_columns_and_growing_kinds(workspace, monkeypatch):
    monkeypatch.setattr("core.survey.catalogue.ROW_GROUP", 2)
    rows = [{"n": None}, {"n": 1}, {"n": 2, "late": "x"}, {"n": 2.5}, {"never": None}]
    with writer_for(workspace) as writer:
        writer.append(batch_of(*"abcde", columns=rows))
        survey = writer.commit()
    table = survey.catalogue
    assert list(table.columns) == ["object_id", "group_id", "n", "late", "never"]
    assert list(table["n"][1:4]) == [1, 2, 2.5]
    assert list(table["late"].notna()) == [False, False, True, False, False]
    assert table["never"].isna().all()
    survey.verify()


@pytest.mark.parametrize("row_group", [1, 2, 100])
@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (["text", 1, 2.0, 0.5], ["text", "1", "2", "0.5"]),
        ([True, 1], ["True", "1"]),
        ([True, None, "x"], ["True", None, "x"]),
        ([2**53 + 1, 0.5, 3], ["9007199254740993", "0.5", "3"]),
        ([2**70, 1], [str(2**70), "1"]),
        (["\udcff", 1], ["\\udcff", "1"]),
    ],
)
def test_columns_that_mix_are_kept_as_text_and_told(
    workspace, monkeypatch, row_group, values, texts
):
    monkeypatch.setattr("core.survey.catalogue.ROW_GROUP", row_group)
    rows = [{"col": value} for value in values]
    with writer_for(workspace) as writer:
        writer.append(batch_of(*"abcd"[: len(rows)], columns=rows))
        survey = writer.commit()
    found = survey.catalogue["col"]
    assert found.astype(object).where(found.notna(), None).tolist() == texts
    assert "Column 'col' mixes kinds of values and is kept as text." in survey.manifest.notes
    survey.verify()


def test_columns_of_lists_are_refused(workspace):
    with writer_for(workspace) as writer:
        writer.append(batch_of("a", columns=[{"col": [1]}]))
        with pytest.raises(BadInput, match="Column 'col'"):
            writer.commit()
    assert nothing_left(workspace)


@pytest.mark.parametrize("name", ["object_id", "group_id", "", "a\nb", 5])
def test_column_names_are_checked(workspace, name):
    with pytest.raises(BadInput, match=r"column"), writer_for(workspace) as writer:
        writer.append(batch_of("a", columns=[{name: 1}]))


def test_batch_must_fit_together(workspace):
    with pytest.raises(BadInput, match="batch"), writer_for(workspace) as writer:
        writer.append(Batch(["a", "b"], [None], [{}, {}]))


def test_full_disk_leaves_nothing(workspace, monkeypatch):
    async def full(*_args, **_more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    writer = writer_for(workspace)
    writer.append(batch_of("a"))
    monkeypatch.setattr(LocalStore, "set", full)
    with pytest.raises(StorageFull, match="is full"), writer:
        writer.commit()
    assert nothing_left(workspace)
    with pytest.raises(StorageFull):
        writer_for(workspace)
    assert nothing_left(workspace)


def _partial_held_by(workspace, pid: int, started: float) -> Path:
    partial = workspace.surveys / "mine" / "versions" / "1.partial"
    partial.mkdir(parents=True)
    (partial / "rest.bin").write_bytes(b"x")
    (partial / "holder.json").write_text(json.dumps({"pid": pid, "pid_start_time": started}))
    return partial


def test_partial_of_a_living_process_is_respected(workspace):
    started = psutil.Process().create_time()
    partial = _partial_held_by(workspace, os.getpid(), started)
    with pytest.raises(InUse, match=f"Process {os.getpid()} is already making"):
        writer_for(workspace)
    assert (partial / "rest.bin").exists()
    assert list_surveys(workspace) == []


def test_partial_of_a_process_that_only_shares_the_number_is_cleaned(workspace):
    started = psutil.Process().create_time()
    _partial_held_by(workspace, os.getpid(), started - 1000)
    with writer_for(workspace) as writer:
        writer.append(batch_of("a"))
        survey = writer.commit()
    assert {entry.name for entry in survey.path.parent.iterdir()} == {"1"}
    assert not (survey.path / "holder.json").exists()
    assert not (survey.path / "rest.bin").exists()


def test_partial_without_holder_is_cleaned_once_it_is_old(workspace):
    partial = _partial_held_by(workspace, 1, 0.0)
    (partial / "holder.json").unlink()
    with pytest.raises(InUse):
        writer_for(workspace)
    os.utime(partial, (0, 0))
    with writer_for(workspace):
        assert not (partial / "rest.bin").exists()


def test_killed_import_is_cleaned_up_by_the_next(workspace):
    code = (
        "import numpy as np, os, signal\n"
        "from core.survey import Batch, SurveyWriter\n"
        "from core.workspace import open_workspace\n"
        f"w = SurveyWriter(open_workspace({str(workspace.root)!r}), 'mine', bands='r',"
        " cutout_size_px=8, dtype='uint8', origin='', licence='')\n"
        "w.append(Batch(['a'], np.ones((1, 1, 8, 8), np.uint8), [{}]))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert (workspace.surveys / "mine" / "versions" / "1.partial").is_dir()
    assert list_surveys(workspace) == []
    with writer_for(workspace) as writer:
        writer.append(batch_of("a"))
        writer.commit()
    assert list_surveys(workspace) == ["mine"]


def test_two_writers_at_once(workspace):
    with writer_for(workspace) as writer:
        with pytest.raises(InUse):
            writer_for(workspace)
        writer.append(batch_of("a"))
        writer.commit()
    assert list_surveys(workspace) == ["mine"]


def test_survey_finished_while_we_looked_is_kept(workspace, monkeypatch):
    """A second process that saw no survey yet and claims the name just after the commit."""
    looked: list[bool] = []
    real_exists = Path.exists

    def exists(path: Path, **more: Any) -> bool:
        if path.name == "1" and not looked:
            looked.append(True)
            return False
        return real_exists(path, **more)

    with writer_for(workspace) as writer:
        writer.append(batch_of("a"))
        writer.commit()
    monkeypatch.setattr("core.survey.writer._has_version", lambda versions: False)
    monkeypatch.setattr(Path, "exists", exists)
    with pytest.raises(AlreadyExists):
        writer_for(workspace)
    survey = Survey.open(workspace, "mine")
    survey.verify()
    assert [entry.name for entry in survey.path.parent.iterdir()] == ["1"]
