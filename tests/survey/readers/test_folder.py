from __future__ import annotations

import csv
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import AlreadyExists, BadInput, Cancelled
from core.survey import import_folder, list_surveys
from core.workspace import open_workspace


@pytest.fixture
def workspace(tmp_path):
    return open_workspace(tmp_path / "ws")


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


def save(path: Path, width: int = 16, height: int = 16, seed: int = 0, **more) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **more)
    return pixels


def rejects(survey) -> dict[str, str]:
    with open(survey.path / "rejects.csv", newline="", encoding="utf-8") as file:
        return {row["source"]: row["reason"] for row in csv.DictReader(file)}


def nothing_left(workspace) -> bool:
    return not workspace.surveys.exists() or not any(workspace.surveys.iterdir())


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def test_pictures_become_a_survey(workspace, pictures):
    first = save(pictures / "b.png")
    save(pictures / "sub" / "c.JPG", seed=1)
    save(pictures / "a.jpeg", seed=2)
    (pictures / "notes.txt").write_text("hello")
    (pictures / "x.fits").write_bytes(b"SIMPLE")
    told: list[str] = []
    survey = import_folder(
        workspace, pictures, "mine", progress=lambda fraction, sentence: told.append(sentence)
    )
    assert list(survey.object_ids) == ["a", "b", "c"]
    assert list(survey.catalogue["file_name"]) == ["a.jpeg", "b.png", "sub/c.JPG"]
    assert list(survey.catalogue["width_px"]) == [16] * 3
    assert not survey.catalogue["resampled"].any()
    assert survey.manifest.bands == ("R", "G", "B")
    assert survey.manifest.dtype == "uint8"
    np.testing.assert_array_equal(survey.image(1), np.moveaxis(first, -1, 0))
    assert "left out: 1 (.txt 1)" in told[-1]
    assert "left out: 1 (.txt 1)" in survey.manifest.notes[0]
    assert rejects(survey) == {
        "x.fits": "is not a JPEG, PNG, TIFF or FITS image, whatever its name says"
    }
    survey.verify()


def test_nothing_is_swallowed(workspace, pictures, tmp_path):
    """Every way in which a picture can be bad, in one folder: the import goes on."""
    save(pictures / "good.png")
    save(pictures / "good2.jpg")
    whole = (pictures / "good2.jpg").read_bytes()
    (pictures / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (pictures / "zero.png").write_bytes(b"")
    save(pictures / "tiny.png", 1, 1)
    save(pictures / "thin.png", 100, 7)
    (pictures / "bomb.png").write_bytes(png_header(60_000, 60_000))
    (pictures / "large.png").write_bytes(png_header(8_001, 8_000))
    (pictures / "hollow.png").write_bytes(png_header(64, 64))
    (pictures / "text.jpg").write_text("not a picture")
    save(pictures / "gif.gif")
    (pictures / "gif.gif").rename(pictures / "gif.png")
    os.mkfifo(pictures / "pipe.png")
    (pictures / "loop.png").symlink_to(pictures / "loop.png")
    (pictures / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (pictures / "folder.png").mkdir()
    save(pictures / "sub" / "good.jpg")
    (pictures / "sub" / "back").symlink_to(pictures)

    survey = import_folder(workspace, pictures, "mine")

    assert list(survey.object_ids) == ["good", "good2"]
    reasons = rejects(survey)
    expected = {
        "cut.jpg": "cannot be decoded",
        "zero.png": "zero bytes",
        "tiny.png": "too small (1 x 1",
        "thin.png": "too small (100 x 7",
        "bomb.png": "is too large (more than 64 million pixels)",
        "large.png": "too large (8001 x 8000",
        "hollow.png": "cannot be",
        "text.jpg": "not a JPEG, PNG, TIFF or FITS",
        "gif.png": "not a JPEG, PNG, TIFF or FITS",
        "pipe.png": "not a plain file",
        "loop.png": "symbolic links",
        "gone.png": "not there",
        "sub/good.jpg": "object_id 'good' is taken by row 0",
    }
    assert reasons.keys() == expected.keys()
    for source, reason in expected.items():
        assert reason in reasons[source], source
    assert survey.manifest.n_rejects == len(expected)
    assert "Linked folders that were not entered: 1." in survey.manifest.notes


def test_second_of_a_name_comes_in_when_the_first_is_broken(workspace, pictures):
    (pictures / "a.jpg").write_bytes(b"broken")
    save(pictures / "a.png")
    survey = import_folder(workspace, pictures, "mine")
    assert list(survey.catalogue["file_name"]) == ["a.png"]
    assert "a.jpg" in rejects(survey)


def test_closed_files_and_folders(workspace, pictures, monkeypatch):
    save(pictures / "open.png")
    save(pictures / "shut.png")
    save(pictures / "cellar" / "deep.png")
    real_open, real_scandir = os.open, os.scandir

    # Permissions do not stop root, whom a container often runs tests as.
    def open_(path, *args, **more):
        if str(path).endswith("shut.png"):
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, *args, **more)

    def scandir(path):
        if not isinstance(path, int) and Path(path).name == "cellar":
            raise PermissionError(13, "Permission denied", str(path))
        return real_scandir(path)

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "scandir", scandir)
    survey = import_folder(workspace, pictures, "mine")
    assert list(survey.object_ids) == ["open"]
    reasons = rejects(survey)
    assert "permission denied" in reasons["shut.png"]
    assert "may not be listed" in reasons["cellar"]


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "no image", "all broken"])
def test_folders_that_are_no_survey(workspace, pictures, kind):
    folder = pictures
    if kind == "missing":
        folder = pictures / "nowhere"
    if kind == "file":
        folder = pictures / "a.csv"
        folder.write_text("id,name")
    if kind == "no image":
        (pictures / "a.txt").write_text("x")
    if kind == "all broken":
        for number in range(3):
            (pictures / f"{number}.png").write_bytes(b"x" * number)
    words = {
        "missing": "no file or folder",
        "file": "is a file of another kind",
        "empty": "holds nothing",
        "no image": "holds 1 other file",
        "all broken": "None of the 3 .* 0.png is empty",
    }
    for size_px in (None, 16):
        with pytest.raises(BadInput, match=words[kind]) as error:
            import_folder(workspace, folder, "mine", size_px=size_px)
        assert str(error.value).count(". ") == 0  # one sentence
        assert nothing_left(workspace)


