"""The panel about the map: which is shown, how far to believe it, the others, making one."""

from __future__ import annotations

from urllib.parse import urlencode

import numpy as np
import pytest

from core.errors import NotFound, NotReady
from core.survey import RunFolder
from core.vocabulary import JobKind, Role
from pages._server.identity import Identity
from pages._server.map_data import KEPT, placed_map
from pages._server.map_versions import map_versions
from tests.pages.conftest import embed
from tests.pages.kit import labels_of, one, open_page, press, text_of

ANN, CAT = Identity("ann", "ann", Role.OWNER), Identity("cat", "cat", Role.ANNOTATOR)
NEWEST = "The newest of the embedding in use"
MEASURED = {"trustworthiness": 0.93, "neighbours_kept": 0.4, "neighbours": 15}


@pytest.fixture
def make(services, tiny):
    """Writes a map as a run; its name."""
    embed(tiny)
    in_use = services.embedding(tiny).run_id

    def a_map(projection="umap", supervised=None, result=None, scale=1.0, **config):
        given = {"projection": projection, "embedding_run": in_use, "encoder": "fusion"}
        with RunFolder(tiny, JobKind.MAP, {**given, "supervised": supervised, **config}) as run:
            np.save(run.path / "map.npy", scale * np.arange(18, dtype=np.float32).reshape(9, 2))
            run.result.update(MEASURED if result is None else result)
        return run.run_id

    return a_map


def draw(**query):
    return open_page("map", {"task": "dual", **query})


def test_the_newest_map_is_shown_until_another_is_chosen(make):
    old, _ = make("tsne"), make("pacmap", after="gone", result={**MEASURED, "moved": 0.04})
    page = draw()
    assert "PaCMAP of the embedding" in page.caption[0].value
    assert "Laid over an earlier map (the map before)" in text_of(page)
    (chosen,) = [box for box in page.selectbox if box.label == "Map"]
    assert chosen.value == ""
    assert [name.split(",")[0] for name in chosen.options] == [
        NEWEST,
        "PaCMAP of fusion",
        "t-SNE of fusion",
    ]
    chosen.set_value(old).run()
    assert not page.exception
    assert page.query_params["map"] == old
    assert "t-SNE of the embedding" in page.caption[0].value
    assert "trustworthiness 0.93" in text_of(page)
    assert "it keeps 6.0 among the 15 nearest" in text_of(page)
    one(page.selectbox, "Map").set_value("").run()
    assert "map" not in page.query_params
    assert "PaCMAP" in page.caption[0].value


def test_a_link_shows_its_map_and_one_that_is_gone_is_told(make):
    old, _ = make("tsne"), make()
    assert "t-SNE of the embedding" in draw(map=old).caption[0].value
    page = draw(map="map-*gone*")
    assert "There is no map map-*gone* of this survey" in page.warning[0].value.replace("\\", "")
    assert "UMAP of the embedding" in page.caption[0].value


def test_a_chosen_map_that_cannot_be_read_is_told_and_the_newest_is_shown(make, tiny):
    broken, _ = make("tsne"), make()
    (tiny.folder / "runs" / broken / "map.npy").write_bytes(b"\x93NUMPY torn")
    page = draw(map=broken)
    assert f"The map {broken} cannot be read" in page.warning[0].value.replace("\\", "")
    assert "map" not in page.query_params
    assert "UMAP of the embedding" in page.caption[0].value
    page.run()
    assert not page.exception
    assert not page.warning


def test_a_map_of_a_task_that_is_gone_is_its_owners(make, services, tiny):
    taught = make("umap", "gone")
    assert map_versions(services, tiny, CAT) == []
    assert [run.run_id for run in map_versions(services, tiny, ANN)] == [taught]


def test_what_was_not_measured_is_said(make):
    make(result={"trustworthiness": None, "neighbours_kept": None, "notes": ["3 are *too few*."]})
    said = text_of(draw())
    assert "too few objects" in said
    assert "3 are *too few*." in said
    assert "How far apart two groups lie" in said


