"""The picture routes: looks, native pixels, levels, raw pixels, colour maps, caching, refusals."""

from __future__ import annotations

import io
from urllib.parse import quote, unquote, urlencode

import numpy as np
import pytest
from PIL import Image

from core.display import COLOUR_MAPS, Look, colour_map, painted, render_look, render_png
from core.survey import Batch, Survey, SurveyWriter
from core.workspace import Workspace
from pages._server.pictures import DrawingGate
from tests.pages.asgi import Answer, Browser

ODD = "α/β <b>&"
IDS = ["galaxy", "noise", "NaN", "none", ODD]
SIDE = 40
BANDS = ("g", "r&d", "i")


@pytest.fixture
def survey(workspace: Workspace) -> Survey:
    """A float32 survey of three bands: a double galaxy, noise, NaN, one without a picture."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    images = rng.normal(0, 1, (len(IDS), 3, SIDE, SIDE)).astype(np.float32)
    for at_x, at_y, flux in ((19.3, 20.4, 200), (25, 23, 40)):
        images[0] += flux * np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / 6)
    images[2] = np.nan
    images[2, 0, 0, 0] = 5  # all NaN would be an object without a picture
    images[4] *= 2
    with SurveyWriter(
        workspace,
        "deep",
        bands=BANDS,
        cutout_size_px=SIDE,
        dtype="float32",
        origin="made for a test",
        licence="none",
    ) as writer:
        there = [
            None if name == "none" else image for name, image in zip(IDS, images, strict=True)
        ]
        writer.append(Batch(object_ids=IDS, images=there, columns=[{}] * len(IDS)))
        return writer.commit()


def ask(browser: Browser, path: str, object_id: str = "galaxy", **settings: object) -> Answer:
    query = urlencode({"survey": "deep", "object_id": object_id, **settings})
    return browser.get(f"/api/{path}?{query}")


def pixels_of(answer: Answer) -> np.ndarray:
    with Image.open(io.BytesIO(answer.body), formats=["PNG"]) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize(
    "settings",
    [
        {"colour": "lupton", "q": 3},
        {"colour": "channels", "limits": "zscale", "red": "r&d"},
        {"colour": "band", "band": "r&d", "stretch": "log", "map": "viridis", "invert": 1},
        {"residual": "symmetric", "contrast": 2.5, "bias": 0.25},
        {"residual": "sersic"},
        {"smooth": 2},
    ],
)
def test_a_look_is_drawn(browser, survey, settings):
    answer = ask(browser, "image", size=100, **settings)
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    look = Look.from_query(settings, BANDS)
    image = survey.image(survey.row("galaxy"))
    np.testing.assert_allclose(
        pixels_of(answer).astype(int),
        pixels_of(Answer(200, {}, render_look(image, survey.manifest, look, 128)[0])),
        atol=1,  # a fit is kept as float32
    )
    default = ask(browser, "image", size=100)
    assert answer.headers["etag"] != default.headers["etag"]
    assert answer.body != default.body


def test_the_default_look_is_the_survey_as_it_was(browser, survey):
    image = survey.image(survey.row(ODD))
    answer = ask(browser, "image", ODD, size=256)
    assert answer.body == render_png(image, survey.manifest, 256)
    assert answer.headers["x-object-id"] == quote(ODD, safe="")


def test_size_0_is_every_pixel_as_it_is(browser, survey):
    assert pixels_of(ask(browser, "image", size=0)).shape == (SIDE, SIDE, 3)
    band = pixels_of(ask(browser, "image", size=0, colour="band"))
    assert band.shape == (SIDE, SIDE, 3)


def test_equal_pictures_have_one_etag_and_are_not_sent_twice(browser, survey):
    one = ask(browser, "image", colour="band", stretch="asinh", q=3)
    other = ask(browser, "image", colour="band", percent=90)
    assert one.headers["etag"] == other.headers["etag"]
    query = urlencode({"survey": "deep", "object_id": "galaxy", "colour": "band"})
    for path in ("image", "levels", "pixels"):
        first = browser.get(f"/api/{path}?{query}")
        again = browser.get(f"/api/{path}?{query}", **{"if-none-match": first.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["x-object-id"] == "galaxy"
    tags = {
        ask(browser, path, object_id, **more).headers["etag"]
        for path in ("image", "levels", "pixels")
        for object_id in ("galaxy", "noise")
        for more in ({}, {"size": 0, "colour": "lupton", "x0": 3})
    }
    assert len(tags) == 12


def test_what_is_of_a_content_hash_never_changes(browser, survey):
    content = survey.manifest.content_hash[:16]
    for path in ("image", "levels", "pixels"):
        kept = ask(browser, path, hash=content).headers["cache-control"]
        assert "immutable" in kept
        assert "private" in kept
        assert ask(browser, path, hash="0" * 16).status == 404


def test_levels_painted_by_the_browser_are_the_picture(browser, survey):
    for settings in (
        {"colour": "band", "stretch": "log", "limits": "minmax", "map": "heat", "contrast": 1.7},
        {"colour": "lupton", "bias": 0.3},
        {"residual": "unsharp", "invert": 1},
        {"contrast": 1.1},
    ):
        answer = ask(browser, "levels", **settings)
        assert answer.headers["content-type"] == "application/octet-stream"
        shape = tuple(map(int, answer.headers["x-shape"].split(",")))
        look = Look.from_query(settings, BANDS)
        assert shape == (1 if look.single else 3, SIDE, SIDE)
        levels = np.frombuffer(answer.body, "<u2").reshape(shape) / 65535
        picture = pixels_of(ask(browser, "image", size=0, **settings)).astype(int)
        np.testing.assert_allclose(painted(levels, look).astype(int), picture, atol=4)


def test_contrast_and_colour_map_are_the_browsers_and_not_drawn_anew(browser, survey, services):
    first = ask(browser, "levels", colour="band")
    used = services.pictures.cache.used_bytes
    other = ask(browser, "levels", colour="band", contrast=3, bias=0.1, map="a", invert=1)
    assert other.headers["etag"] == first.headers["etag"]
    assert services.pictures.cache.used_bytes == used


def test_pixels_are_the_values_of_the_survey(browser, survey):
    image = survey.image(survey.row("galaxy"))
    answer = ask(browser, "pixels")
    assert answer.headers["x-shape"] == f"3,{SIDE},{SIDE}"
    assert answer.headers["x-window"] == f"0,0,{SIDE},{SIDE}"
    np.testing.assert_array_equal(np.frombuffer(answer.body, "<f4").reshape(image.shape), image)
    part = ask(browser, "pixels", x0=3, y0=10, x1=5, y1=17)
    assert (part.headers["x-shape"], part.headers["x-window"]) == ("3,7,2", "3,10,5,17")
    np.testing.assert_array_equal(
        np.frombuffer(part.body, "<f4").reshape(3, 7, 2), image[:, 10:17, 3:5]
    )
    empty = np.frombuffer(ask(browser, "pixels", "NaN").body, "<f4")
    assert empty[0] == 5
    assert np.isnan(empty[1:]).all()


def test_pixels_of_eight_bits_are_floats_too(browser, services):
    tiny = services.survey("tiny")
    answer = browser.get("/api/pixels?survey=tiny&object_id=g0")
    values = np.frombuffer(answer.body, "<f4").reshape(3, 8, 8)
    np.testing.assert_array_equal(values, tiny.image(0))


def test_too_many_pixels_are_refused(browser, survey, monkeypatch):
    monkeypatch.setattr("pages._server.pictures.MAX_PIXEL_VALUES", 3 * SIDE)
    answer = ask(browser, "pixels")
    assert answer.status == 422
    assert "4,800" in answer.json()["error"]
    assert ask(browser, "pixels", y1=1).status == 200


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_colour_maps(browser, name):
    answer = browser.get(f"/api/colourmap?map={name}")
    assert answer.json() == {"map": name, "rgb": colour_map(name).tolist()}


def test_a_picture_that_is_not_what_was_asked_for_says_so(browser, survey):
    for path in ("image", "levels"):
        note = unquote(ask(browser, path, "noise", residual="sersic").headers["x-note"])
        assert "No Sersic profile could be fitted" in note
        again = ask(browser, path, "noise", residual="sersic")  # from the cache
        assert unquote(again.headers["x-note"]) == note
    assert "x-note" not in ask(browser, "image", residual="sersic").headers


@pytest.mark.parametrize(
    "look",
    [{}, {"colour": "lupton"}, {"colour": "band", "limits": "zscale"}, {"residual": "sersic"}],
)
def test_a_picture_of_nothing_is_a_picture(browser, survey, look):
    assert ask(browser, "image", "NaN", **look).status == 200
    assert ask(browser, "levels", "NaN", **look).status == 200


@pytest.mark.parametrize(
    ("path", "settings", "status"),
    [
        ("image", {"stretch": "gamma"}, 422),
        ("image", {"band": "u", "colour": "band"}, 422),
        ("levels", {"limits": "fixed", "low": 3}, 422),
        ("levels", {"q": "nan"}, 422),
        ("image", {"size": "x"}, 400),
        ("pixels", {"x0": 5, "x1": 5}, 422),
        ("pixels", {"x1": SIDE + 1}, 422),
        ("pixels", {"y0": -1}, 400),
        ("image", {"object_id": "none"}, 404),
        ("levels", {"object_id": "none"}, 404),
        ("pixels", {"object_id": "none"}, 404),
        ("levels", {"object_id": "nobody"}, 404),
        ("pixels", {"survey": "../deep"}, 422),
        ("colourmap", {"map": "jet"}, 422),
        ("colourmap", {"map": ""}, 400),
    ],
)
def test_what_cannot_be_drawn_is_a_sentence(browser, survey, path, settings, status):
    answer = ask(browser, path, **settings)
    assert answer.status == status
    assert len(answer.json()["error"]) > 20


def test_when_all_hands_are_full_the_browser_is_to_ask_again(browser, survey, services):
    services.pictures.gate = DrawingGate(max_running=1, max_waiting=0)
    shown = ask(browser, "image", "noise")
    with services.pictures.gate.room_for(1):
        refused = ask(browser, "image")
        assert refused.status == 503
        assert "again" in refused.json()["error"]
        assert ask(browser, "image", "noise").body == shown.body  # kept ones need no hand
    assert ask(browser, "image").status == 200


def test_a_stranger_sees_no_pixels(browser, survey):
    stranger = Browser(browser.app)
    for path in ("image", "levels", "pixels"):
        assert ask(stranger, path).status in (401, 403)
