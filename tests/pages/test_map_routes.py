"""The map's addresses: places, colours, which object a point is, selecting, who may see what."""

from __future__ import annotations

import io
import json
from urllib.parse import quote
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from core.survey import Batch, RunFolder, SurveyWriter
from core.vocabulary import JobKind
from labels_db import ClassDetail, TaskSpec
from pages._server import map_colours, map_routes
from pages._server.limits import Kind, kind_of
from pages._server.map_colours import LEVELS, MAX_CATEGORIES, NO_ANSWER, OTHER_CLASSES
from pages._server.map_data import placed_map
from pages._server.map_routes import ENGINE, MAP_ROUTES
from tests.pages.acts import NO, answer, learn
from tests.pages.conftest import IDS, embed
from tests.pages.maps import PLACES, SQUARE, address, ids_of, make_map, select


@pytest.fixture
def mapped(services, tiny):
    """The survey with an embedding and a map; the name of the map."""
    return make_map(services, tiny)


def colours(browser, run, by, **more):
    got = browser.get(address("map_colours", run, by=by, **more))
    assert got.status == 200, got.body
    length = int.from_bytes(got.body[:4], "little")
    return json.loads(got.body[4 : 4 + length]), np.frombuffer(got.body[4 + length :], np.uint8)


# Places


def test_places_are_the_map_with_its_longer_side_from_minus_one_to_one(browser, mapped):
    told = browser.get("/api/map?task=dual").json()
    assert (told["map"], told["n_points"], told["n_objects"]) == (mapped, 8, 9)
    got = browser.get(address("map_points", mapped, hash=told["survey_hash"]))
    assert "immutable" in got.headers["cache-control"]
    assert "content-encoding" not in got.headers
    places = np.frombuffer(got.body, "<f4").reshape(-1, 2)
    there = PLACES[np.isfinite(PLACES).all(axis=1)]
    assert places == pytest.approx((there - [5, 2]) / 5)
    again = browser.get(address("map_points", mapped), if_none_match=got.headers["etag"])
    assert (again.status, again.body) == (304, b"")


def test_a_point_is_an_object_and_an_object_a_point(browser, mapped):
    there = [name for name, place in zip(IDS, PLACES, strict=True) if np.isfinite(place).all()]
    for point, name in enumerate(there):
        got = browser.get(address("map_at", mapped, point=point)).json()
        assert got["object_id"] == name
        place = browser.get(address("map_place", mapped, object_id=name)).json()
        assert place["point"] == point
    got = browser.get(address("map_at", mapped, point=2, columns=["flux", "gone"])).json()
    assert got["columns"] == {"flux": 2.0}
    for point in (8, 10**8):
        assert browser.get(address("map_at", mapped, point=point)).status == 404
    lost = browser.get(address("map_place", mapped, object_id="g5"))
    assert lost.status == 422
    assert "no place on this map" in lost.json()["error"]
    assert browser.get(address("map_place", mapped, object_id="gone")).status == 404


def test_another_map_is_told_of_and_without_an_embedding_there_is_none(browser, mapped, services):
    got = browser.get(address("map_points", "map-of-yesterday"))
    assert got.status == 404
    assert "not the one in use" in got.json()["error"]


def test_before_the_embedding_there_is_no_map(browser):
    assert browser.get("/api/map?task=dual").status == 503
    assert browser.get("/api/map?task=nothing").status == 404


def test_objects_at_one_place_and_a_map_of_nothing(browser, services, tiny):
    embed(tiny)
    run = services.embedding(tiny).run_id
    for values in (np.full((9, 2), 3.0), np.full((9, 2), np.nan)):
        config = {"projection": "umap", "embedding_run": run}
        with RunFolder(tiny, JobKind.MAP, config) as made:
            np.save(made.path / "map.npy", values.astype(np.float32))
        places = np.frombuffer(browser.get(address("map_points", made.run_id)).body, "<f4")
        assert not places.any()
        assert len(places) in (18, 0)
        _, codes = colours(browser, made.run_id, "column:flux")
        assert len(codes) == len(places) / 2
        assert select(browser, made.run_id, polygon=SQUARE)["n"] == len(places) / 2


def test_the_library_of_the_browser_is_served_with_its_licences_beside(browser):
    told = browser.get("/api/map_engine?v=x")
    assert told.headers["content-type"].startswith("text/javascript")
    assert b"createScatterplot" in told.body
    licences = ENGINE.with_name("LICENSES.txt").read_text(encoding="utf-8")
    assert licences.count("without restriction") >= 7


