"""What is measured in a picture, through the routes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord

from core.measure.nuclei import bytes_to_measure, bytes_to_suggest
from core.survey import Batch, Survey, SurveyWriter
from core.survey.batch import CatalogueValue
from core.workspace import Workspace
from labels_db import LabelsDB, TaskSpec
from pages._server.measuring import bytes_to_sum
from pages._server.pictures import DrawingGate

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
    assert pair["position_angle_direction"] == "bright to faint"
    back = ask(browser, "measure", points="27.6,25.4;22.4,20.5").json()["pair"]
    assert back["position_angle_deg"] == pytest.approx(expected, abs=0.1)
    assert said["notes"] == ["The position angle assumes north up and east left."]


def test_a_point_may_stay_where_it_was_put(browser, survey):
    for points, more in (("22.4,20.5", {"snap": 0}), ("22.4,20.5,0", {})):
        said = ask(browser, "measure", points=points, **more).json()
        assert said["pair"] is None
        (point,) = said["points"]
        assert (point["x_px"], point["y_px"], point["snapped"]) == (22.4, 20.5, False)
        assert point["flux_sigma"] > 0
        assert "flux" not in point  # it would be taken for the survey's units
        assert said["notes"] == []


def test_one_band_and_a_radius(browser, survey):
    summed = ask(browser, "measure", points="22,21").json()["points"][0]
    band = ask(browser, "measure", points="22,21", band="r").json()["points"][0]
    assert band["flux"] == pytest.approx(300 * np.pi * 2.5, rel=0.1)
    assert "flux_sigma" not in band
    sigma = survey.manifest.band_sigma
    assert summed["flux_sigma"] == pytest.approx(sum(band["flux"] / s for s in sigma), rel=0.1)
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
        ({"points": "1,2", "radius": "32.1"}, 422, "0.5 to 32 px"),
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


def test_a_photometric_redshift_is_told_of(browser, survey, workspace):
    rng = np.random.default_rng(0)
    with SurveyWriter(
        workspace,
        "estimated",
        bands=("g", "r", "z"),
        cutout_size_px=SIDE,
        dtype="float32",
        origin="made for a test",
        licence="none",
        pixel_scale_arcsec=SCALE,
    ) as writer:
        row: CatalogueValue = {"ra": 1.0, "dec": 2.0, "z": 19.2, "photo_z": 0.1}  # type: ignore
        writer.append(Batch(["pair"], [picture(rng)], [row]))  # type: ignore[list-item]
        writer.commit()
    with LabelsDB(workspace.labels) as db:
        db.create_task(TaskSpec("guess", "estimated", "Two nuclei?", ("dual", "no"), "dual"))
    said = ask(browser, "measure", task="guess", points="22,21;28,25").json()
    assert said["pair"]["separation_kpc"] == pytest.approx(2.88 * 1.904, rel=0.05)
    assert "The kiloparsecs are of the photometric redshift photo_z." in said["notes"]


LARGE = 2000


@pytest.fixture
def large(workspace: Workspace) -> Survey:
    """One object of five bands in 2,000 px, with two wide nuclei."""
    images = np.random.default_rng(0).normal(0, 1, (1, 5, LARGE, LARGE)).astype(np.float32)
    y, x = np.mgrid[:LARGE, :LARGE].astype(np.float32)
    for px, py in ((960, 1000), (1050, 1010)):
        images += 60 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 12**2))
    with SurveyWriter(
        workspace,
        "large",
        bands=("u", "g", "r", "i", "z"),
        cutout_size_px=LARGE,
        dtype="float32",
        origin="made for a test",
        licence="none",
    ) as writer:
        writer.append(Batch(["huge"], images, [{}]))
        made = writer.commit()
    with LabelsDB(workspace.labels) as db:
        db.create_task(TaskSpec("large", "large", "Two nuclei?", ("dual", "no"), "dual"))
    return made


class Watched(DrawingGate):
    """Notes what room was asked for, and what the block inside it took."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[int, int]] = []

    @contextmanager
    def room_for(self, n_bytes: int) -> Iterator[None]:
        with super().room_for(n_bytes):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            yield
            self.taken.append((n_bytes, tracemalloc.get_traced_memory()[1] - before))


def test_a_large_object_takes_no_more_room_than_it_asks_for(browser, services, large, monkeypatch):
    gate = services.pictures.gate = Watched()
    radius = 27
    tracemalloc.start()
    try:
        near = ask(browser, "measure", "huge", "large", points="963,1004;1046,1008", radius=radius)
        found = ask(browser, "nuclei", "huge", "large")
    finally:
        tracemalloc.stop()
    for answer in (near, found):
        points = sorted(answer.json()["points"], key=lambda point: point["x_px"])
        for point, place in zip(points, ((960, 1000), (1050, 1010)), strict=True):
            assert np.hypot(point["x_px"] - place[0], point["y_px"] - place[1]) < 0.5
    asked = [room for room, _took in gate.taken]
    assert asked == [
        bytes_to_sum(large),
        bytes_to_measure(2, radius, LARGE),
        bytes_to_suggest(LARGE),
    ]
    for room, took in gate.taken:
        assert 0 < took <= room
    assert max(asked) < 460e6

    # The sum is kept: another click reads no pixels.
    monkeypatch.setattr(Survey, "image", None)
    assert ask(browser, "measure", "huge", "large", points="963,1004").status == 200


def test_measuring_waits_for_room_among_the_pictures(browser, services, survey):
    services.pictures.gate = DrawingGate(max_running=1, max_waiting=0)
    with services.pictures.gate.room_for(1):
        for path in ("measure", "nuclei"):
            refused = ask(browser, path, points="22,21")
            assert refused.status == 503
            assert "ask for this one again" in refused.json()["error"]
    assert ask(browser, "measure", points="22,21").status == 200


def test_nobody_measures_without_being_signed_in(browser, survey):
    browser.cookies.clear()
    assert ask(browser, "measure", points="22,21").status == 401
    assert ask(browser, "nuclei").status == 401
