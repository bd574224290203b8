"""What is measured in a picture, through the routes."""

from __future__ import annotations

from urllib.parse import quote

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord

from core.survey import Batch, Survey, SurveyWriter
from core.survey.batch import CatalogueValue
from core.workspace import Workspace
from labels_db import LabelsDB, TaskSpec

SIDE = 48
SCALE = 0.4
NUCLEI = ((22.0, 21.0), (28.0, 25.0))


def picture(rng: np.random.Generator) -> np.ndarray:
    """Three bands (band, y, x) with two nuclei of 3 : 1."""
    y, x = np.mgrid[:SIDE, :SIDE]
    light = np.zeros((SIDE, SIDE))
    for (px, py), flux in zip(NUCLEI, (300.0, 100.0), strict=True):
        light += flux * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 2.5)
    return (light + rng.normal(0, 1, (3, SIDE, SIDE))).astype(np.float32)


@pytest.fixture
def survey(workspace: Workspace) -> Survey:
    """An ordinary object, one with a name full of signs, one of NaN in part, one without."""
    rng = np.random.default_rng(0)
    ids = ["pair", "α/β <b>&", "holes", "nothing"]
    images: list[np.ndarray | None] = [picture(rng) for _ in ids]
    assert images[2] is not None
    images[2][:, 10:30, 10:30] = np.nan
    images[3] = None
    columns: list[dict[str, CatalogueValue]] = [{"ra": 185.7, "dec": 15.8, "z": 0.1} for _ in ids]
    with SurveyWriter(
        workspace,
        "sky",
        bands=("g", "r", "i"),
        cutout_size_px=SIDE,
        dtype="float32",
        origin="made for a test",
        licence="none",
        pixel_scale_arcsec=SCALE,
    ) as writer:
        writer.append(Batch(ids, images, columns))
        made = writer.commit()
    with LabelsDB(workspace.labels) as db:
        db.create_task(TaskSpec("nuclei", "sky", "Two nuclei?", ("dual", "no"), "dual"))
    return made


def ask(browser, path, object_id="pair", task="nuclei", **more):
    query = "".join(f"&{name}={quote(str(value), safe=',;')}" for name, value in more.items())
    return browser.get(f"/api/{path}?task={task}&object_id={quote(object_id, safe='')}{query}")


def test_two_clicks_are_measured(browser, survey):
    answer = ask(browser, "measure", points="22.4,20.5;27.6,25.4")
    assert answer.status == 200
    assert answer.headers["x-object-id"] == "pair"
    assert answer.headers["cache-control"] == "no-store"
    said = answer.json()
    for point, (x, y) in zip(said["points"], NUCLEI, strict=True):
        assert point["snapped"] is True
        assert np.hypot(point["x_px"] - x, point["y_px"] - y) < 0.1
        assert point["significance"] > 20
    pair = said["pair"]
    assert pair["flux_ratio"] == pytest.approx(3, rel=0.05)
    assert pair["delta_mag"] == pytest.approx(1.19, abs=0.06)
    assert pair["separation_px"] == pytest.approx(np.hypot(6, 4), abs=0.1)
    assert pair["separation_arcsec"] == pytest.approx(SCALE * pair["separation_px"], rel=1e-6)
    assert pair["separation_kpc"] == pytest.approx(pair["separation_arcsec"] * 1.904, rel=0.01)
    first, second = (SkyCoord(p["ra_deg"], p["dec_deg"], unit="deg") for p in said["points"])
    expected = first.position_angle(second).to_value(units.deg)
    assert pair["position_angle_deg"] == pytest.approx(expected)
    assert said["notes"] == ["The position angle assumes north up and east left."]


def test_a_point_may_stay_where_it_was_put(browser, survey):
    for points, more in (("22.4,20.5", {"snap": 0}), ("22.4,20.5,0", {})):
        said = ask(browser, "measure", points=points, **more).json()
        assert said["pair"] is None
        (point,) = said["points"]
        assert (point["x_px"], point["y_px"], point["snapped"]) == (22.4, 20.5, False)
        assert point["flux"] > 0
        assert said["notes"] == []