# Colours


def test_answers_are_classes_with_counts(browser, mapped):
    answer(browser, "g1")
    answer(browser, "g2", NO)
    answer(browser, "g5")  # has no place
    legend, codes = colours(browser, mapped, "class")
    assert legend["names"] == [NO_ANSWER, "dual", NO]
    assert legend["counts"] == [6, 1, 1]
    assert codes.tolist() == [0, 1, 2, 0, 0, 0, 0, 0]
    assert len(legend["colours"]) == 3


def test_numbers_are_steps_between_percentiles(browser, mapped):
    legend, codes = colours(browser, mapped, "column:flux")
    there = np.array([0, 1, 2, 3, 4, 6, 7, 8], float)
    low, high = np.percentile(there, [1, 99])
    expected = np.clip((there - low) / (high - low) * LEVELS, 0, LEVELS - 1).astype(np.uint8)
    assert (legend["low"], legend["high"]) == pytest.approx((low, high))
    assert (codes == expected).all()
    assert (legend["n_below"], legend["n_above"]) == (1, 1)
    assert len(legend["colours"]) == LEVELS
    assert len(set(legend["colours"])) > 200

    legend, codes = colours(browser, mapped, "column:flux", log=1)
    low, high = np.percentile(np.log10(there[1:]), [1, 99])
    assert legend["low"] == pytest.approx(10**low)
    assert legend["counts"] == [1]  # zero has no logarithm
    assert codes[0] == LEVELS
    assert (np.diff(codes[1:].astype(int)) >= 0).all()

    legend, codes = colours(browser, mapped, "column:hole")
    assert legend["counts"] == [8]
    assert set(codes.tolist()) == {LEVELS}


def test_what_a_model_says_is_offered_once_there_is_one(browser, mapped, workspace):
    def offered():
        return [one["by"] for one in browser.get("/api/map?task=dual").json()["colourings"]]

    assert "prediction" not in offered()
    assert browser.get(address("map_colours", mapped, by="prediction")).status == 422
    learn(workspace)
    assert {"prediction", "uncertainty"} <= set(offered())
    legend, codes = colours(browser, mapped, "prediction")
    scores = np.delete(np.linspace(0.9, 0.1, len(IDS)), 5)
    assert np.abs(codes.astype(int) - scores * LEVELS).max() <= 1
    assert (legend["title"], legend["low"], legend["high"]) == ("P(dual)", 0, 1)
    _, codes = colours(browser, mapped, "uncertainty")
    assert codes.argmax() == np.abs(scores - 0.5).argmin()


def test_groups_are_categories(browser, mapped, tiny):
    groups = np.array([1, 1, 1, 0, 0, 0, -1, 2, 1])
    with RunFolder(tiny, JobKind.GROUP, {"k": 3}) as run:
        np.save(run.path / "groups.npy", groups)
    legend, codes = colours(browser, mapped, "group")
    named = [legend["names"][code] for code in codes]
    expected = ["in none" if one < 0 else f"group {one + 1}" for one in np.delete(groups, 5)]
    assert named == expected
    assert legend["names"][0] == "group 2"  # the largest first


def test_of_many_categories_the_most_frequent_have_a_colour(services, workspace, browser):
    n = 3_000
    words: list[str | None] = [f"kind {min(i % 200, i % 190)}" for i in range(n)]
    words[7] = None
    with SurveyWriter(
        workspace, "wide", bands=("r",), cutout_size_px=2, dtype="uint8", origin="x", licence="x"
    ) as writer:
        writer.append(
            Batch(
                object_ids=[f"w{i}" for i in range(n)],
                images=np.ones((n, 1, 2, 2), np.uint8),
                columns=[{"kind": word} for word in words],
            )
        )
        survey = writer.commit()
    embed(survey)
    services.db().create_task(TaskSpec("many", "wide", "Which?", ("a", "b"), "a"))
    run = services.embedding(survey).run_id
    got = browser.get(f"/api/map_colours?task=many&map=pca-{run}&by=column%3Akind")
    length = int.from_bytes(got.body[:4], "little")
    legend = json.loads(got.body[4 : 4 + length])
    codes = np.frombuffer(got.body[4 + length :], np.uint8)
    assert len(legend["names"]) == MAX_CATEGORIES + 2
    assert legend["names"][-2:] == ["130 others", "no value"]
    assert sum(legend["counts"]) == len(codes) == n
    assert legend["counts"][:-2] == sorted(legend["counts"][:-2], reverse=True)
    for point in (0, 7, 55, 2_999):
        shown = legend["names"][codes[point]]
        assert shown == (words[point] or "no value") or (
            shown == "130 others" and words[point] not in legend["names"]
        )


