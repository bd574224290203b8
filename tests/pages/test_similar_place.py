"""A place on the sky as an example: the object there, a cutout of an archive, what is told."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from core.errors import BadInput, NotReady
from core.representation import choose_embedding
from core.representation import embed as embed_for_good
from core.survey import Batch, SurveyWriter
from core.vocabulary import Role
from labels_db import TaskSpec
from pages._server import similar_place
from pages._server.identity import Identity
from pages._server.similar import search
from pages._server.similar_place import Archive, example_at, read_place, usual_archive
from pages._server.similar_query import Example, SimilarQuery
from pages._shared import similar_examples
from tests.pages.kit import one, open_page, text_of
from tests.survey.sky.server import Archive as ArchiveServer
from tests.survey.sky.server import measured, picture

ANN = Identity("ann", "ann", Role.OWNER)
SIDE = 64
N = 6
RA, DEC = 10.0, -1.5


@pytest.fixture
def server(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(similar_place, "_clients", {})
    quick = {"concurrent": 1, "per_second": 100, "timeout_s": 2.0, "retries": 0}
    monkeypatch.setattr(similar_place, "_MANNERS", quick)
    with ArchiveServer() as one:
        yield one


def make(services, server, *, dtype="uint8", service="sdss", scale=0.4):
    """A survey of what the server draws at six places a tenth of a degree apart, made from it."""
    places = [(RA + number / 10, DEC) for number in range(N)]
    bands = ("R", "G", "B") if dtype == "uint8" else ("g", "r", "z")
    with SurveyWriter(
        services.workspace,
        "sky",
        bands=bands,
        cutout_size_px=SIDE,
        dtype=dtype,
        pixel_scale_arcsec=scale,
        origin="made for a test",
        licence="none",
    ) as writer:
        images = np.stack(
            [
                np.moveaxis(picture(*place, SIDE, SIDE), -1, 0)
                if dtype == "uint8"
                else measured(*place, 3, SIDE)
                for place in places
            ]
        )
        columns: list[dict[str, Any]] = [{"ra": ra, "dec": dec} for ra, dec in places]
        ids = [f"s{number}" for number in range(N)]
        writer.append(Batch(object_ids=ids, images=images, columns=columns))
        survey = writer.commit()
    ends = {"sdss": "/getjpeg", "legacy": "/cutout"}
    more = {"service": service, "base_url": server.url + ends[service], "retries": "0"}
    record = {"reader": "sky", "options": {"more": more}}
    (survey.path / "import.json").write_text(json.dumps(record))
    task = services.db().create_task(TaskSpec("look", "sky", "Odd?", ("odd", "even"), "odd"))
    return task, services.survey("sky")


def at(services, task, survey, place, archive, radius=2.0, who=ANN):
    return example_at(services, task, survey, who, place, radius, archive)


def test_the_object_at_a_place_is_taken_and_nobody_is_asked(services, server):
    task, survey = make(services, server)
    near = (RA + 0.2, DEC + 1.5 / 3600)
    found, said = at(services, task, survey, near, Archive("sdss"))
    assert found == Example(object_id="s2")
    assert said == "s2 lies 1.5 arcsec from 10.20000 -1.49958."
    assert not server.asked


def test_elsewhere_a_cutout_as_the_surveys_own_is_downloaded_once_and_searched_with(
    services, server, monkeypatch
):
    task, survey = make(services, server)
    assert usual_archive(survey) == "sdss"
    near = (RA + 0.2, DEC + 1.5 / 3600)
    found, said = at(services, task, survey, near, Archive("sdss"), radius=1.0)
    assert found.called == "J004048.00-012958.5"
    assert said == (
        "No object of sky lies within 1 arcsec of 10.20000 -1.49958. The nearest object is 1.5"
        " arcsec away. So a cutout of 64 x 64 pixels of 0.4 arcsec came from sdss."
    )
    assert "scale=0.4&width=64&height=64" in server.asked[0]
    link = SimilarQuery((found,)).as_parameters()
    assert SimilarQuery.of_parameters(link).examples == (found,)
    # The very place of an object, where the catalogue is not asked: its twin comes first.
    choose_embedding(survey, embed_for_good(survey, "pca").run_id)
    same, _ = at(services, task, survey, (RA + 0.3, DEC), Archive("sdss"), radius=-1.0)
    result = search(services, survey, SimilarQuery((same,)), np.empty(0, np.int64))
    assert (result.rows[0], result.twins) == (3, {3})
    asked = len(server.asked)
    again, _ = at(services, task, survey, (RA + 0.3, DEC), Archive("sdss"), radius=-1.0)
    assert (again, len(server.asked)) == (same, asked)
    kept = services.workspace.root / "cache" / "downloads" / "places"
    assert len(list(kept.rglob("*.answer"))) == 2
    monkeypatch.setattr(similar_place, "KEPT_CUTOUTS", 1)
    at(services, task, survey, (50.0, DEC), Archive("sdss"))
    assert len(list(kept.rglob("*.answer"))) == 1


def test_measured_pixels_come_in_the_surveys_bands(services, server):
    task, survey = make(services, server, dtype="float32", service="legacy", scale=0.262)
    found, _ = at(services, task, survey, (50.0, 3.0), Archive("legacy"))
    kept = np.load(next((services.workspace.root / "cache" / "pictures").iterdir()))
    np.testing.assert_array_equal(kept, measured(50.0, 3.0, 3, SIDE))
    with pytest.raises(BadInput, match=r"sdss sends colour pictures of 8 bits in R, G, B, but"):
        at(services, task, survey, (50.0, 3.0), Archive("sdss"))
    assert found.picture


def test_what_fails_is_told(services, server):
    task, survey = make(services, server)
    for how, words in (
        ("404", "has nothing there"),
        ("500", "says 500"),
        ("html", "Out to lunch"),
    ):
        server.always = {"ra=": how}
        place = (60.0 + len(how) + len(words) / 7, 5.0)
        with pytest.raises(BadInput, match=rf"No object of sky .* from sdss .*{words}.*; choose"):
            at(services, task, survey, place, Archive("sdss"))
    with pytest.raises(BadInput, match="no service 'attic'"):
        at(services, task, survey, (60.0, 5.0), Archive("attic"))
    with pytest.raises(BadInput, match="wants to know which survey"):
        at(services, task, survey, (60.0, 5.0), Archive("hips"))
    with pytest.raises(BadInput, match="Cutouts are downloaded for those who may label"):
        at(services, task, survey, (60.0, 5.0), None)
    server.__exit__()
    with pytest.raises(NotReady, match="The service sdss does not answer as it should"):
        at(services, task, survey, (61.0, 5.0), Archive("sdss"))
    assert not similar_place._clients


def test_a_service_that_asks_to_be_left_alone_is_named_and_holds_up_nobody(services, server):
    task, survey = make(services, server)
    server.always = {"ra=60": "429 300"}
    with pytest.raises(BadInput, match="says 429"):
        at(services, task, survey, (60.0, 5.0), Archive("sdss"))
    asked = len(server.asked)
    for _ in range(2):  # it stays so: the service is asked no more until then
        with pytest.raises(NotReady, match=r"sdss asks to be left alone for (2\d\d|300) seconds"):
            at(services, task, survey, (61.0, 5.0), Archive("sdss"))
    assert len(server.asked) == asked
    (line,) = similar_place._clients
    assert line[1] == "sdss"
    assert not similar_place._asking[line].locked()


def test_what_a_cutout_may_differ_in_is_said(services, server):
    _, survey = make(services, server)
    record = survey.path / "import.json"

    def said(archive, **more):
        record.write_text(json.dumps({"reader": "sky", "options": {"more": more}}))
        return similar_place._caution(survey, archive)

    assert said(Archive("sdss"), service="sdss") == ""
    assert "was not made from it" in said(Archive("legacy"), service="sdss")
    red = {"service": "hips", "hips": "CDS/P/DSS2/red"}
    assert said(Archive("hips"), **red) == ""
    assert said(Archive("hips", hips=" CDS/P/DSS2/red "), **red) == ""
    other = said(Archive("hips", hips="CDS/P/DSS2/blue"), **red)
    assert "was made from another HiPS, CDS/P/DSS2/red: depth" in other
    record.write_text(json.dumps({"reader": "folder"}))
    assert "is not known to be made from it" in similar_place._caution(survey, Archive("sdss"))


def test_two_cutouts_of_one_place_have_names_of_their_own():
    a, b = (Example(picture=one * 24, called="J1") for one in "ab")
    other = Example(object_id="s1")
    names = similar_examples._names([a, other, b])
    assert names == {"J1 (picture aaaaaa)": a, "s1": other, "J1 (picture bbbbbb)": b}


@pytest.mark.parametrize(
    "text",
    ["185.5 15.75", "12:22:00 +15:45:00", "12h22m00s +15d45m00s", "J122200+154500",
     "M100 185.5 15.75", "M100, 12:22:00, +15:45:00"],
)  # fmt: skip
def test_a_place_is_read_in_any_way_of_writing(text):
    assert read_place(text) == pytest.approx((185.5, 15.75))


@pytest.mark.parametrize("text", ["", "   ", "here", "185.5", "185.5 95", "400 10", "a b c d\nx"])
def test_what_is_no_place_is_a_sentence(text):
    with pytest.raises(BadInput, match=r"\.$"):
        read_place(text)


def test_the_form_takes_a_place_and_says_what_it_did(services, server, sign_in):
    _, survey = make(services, server)
    choose_embedding(survey, embed_for_good(survey, "pca").run_id)
    script = open_page("similar", {"task": "look"})
    one(script.text_input, "Place").set_value("10.1 -1.5")
    places = [button for button in script.button if button.label == "Look for it"]
    places[-1].click().run()
    assert not script.exception
    assert "s1 lies 0 arcsec from" in text_of(script)
    assert script.query_params["object"] == "s1"
    one(script.text_input, "Place").set_value("50 3")
    [button for button in script.button if button.label == "Look for it"][-1].click().run()
    assert "came from sdss" in text_of(script)
    assert '"n":"J032000.00+030000.0"' in script.query_params["examples"]
    assert "nearest of 5 objects" in text_of(script)
    one(script.text_input, "Place").set_value("nowhere")
    [button for button in script.button if button.label == "Look for it"][-1].click().run()
    assert "A place on the sky is such as" in text_of(script)
    sign_in("vic")
    script = open_page("similar", {"task": "look"})
    assert "Else a cutout from" not in [box.label for box in script.selectbox]
