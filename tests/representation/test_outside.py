"""Pictures from outside of a survey, seen by the encoder of one of its embeddings."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from core.errors import BadInput, NotFound
from core.representation import embed
from core.representation.outside import encode_pictures, sees_pictures
from core.survey import Batch, Survey, SurveyWriter
from core.survey import outside_picture as outside_picture_module
from core.survey.outside_picture import (
    outside_picture,
    part_of_picture,
    twins_among,
)
from core.workspace import open_workspace

SIDE = 32


def made(folder, dtype="uint8", bands=("R", "G", "B"), count=24, scale=None) -> Survey:
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    images = np.empty((count, len(bands), SIDE, SIDE), np.float32)
    for one in images:
        far = np.hypot(x + rng.uniform(-3, 3), rng.uniform(1, 2) * y)
        light = 150 * np.exp(-far / rng.uniform(2, 7))
        one[:] = light * rng.uniform(0.4, 1, (len(bands), 1, 1)) + rng.normal(20, 4, one.shape)
    images = images.clip(0, 255).astype(dtype)
    with SurveyWriter(
        open_workspace(folder),
        "blobs",
        bands=bands,
        cutout_size_px=SIDE,
        dtype=dtype,
        origin="made for a test",
        licence="none",
        pixel_scale_arcsec=scale,
    ) as writer:
        ids = [f"b{number:02d}" for number in range(count)]
        writer.append(Batch(object_ids=ids, columns=[{} for _ in ids], images=images))
        return writer.commit()


@pytest.fixture(scope="module")
def survey(tmp_path_factory) -> Survey:
    return made(tmp_path_factory.mktemp("colour"))


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Survey:
    return made(tmp_path_factory.mktemp("measured"), "float32", ("g", "r"), 6, 0.5)


def file_of(pixels, kind="PNG", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.moveaxis(pixels, 0, -1)).save(file, kind, **options)
    return file.getvalue()


def fits_of(*planes, **cards) -> bytes:
    hdus = [fits.PrimaryHDU()]
    for name, plane in planes:
        hdu = fits.ImageHDU(plane.astype(np.float32))
        hdu.header["FILTER"] = name
        hdu.header.update(cards)
        hdus.append(hdu)
    file = io.BytesIO()
    fits.HDUList(hdus).writeto(file)
    return file.getvalue()


@pytest.mark.parametrize("encoder", ["pca", "fusion"])
def test_a_rows_own_pixels_give_the_rows_own_numbers(survey, encoder):
    options = {"parts": "structure:1,peaks:1"} if encoder == "fusion" else None
    embedding = embed(survey, encoder, options=options)
    rows = np.array([3, 0, 17])
    own = encode_pictures(survey, embedding.run_id, list(survey.images(rows)))
    assert own.dtype == np.float32
    spread = embedding.rows().std(axis=0)
    assert (np.abs(own - embedding.rows(rows)) <= 2e-3 * (np.abs(own) + spread)).all()
    assert not np.allclose(own[0], own[1], atol=0.1)
    assert sees_pictures(survey, embedding.run_id)
    assert encode_pictures(survey, embedding.run_id, []).shape == (0, own.shape[1])


def test_what_no_encoder_can_be_shown_is_told(survey):
    embedding = embed(survey, "pca", options={"components": 3})
    with pytest.raises(BadInput, match=r"\(3, 32, 32\), but came with \(3, 16, 16\)"):
        encode_pictures(survey, embedding.run_id, [np.zeros((3, 16, 16), np.uint8)])
    with pytest.raises(NotFound, match="no finished embedding"):
        encode_pictures(survey, "embed-none", [survey.image(0)])


def test_an_embedding_of_something_else_has_no_place_for_a_picture(survey, tmp_path):
    lines = [f"{name},{row % 5},{row}" for row, name in enumerate(survey.object_ids)]
    (tmp_path / "own.csv").write_text("\n".join(["object_id,a,b", *lines]))
    embedding = embed(survey, "external", options={"path": str(tmp_path / "own.csv")})
    assert not sees_pictures(survey, embedding.run_id)
    with pytest.raises(BadInput, match="not made of pictures alone"):
        encode_pictures(survey, embedding.run_id, [survey.image(0)])


def test_a_file_becomes_what_an_import_would_make_of_it(survey, measured):
    pixels = survey.image(5)
    assert (outside_picture(survey, file_of(pixels)) == pixels).all()
    large = np.repeat(np.repeat(pixels, 3, 1), 3, 2)
    small = outside_picture(survey, file_of(large))
    assert small.shape == pixels.shape
    assert np.abs(small.astype(float) - pixels).mean() < 6
    g, r = measured.image(2)
    # By the names of their filters, whatever their order.
    found = outside_picture(measured, fits_of(("r", r), ("g", g)))
    np.testing.assert_array_equal(found, measured.image(2))
    assert found.dtype == np.float32


NO_PICTURES = {
    "text": ("survey", b"hello", "not a JPEG, PNG, TIFF or FITS"),
    "cut short": ("survey", file_of(np.zeros((3, 40, 40), np.uint8))[:-30], "dog.png"),
    "too large": ("survey", b"x" * 2001, "at most 0 MB"),
    "FITS for colours": ("survey", fits_of(("g", np.ones((40, 40)))), "made of colour pictures"),
    "colours for FITS": (
        "measured",
        file_of(np.zeros((3, 40, 40), np.uint8)),
        "measured pixels of the bands g, r",
    ),
    "one band": ("measured", fits_of(("g", np.ones((8, 40)))), "should have the bands g, r"),
    "other bands": (
        "measured",
        fits_of(("g", np.ones((40, 9))), ("z", np.ones((40, 9)))),
        r"has 2 \(g, z\)",
    ),
    "empty": ("measured", fits_of(*((b, np.full((9, 9), np.nan)) for b in "gr")), "with a value"),
}


@pytest.mark.parametrize("case", NO_PICTURES)
def test_a_file_that_is_no_such_picture_is_told(request, monkeypatch, case):
    which, content, words = NO_PICTURES[case]
    if case == "too large":
        monkeypatch.setattr(outside_picture_module, "LARGEST_BYTES", 2000)
    with pytest.raises(BadInput, match=words):
        outside_picture(request.getfixturevalue(which), content, "dog.png")


def test_a_part_is_enlarged_and_a_box_of_nothing_refused(survey, measured):
    pixels = survey.image(1)
    whole = part_of_picture(pixels, (0, 0, SIDE, SIDE))
    assert (whole == pixels).all()
    flat = np.zeros((1, SIDE, SIDE), np.float32)
    flat[:, 8:16, 4:12] = 5
    # The square about the box's middle with its longer side; brightness stays, flux does not.
    np.testing.assert_allclose(part_of_picture(flat, (4, 10, 12, 14)), 5, rtol=1e-6)
    corner = part_of_picture(flat, (28, 28, 60, 60))
    assert corner.shape == flat.shape
    with pytest.raises(BadInput, match="leaves 2 x 20"):
        part_of_picture(pixels, (5, 0, 7, 20))
    with pytest.raises(BadInput, match="larger box"):
        part_of_picture(pixels, (40, 40, 60, 60))
    with pytest.raises(BadInput, match="no pixel with a value"):
        part_of_picture(np.full((2, SIDE, SIDE), np.nan, np.float32), (0, 0, 9, 9))


def test_the_same_pixels_are_known_after_a_compression_and_no_others(survey):
    others = survey.images(slice(0, len(survey)))
    for row in (0, 9, 23):
        given = outside_picture(survey, file_of(survey.image(row), "JPEG", quality=75))
        assert twins_among(given, others).tolist() == [row]
        assert twins_among(given, np.delete(others, row, axis=0)).tolist() == []
    doubled = np.concatenate([others, others[9:10]])
    assert sorted(twins_among(survey.image(9), doubled)) == [9, len(survey)]
    assert len(twins_among(survey.image(9), others[:0])) == 0