# Selecting


def test_a_lasso_selects_what_lies_in_it(browser, mapped, services, tiny):
    made = select(browser, mapped, polygon=SQUARE)
    assert made["n"] == 2
    assert ids_of(services, tiny, made["selection"]) == ["g4", IDS[8]]
    kept = services.selections.get(made["selection"])
    assert (kept.origin["kind"], kept.origin["map"], kept.made_by) == ("lasso", mapped, "ann")
    box = select(browser, mapped, box=[-1.1, -1.1, 0.1, 1.1])
    assert ids_of(services, tiny, box["selection"]) == ["g0", "g3", "g4", "g6", IDS[8]]
    for far in (2, 1e6):
        assert select(browser, mapped, box=[-far, -far, far, far])["n"] == 8
    assert select(browser, mapped, box=[0, -1, 5e-324, 1])["n"] == 0
    assert select(browser, mapped, box=[3, 3, 4, 4]) == {"selection": None, "n": 0}


def test_what_is_hidden_is_not_selected(browser, mapped, services, tiny):
    answer(browser, "g4")
    answer(browser, "g6", NO)
    around = [-2, -2, 2, 2]

    def left(**filtered):
        made = select(browser, mapped, box=around, filter=filtered)
        return set() if made["n"] == 0 else set(ids_of(services, tiny, made["selection"]))

    there = set(IDS) - {"g5"}
    assert left(only_unlabelled=True) == there - {"g4", "g6"}
    assert left(by="class", hidden=["dual"]) == there - {"g4"}
    assert left(by="class", hidden=[NO_ANSWER, NO]) == {"g4"}
    assert left(by="class", hidden=[NO_ANSWER, NO, "dual"]) == set()
    assert left(by="column:hole", hidden=["no value"]) == set()
    assert left(by="column:flux", hidden=["no value"]) == there
    answered = select(browser, mapped, box=around, filter={"only_unlabelled": True})
    assert services.selections.get(answered["selection"]).origin["tells"] == ["dual"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"polygon": [[0, 0], [1, 1]]},
        {"polygon": [[0, 0], [1, 1], [1, None]]},
        {"polygon": [[0, 0]] * 2_001},
        {"polygon": "all"},
        {"polygon": [[0, 0], [1, 1], [True, 0]]},
        {"box": [0, 0, 1]},
        {"box": [-1e308, 0, 1e308, 1]},
        {"box": [0, 0, 10**400, 1]},
        {"polygon": [[0, 0], [1, 1], [2_000_000, 0]]},
        {"box": [0, 0, 1, 1], "filter": []},
        {"box": [0, 0, 1, 1], "filter": {"hidden": [3]}},
        {"box": [0, 0, 1, 1], "filter": {"hidden": ["nothing of the kind"]}},
        {"box": [0, 0, 1, 1], "filter": {"by": "column:gone", "hidden": ["x"]}},
    ],
)
def test_what_is_no_lasso_is_refused_in_a_sentence(browser, mapped, body):
    assert select(browser, mapped, status=422, **body)["error"].endswith(".")


def test_where_a_selection_lies(browser, mapped, services, tiny):
    drawn = select(browser, mapped, polygon=SQUARE)["selection"]
    found = browser.get(address("map_selection", mapped, selection=drawn)).json()
    assert (found["outline"], found["points"], found["n"]) == (SQUARE, [], 2)
    rows = np.array([tiny.row(name) for name in ("g5", "g6", "g0")])
    other = services.selections.add(tiny, rows, {"kind": "search"}, "ann")
    found = browser.get(address("map_selection", mapped, selection=other.id)).json()
    assert (found["points"], found["n"], found["n_placed"]) == ([0, 5], 3, 2)
    # Of an outline in which not all was meant the points are told as well.
    some = select(browser, mapped, polygon=SQUARE, filter={"conditions": '[["flux",">",4]]'})
    found = browser.get(address("map_selection", mapped, selection=some["selection"])).json()
    assert (found["outline"], found["points"], found["n"]) == (SQUARE, [7], 1)