def test_size_is_the_most_frequent_one(workspace, pictures):
    save(pictures / "a.png", 20, 30)
    save(pictures / "b.png", 30, 20)
    pixels = save(pictures / "c.png", 24, 41)
    survey = import_folder(workspace, pictures, "mine")
    assert survey.manifest.cutout_size_px == 20
    assert list(survey.catalogue["resampled"]) == [False, False, True]
    assert list(survey.catalogue["height_px"]) == [30, 20, 41]
    square = Image.fromarray(pixels[8:32]).resize((20, 20), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(survey.image(2), np.moveaxis(np.asarray(square), -1, 0))


def test_size_is_capped_and_can_be_wished(workspace, pictures):
    save(pictures / "a.png", 300, 300)
    assert import_folder(workspace, pictures, "one").manifest.cutout_size_px == 256
    survey = import_folder(workspace, pictures, "two", size_px=300)
    assert survey.image(0).shape == (3, 300, 300)
    assert not survey.catalogue["resampled"].any()
    for size_px in (0, 7, 2049):
        with pytest.raises(BadInput, match="cutout size"):
            import_folder(workspace, pictures, "three", size_px=size_px)


def test_taken_and_bad_names(workspace, pictures):
    save(pictures / "a.png")
    import_folder(workspace, pictures, "mine")
    with pytest.raises(AlreadyExists):
        import_folder(workspace, pictures, "mine")
    with pytest.raises(BadInput, match="survey name"):
        import_folder(workspace, pictures, "../mine")


def test_a_cancelled_import_goes_on(workspace, pictures):
    for number in range(3):
        save(pictures / f"{number}.png", seed=number)

    def stop(fraction, _sentence):
        if fraction > 0:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        import_folder(workspace, pictures, "mine", progress=stop)
    assert list_surveys(workspace) == []
    survey = import_folder(workspace, pictures, "mine")
    assert survey.manifest.content_hash == (
        import_folder(workspace, pictures, "other").manifest.content_hash
    )


def test_strange_file_names(workspace, pictures):
    names = ["=1+1.png", "a,b.png", "ü ✓.png", "x" * 200 + ".png", ".png.png"]
    for name in names:
        save(pictures / name)
    with open(os.fsencode(pictures) + b"/\xff.png", "wb") as file:
        file.write((pictures / "a,b.png").read_bytes())
    survey = import_folder(workspace, pictures, "mine")
    assert set(survey.object_ids) == {name[:-4] for name in names}
    assert survey.manifest.n_rejects == 1
    survey.verify()