def test_one_band_and_a_radius(browser, survey):
    summed = ask(browser, "measure", points="22,21").json()["points"][0]
    band = ask(browser, "measure", points="22,21", band="r").json()["points"][0]
    assert band["flux"] == pytest.approx(300 * np.pi * 2.5, rel=0.1)
    assert summed["flux"] > 2 * band["flux"]
    far = ask(browser, "measure", points="16,15").json()
    assert far["points"][0]["snapped"] is False
    assert "the mark stays" in far["notes"][0]
    assert ask(browser, "measure", points="16,15", radius=10).json()["points"][0]["snapped"]


def test_a_click_where_nothing_is_says_which(browser, survey):
    said = ask(browser, "measure", points="22,21;4,40").json()
    assert [point["snapped"] for point in said["points"]] == [True, False]
    assert any(note.startswith("Point 2: No peak") for note in said["notes"])
    holes = ask(browser, "measure", object_id="holes", points="20,20").json()
    assert "no pixel values" in holes["notes"][0]
    assert holes["points"][0]["x_px"] == 20


def test_suggested_nuclei(browser, survey):
    said = ask(browser, "nuclei", object_id="α/β <b>&").json()
    assert said["object_id"] == "α/β <b>&"
    assert len(said["points"]) == 2
    for point, (x, y) in zip(said["points"], NUCLEI, strict=True):
        assert np.hypot(point["x_px"] - x, point["y_px"] - y) < 0.1
    assert said["pair"]["flux_ratio"] == pytest.approx(3, rel=0.05)
    one = ask(browser, "nuclei", n=1).json()
    assert len(one["points"]) == 1
    assert one["pair"] is None


def test_small_8_bit_pictures_are_measured_with_a_caution(browser):
    """The survey of the other tests: 8 px of noise, no scale, no sky."""
    said = ask(browser, "measure", task="dual", object_id="g1", points="2,2;5,5").json()
    assert said["points"][0]["ra_deg"] is None
    assert said["pair"]["separation_arcsec"] is None
    assert said["pair"]["separation_px"] > 0
    assert any("flux ratio" in note for note in said["notes"])
    assert ask(browser, "nuclei", task="dual", object_id="g1").status == 200


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ({}, 400, "'points' is missing"),
        ({"points": "1"}, 422, "Points are written x,y;x,y"),
        ({"points": "1,2;"}, 422, "Points are written x,y;x,y"),
        ({"points": "1,2,3,4"}, 422, "Points are written x,y;x,y"),
        ({"points": "nan,2"}, 422, "Points are written x,y;x,y"),
        ({"points": "1e400,2"}, 422, "Points are written x,y;x,y"),
        ({"points": "<b>,2"}, 422, "Points are written x,y;x,y"),
        ({"points": "48,2"}, 422, "A point lies in the picture, 0 to 47 by 0 to 47"),
        ({"points": "2,-1"}, 422, "A point lies in the picture"),
        ({"points": ";".join(["1,2"] * 51)}, 422, "At most 50 points"),
        ({"points": "1,2", "band": "Y"}, 422, "must be one of g, r, i"),
        ({"points": "1,2", "radius": "far"}, 422, "radius"),
        ({"points": "1,2", "radius": "1000"}, 422, "radius"),
        ({"points": "1,2", "object_id": "nobody"}, 404, "no object"),
        ({"points": "1,2", "object_id": "nothing"}, 404, "no picture"),
        ({"points": "1,2", "task": "other"}, 404, "other"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(browser, survey, more, status, words):
    answer = ask(browser, "measure", **more)
    assert answer.status == status
    assert words in answer.json()["error"]


def test_fifty_points_are_taken_and_viewers_may_measure(viewer, survey):
    points = ";".join(f"{5 + k % 7 * 5},{5 + k // 7 * 4}" for k in range(50))
    answer = ask(viewer, "measure", points=points)
    assert answer.status == 200
    assert len(answer.json()["points"]) == 50


def test_nobody_measures_without_being_signed_in(browser, survey):
    browser.cookies.clear()
    assert ask(browser, "measure", points="22,21").status == 401
    assert ask(browser, "nuclei").status == 401