# What changes, and who may see it


def test_rings_and_trail_follow_the_answers(browser, annotator, mapped):
    first = browser.get(address("map_state", mapped)).json()
    assert (first["rings"], first["trail"]) == ([], [])
    for name in ("g7", "g5", "g1"):
        answer(browser, name)
    answer(annotator, "g0", NO)
    state = browser.get(address("map_state", mapped)).json()
    assert dict(zip(state["rings"], state["ring_classes"], strict=True)) == {0: 1, 6: 0, 1: 0}
    assert state["trail"] == [6, 1]  # one's own, where they have a place
    since = browser.get(address("map_state", mapped, since=first["seq"])).json()
    assert since["rings"] is None
    assert dict(zip(since["changed"], since["changed_codes"], strict=True)) == {0: 2, 6: 1, 1: 1}
    assert since["trail"] == state["trail"]
    same = browser.get(address("map_state", mapped, since=state["seq"])).json()
    assert (same["rings"], same["changed"]) == (None, None)


def test_what_changed_after_an_event_painted_over_the_colours_of_before_is_the_colours_now(
    browser, annotator, mapped, services, monkeypatch
):
    def painted(who):
        legend, codes = colours(who, mapped, "class")
        return legend["seq"], codes.copy()

    def changed(who, since):
        return who.get(address("map_state", mapped, since=since)).json()

    answer(browser, "g1")
    answer(annotator, "g2")
    seq, codes = painted(browser)
    answer(browser, "g1", NO)
    answer(browser, "g3")
    undone = {"event_id": str(uuid4()), "task": "dual"}
    answer(browser, "g0")
    assert browser.post("/api/undo", undone).status == 200
    state = changed(browser, seq)
    codes[state["changed"]] = state["changed_codes"]
    assert (
        codes.tolist() == colours(browser, mapped, "class")[1].tolist() == [0, 2, 1, 1, *[0] * 4]
    )

    services.db().change_task("dual", "ann", blind=True)
    seq, codes = painted(annotator)
    assert codes.tolist() == [0, 0, 1, *[0] * 5]
    answer(annotator, "g3", NO)
    answer(browser, "g4")
    state = changed(annotator, seq)
    assert (state["changed"], state["changed_codes"]) == ([3], [2])  # of one's own alone

    monkeypatch.setattr(map_routes, "MAX_RINGS", 1)
    state = changed(browser, 0)  # too much to tell one by one
    assert (state["changed"], len(state["rings"])) == (None, 1)


def test_a_label_of_a_class_that_is_gone_is_an_answer(mapped, services, tiny):
    task, placed = services.db().task("dual"), placed_map(services, tiny)
    labels = {"g1": "dual", "g2": "gone", "g4": NO}
    made = map_colours._by_class(tiny, task, placed, labels, "Answers", 7)
    assert made.names == [NO_ANSWER, "dual", NO, OTHER_CLASSES]
    assert made.codes.tolist() == [0, 1, 3, 0, 2, 0, 0, 0]
    assert len(made.legend["colours"]) == 4


def test_classes_beyond_what_a_byte_tells_apart_are_others(browser, mapped, monkeypatch):
    monkeypatch.setattr(map_colours, "MAX_CODED", 1)
    answer(browser, "g0", NO)
    answer(browser, "g1", "dual")
    legend, codes = colours(browser, mapped, "class")
    assert legend["names"] == [NO_ANSWER, "dual", OTHER_CLASSES]
    assert codes[:3].tolist() == [2, 1, 0]
    told = browser.get("/api/map?task=dual").json()
    assert [name for name, _ in told["classes"]] == ["dual"]
    state = browser.get(address("map_state", mapped)).json()
    assert (state["rings"], state["ring_classes"]) == ([0, 1], [1, 0])  # 1 has no class there


