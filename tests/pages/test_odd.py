"""What makes an object odd, as the label page is told."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from core.discovery.detectors import isolation_forest as forest_module
from core.representation import choose_embedding, embed, load_embedding, reconstruction
from core.representation.naming import naming_of
from core.representation.reconstruction import rebuilding_runs
from tests.pages.acts import answer, says
from tests.pages.conftest import IDS
from tests.pages.conftest import embed as write_embedding


@pytest.fixture(autouse=True)
def fewer_trees(monkeypatch):
    monkeypatch.setattr(forest_module, "N_TREES", 20)


def told(who, object_id="g3"):
    got = who.get(f"/api/reasons?task=dual&object_id={object_id}")
    assert got.status == 200, got.body
    return got.json()


def use(survey, encoder, **options):
    made = embed(survey, encoder, options=options)
    choose_embedding(survey, made.run_id)
    return load_embedding(survey)


def test_named_numbers_stand_against_the_surveys_medians(viewer, services):
    survey = services.survey("tiny")
    embedding = use(survey, "structure")
    found = told(viewer)
    assert (found["state"], found["learnt"], found["rebuilt"]) == ("", "", None)
    assert found["sentence"].startswith("Odder than ")
    assert found["items"]
    named = naming_of(survey, embedding).named
    values = np.array([named.natural(row) for row in embedding.rows()])
    row = survey.row("g3")
    for item in found["items"]:
        place = [(one.title, one.meaning) for one in named.numbers].index(
            (item["title"], item["meaning"])
        )
        assert float(item["value"]) == pytest.approx(values[row, place], rel=0.01)
        assert float(item["median"]) == pytest.approx(np.median(values[:, place]), rel=0.01)
        assert np.sign(item["scatters"]) in (
            0,
            np.sign(values[row, place] - float(item["median"])),
        )
    shares = [item["share"] for item in found["items"]]
    assert shares == sorted(shares, reverse=True)
    assert min(shares) >= 0.02


def test_numbers_without_names_are_told_as_a_whole(browser, services):
    write_embedding(services.survey("tiny"))
    found = told(browser)
    assert found["items"] == []
    assert "(fusion) have no names" in found["learnt"]
    assert found["sentence"].startswith("Odder than ")


def test_what_was_learnt_is_one_thing_beside_the_named(browser, services):
    use(services.survey("tiny"), "fusion", parts="peaks:0.01,pca:1:3")
    parts = [told(browser, one)["learnt"] for one in IDS[:4]]
    assert any("is what pca learnt, which has no names." in one for one in parts)


def test_it_is_looked_up_once_an_embedding(browser, services, monkeypatch):
    from core.discovery import explaining

    use(services.survey("tiny"), "structure")
    first = told(browser)
    monkeypatch.setattr(explaining, "Explainer", None)
    assert told(browser) == first
    assert told(browser, "g4")["sentence"].startswith("Odder than ")


def test_runs_are_read_once_as_long_as_none_comes(browser, services, monkeypatch):
    survey = services.survey("tiny")
    use(survey, "pca", components=2)
    read = []

    def spy(*given):
        read.append(1)
        return rebuilding_runs(*given)

    monkeypatch.setattr(reconstruction, "rebuilding_runs", spy)
    for one in IDS[:3]:
        assert told(browser, one)["rebuilt"] == "pca"
    assert browser.get("/api/odd_picture?task=dual&object_id=g3").status == 200
    assert len(read) == 1
    use(survey, "nmf", components=2)
    assert told(browser)["rebuilt"] == "nmf"
    assert len(read) == 2


def test_why_nothing_is_said(browser, services):
    assert "embed" in told(browser)["state"]
    survey = services.survey("tiny")
    write_embedding(survey)
    services.embedding(survey).mask[survey.row("g3")] = False
    assert told(browser)["state"] == "The encoder had nothing to see in this object."
    assert browser.get("/api/reasons?task=dual&object_id=nowhere").status == 404
    assert browser.get("/api/reasons?task=none&object_id=g0").status == 404
    assert browser.get("/api/reasons?task=dual").status == 400


def test_a_blind_task_does_not_say_why_before_the_answer(annotator, browser, services, db):
    use(services.survey("tiny"), "pca", components=3)
    db.change_task("dual", "ann", blind=True)
    found = told(annotator)
    assert "once you have answered" in found["state"]
    assert (found["sentence"], found["items"], found["learnt"]) == ("", [], "")
    address = "/api/odd_picture?task=dual&object_id=g3"
    assert annotator.get(address).status == 403
    says(db, "ann", "g3", "dual")
    assert told(annotator)["state"] == found["state"]  # somebody else's answer
    answer(annotator, "g3")
    assert told(annotator)["state"] == ""
    assert annotator.get(address).status == 200


def test_what_a_model_cannot_rebuild_is_bright(browser, services):
    survey = services.survey("tiny")
    address = "/api/odd_picture?task=dual&object_id=g3"
    write_embedding(survey)
    missing = browser.get(address)
    assert (missing.status, "autoencoder" in missing.json()["error"]) == (404, True)
    use(survey, "pca", components=2)
    assert told(browser)["rebuilt"] == "pca"
    got = browser.get(address)
    assert (got.status, got.headers["content-type"]) == (200, "image/png")
    picture = np.asarray(Image.open(io.BytesIO(got.body)))
    assert picture.shape == (160, 320, 3)
    # Two components of nine random pictures leave much: magma's bright end is reached.
    assert picture[:, 160:].max() > 200
