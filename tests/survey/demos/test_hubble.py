"""The Hubble demo: about a thousand objects, each in the middle of its cutout."""

import re

import numpy as np
import pytest

from core.errors import AlreadyExists, NotFound
from core.measure import find_sources
from core.survey.demos import build_demo, hubble
from core.workspace import open_workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return open_workspace(tmp_path_factory.mktemp("hubble") / "w")


@pytest.fixture(scope="module")
def survey(workspace):
    return build_demo(workspace, "hubble")


@pytest.fixture(scope="module")
def picture():
    return hubble.read_picture()


def test_a_thousand_objects_with_ids_from_their_places(survey):
    assert 900 <= len(survey) <= 1000
    assert survey.manifest.n_rejects == 0
    assert survey.manifest.bands == ("R", "G", "B")
    assert survey.manifest.dtype == "uint8"
    assert "NASA" in survey.manifest.origin
    catalogue = survey.catalogue
    assert not {"ra", "dec"} & set(catalogue)
    assert catalogue.object_id.is_unique
    for entry in catalogue.itertuples():
        place = re.fullmatch(r"HDF-x(\d{4})-y(\d{4})", entry.object_id)
        assert place is not None
        x, y = int(place[1]), int(place[2])
        assert abs(x - entry.x_px) <= 0.51
        assert abs(y - entry.y_px) <= 0.51


def test_cutouts_are_centred_on_bright_pixels(survey):
    images = survey.images(slice(0, len(survey))).astype(float).sum(axis=1)
    centre = images[:, 30:35, 30:35].mean(axis=(1, 2))
    assert np.all(centre > np.median(images, axis=(1, 2)))
    compact = (survey.catalogue.size_px < 4).to_numpy()
    # The brightest pixel of the inner cutout is the object's, not a neighbour's, mostly.
    inner = images[compact][:, 27:38, 27:38].reshape(compact.sum(), -1).argmax(axis=1)
    offset = np.hypot(inner // 11 - 5, inner % 11 - 5)
    assert np.mean(offset <= 2.9) > 0.9


def test_pixels_are_those_of_the_picture_and_padding_is_marked(survey, picture):
    catalogue = survey.catalogue
    assert 20 < catalogue.edge_padded.sum() < 300
    for row in (0, 400, len(survey) - 1):
        x, y = round(catalogue.x_px[row]), round(catalogue.y_px[row])
        image = survey.image(row)
        assert np.array_equal(image[:, 32, 32], picture[y, x])
        inside = 32 <= x <= 1000 - 32 and 32 <= y <= 872 - 32
        assert catalogue.edge_padded[row] == (not inside)
        if y < 32:
            padding = image[:, : 32 - y]
            assert np.all(padding == padding[:, :1, :1])
            assert padding.max() < 40


def test_the_most_significant_come_first_and_none_twice():
    rng = np.random.default_rng(0)
    picture = rng.normal(20, 2, (128, 128, 3))
    y, x = np.indices((128, 128))
    for x0, y0, peak in ((40, 30, 200), (90, 100, 120), (30, 100, 60)):
        picture += (peak * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 8))[..., None]
    picture = picture.clip(0, 255).astype(np.uint8)
    sources = find_sources(picture.sum(axis=2, dtype=float))
    batch = hubble.cut_out(picture, sources, 2, 64)
    assert batch.object_ids == ["HDF-x0040-y0030", "HDF-x0090-y0100"]
    assert [entry["edge_padded"] for entry in batch.columns] == [True, True]


def test_built_once_only(workspace, survey):
    with pytest.raises(AlreadyExists):
        build_demo(workspace, "hubble")


def test_a_missing_picture_names_the_package(monkeypatch, tmp_path):
    monkeypatch.setattr(hubble, "files", lambda package: tmp_path)
    with pytest.raises(NotFound, match="pip install scikit-image"):
        hubble.read_picture()