def test_a_map_taught_answers_is_shown_to_who_chooses_it_and_may_know_them(
    make, services, tiny, sign_in, browser, annotator
):
    plain, taught = make("pca"), make("umap", "dual", scale=-1.0)
    assert placed_map(services, tiny).view.map_run == plain  # never unasked
    found = placed_map(services, tiny, KEPT + taught, CAT)
    assert found.view.taught_by == ("dual",)
    assert found.map_name == taught
    asked = urlencode({"task": "dual", "map": KEPT + taught})
    for path in ("map", "map_points", "map_state"):
        assert annotator.get(f"/api/{path}?{asked}").status == 200
    page = draw(map=taught)
    assert "is no evidence that they differ" in text_of(page)
    assert "taught dual" in one(page.selectbox, "Map").options[1]
    whole = {"box": [-1, -1, 1, 1], "task": "dual"}
    made = browser.post("/api/map_select", {**whole, "map_run": KEPT + taught}).json()
    lasso = services.selections.get(made["selection"])
    assert lasso.origin["tells"] == ["dual"]
    made = browser.post("/api/map_select", {**whole, "map_run": plain}).json()
    assert "tells" not in services.selections.get(made["selection"]).origin
    services.db().change_task("dual", "ann", blind=True)
    assert not services.selections.may_see(lasso, CAT)
    assert [run.run_id for run in map_versions(services, tiny, CAT)] == [plain]
    assert len(map_versions(services, tiny, ANN)) == 2
    with pytest.raises(NotFound):
        placed_map(services, tiny, KEPT + taught, CAT)
    with pytest.raises(NotFound):
        placed_map(services, tiny, KEPT + taught)
    for path in ("map", "map_points", "map_state"):
        assert annotator.get(f"/api/{path}?{asked}").status == 404
        assert browser.get(f"/api/{path}?{asked}").status == 200
    sent = {"task": "dual", "map_run": KEPT + taught, "box": [-1, -1, 1, 1]}
    assert annotator.post("/api/map_select", sent).status == 404
    sign_in("cat")
    page = draw(map=taught)
    assert "There is no map" in page.warning[0].value
    assert "Teach it" not in text_of(page)


def test_a_chosen_map_stays_when_a_newer_one_comes(make, browser):
    old = make("tsne")
    told = browser.get(f"/api/map?task=dual&map={KEPT}{old}").json()
    assert told["projection"] == "t-SNE"
    make()
    asked = urlencode({"task": "dual", "map": told["map"]})
    assert browser.get(f"/api/map_points?{asked}").status == 200
    assert browser.get(f"/api/map_points?task=dual&map={old}").status == 404
    assert browser.get("/api/map?task=dual").json()["projection"] == "UMAP"
    assert browser.get(f"/api/map?task=dual&map={KEPT}map-none").status == 404


def test_a_map_of_an_embedding_that_was_taught_answers_is_hidden_on_a_blind_task(
    make, services, tiny, browser, annotator, sign_in
):
    old = make("pca", embedding_run="embed-before")
    taught = make("umap", taught_by=["dual"])
    asked = urlencode({"task": "dual", "map": taught, "hash": "1"})
    told = annotator.get(f"/api/map_points?{asked}")
    assert told.status == 200
    assert told.headers["cache-control"] == "private, no-cache"  # who may see it can change
    assert "behind the embedding" in text_of(draw())
    services.db().change_task("dual", "ann", blind=True)
    assert placed_map(services, tiny, None, ANN).view.map_run == taught
    assert placed_map(services, tiny, None, CAT).view.map_run == old
    assert annotator.get(f"/api/map_points?{asked}").status == 404
    assert browser.get(f"/api/map_points?{asked}").status == 200
    assert [run.run_id for run in map_versions(services, tiny, CAT)] == [old]
    assert services.prepare(tiny).mapped  # it is there, if not for everybody
    sign_in("cat")
    assert "another embedding" in draw().caption[0].value


def test_without_another_map_the_principal_components_are_hidden_too(services, tiny, monkeypatch):
    embed(tiny)
    monkeypatch.setattr("pages._server.map_view.tasks_taught", lambda *_: ["dual"])
    assert placed_map(services, tiny, None, CAT).view.taught_by == ("dual",)
    services.db().change_task("dual", "ann", blind=True)
    assert placed_map(services, tiny, None, ANN).view.projection == "PCA"
    with pytest.raises(NotReady, match="kept from you"):
        placed_map(services, tiny, None, CAT)


def test_a_map_is_not_made_while_another_is(make, services, tiny, monkeypatch):
    make()
    monkeypatch.setattr(services.children, "start_job", lambda *_: False)
    assert "The job map of tiny runs already" in press(draw(), "Make this map").error[0].value


def test_the_owner_makes_maps(make, jobs, services, tiny, sign_in):
    make()
    page = draw()
    one(page.checkbox, "Teach it the answers of dual").check().run()
    page = press(page, "Make this map")
    run = services.embedding(tiny).run_id
    given = ["tiny", "--projection=umap", f"--embedding={run}", "--supervised=dual"]
    assert jobs == [(JobKind.MAP, "tiny", given)]
    sign_in("cat")
    page = draw()
    assert "Make this map" not in labels_of(page)
    assert "The owner can make one here" in text_of(page)