def test_classes_named_by_numbers_keep_their_order_and_what_is_offered_is_named(
    browser, mapped, services, tiny
):
    def offers():
        told = browser.get("/api/map?task=dual").json()
        assert told["offer"] == browser.get(address("map_state", mapped)).json()["offer"]
        return told

    first = offers()
    answer(browser, "g1")
    assert offers()["offer"] == first["offer"]
    services.db().add_class("dual", ClassDetail("10"), "ann")
    services.db().add_class("dual", ClassDetail("2"), "ann")
    second = offers()
    assert second["offer"] != first["offer"]
    assert [name for name, _ in second["classes"]] == ["dual", NO, "10", "2"]
    with RunFolder(tiny, JobKind.GROUP, {"k": 1}) as run:
        np.save(run.path / "groups.npy", np.zeros(9, int))
    assert offers()["offer"] != second["offer"]


def test_what_is_said_of_a_map_is_of_now(services, tiny, mapped):
    assert placed_map(services, tiny).view.note == ""
    embed(tiny)
    stale = placed_map(services, tiny)
    assert stale.key == mapped
    assert "another embedding" in stale.view.note


def test_scores_that_go_meanwhile_are_told_of(browser, mapped, workspace, services, monkeypatch):
    learn(workspace)
    real, calls = services.scores, []

    def once(task):
        calls.append(task)
        return real(task) if len(calls) == 1 else None

    monkeypatch.setattr(services, "scores", once)
    got = browser.get(address("map_colours", mapped, by="prediction"))
    assert got.status == 503
    assert "choose the colouring again" in got.json()["error"]


def test_on_a_blind_task_annotators_see_their_own_answers_alone(
    browser, annotator, mapped, services, workspace
):
    answer(browser, "g1")
    answer(annotator, "g2", NO)
    learn(workspace)
    services.db().change_task("dual", "ann", blind=True)
    legend, codes = colours(annotator, mapped, "class")
    assert legend["counts"] == [7, 0, 1]
    assert codes[2] == 2
    offered = [one["by"] for one in annotator.get("/api/map?task=dual").json()["colourings"]]
    assert not {"prediction", "uncertainty", "sampler", "anomaly"} & set(offered)
    for by in ("prediction", "sampler"):
        assert annotator.get(address("map_colours", mapped, by=by)).status == 422
    state = annotator.get(address("map_state", mapped)).json()
    assert (state["rings"], state["model_version"]) == ([2], None)
    other = annotator.get(address("map_at", mapped, point=1)).json()
    assert (other["label"], other["score"]) == (None, None)
    legend, _ = colours(browser, mapped, "class")
    assert legend["counts"] == [6, 1, 1]
    # A selection that tells what others answered is kept from them, too.
    told = select(browser, mapped, box=[-2, -2, 2, 2], filter={"only_unlabelled": True})
    query = address("map_selection", mapped, selection=told["selection"])
    assert annotator.get(query).status == 403


# The picture for browsers without WebGL


def test_the_picture_has_the_colours_where_the_objects_are(browser, mapped):
    answer(browser, "g4")
    got = browser.get(address("map_picture", mapped, by="class", size=210))
    picture = np.asarray(Image.open(io.BytesIO(got.body)))
    assert picture.shape == (210, 210, 4)
    legend, _ = colours(browser, mapped, "class")
    find = [int(legend["colours"][1][i : i + 2], 16) for i in (1, 3, 5)]
    assert picture[105, 105, :3].tolist() == find  # g4 lies in the middle
    # g2, at the right and upper end: y = 0.4 of the map is above the middle.
    assert picture[int(105 - 0.4 * 100), 204, 3] > 0
    assert picture[int(105 + 0.4 * 100), 105, 3] == 0
    assert browser.get(address("map_picture", mapped, by="gone")).status == 422


def test_a_viewer_may_look_and_select(viewer, mapped, services):
    assert viewer.get("/api/map?task=dual").json()["may_write"] is False
    made = select(viewer, mapped, polygon=SQUARE)
    assert made["n"] == 2
    assert services.selections.get(made["selection"]).name is None


def test_what_goes_over_all_objects_is_rationed_as_pictures_are():
    costly = {spec.path for spec in MAP_ROUTES if kind_of(spec) is Kind.PICTURES}
    names = ("points", "colours", "filter", "picture")
    assert costly == {f"/api/map_{name}" for name in names}


def test_ids_of_any_kind_are_found(browser, mapped):
    place = browser.get(address("map_place", mapped) + f"&object_id={quote(IDS[8], safe='')}")
    assert place.json()["object_id"] == IDS[8]


def test_shades_tell_sixty_categories_apart():
    shades = map_colours._shades(MAX_CATEGORIES)
    assert len(set(shades)) == MAX_CATEGORIES
