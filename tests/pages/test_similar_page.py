"""The Look-alikes page and what answers it: the search, its link, uploads, rights, refusals."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from dataclasses import replace
from types import SimpleNamespace
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from core.errors import BadInput, Damaged, NotFound
from core.mapping.lookalikes import ANY, EUCLIDEAN
from core.representation import choose_embedding
from core.representation import embed as embed_for_good
from core.run_neighbours import prepared, run_neighbours
from core.vocabulary import Action, JobKind
from labels_db import LabelsDB, NewEvent, TaskSpec
from pages._server.recent import Recent
from pages._server.similar import checked_object, keep_picture, search
from pages._server.similar_query import LEAST_WEIGHT, Example, SimilarQuery
from pages._shared.similar_examples import _box_of
from pages.components.lookalikes import picks
from tests.pages.conftest import IDS, embed
from tests.pages.kit import labels_of, one, open_page, press, text_of

NOBODY = np.empty(0, np.int64)


def of(*object_ids, **more) -> SimilarQuery:
    return SimilarQuery(tuple(Example(object_id=one) for one in object_ids), **more)


def answer(workspace, task: str, object_id: str, annotator: str) -> None:
    with LabelsDB(workspace.labels) as db:
        db.record(NewEvent(str(uuid4()), task, object_id, 1, annotator, Action.LABEL, "dual"))


def test_a_search_is_that_of_a_plain_loop_without_the_examples(services, tiny):
    embed(tiny)
    values = services.embedding(tiny).rows().astype(np.float64)
    found = search(services, tiny, of("g3", "g5"), NOBODY)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    expected = sorted(
        (np.mean([1 - unit[row] @ unit[3], 1 - unit[row] @ unit[5]]), row)
        for row in range(len(IDS))
        if row not in (3, 5)
    )
    assert found.rows.tolist() == [row for _, row in expected]
    np.testing.assert_allclose(found.distances, [far for far, _ in expected], rtol=1e-4)
    assert found.counts.sum() == found.n_searched == len(IDS) - 2
    only = search(services, tiny, of("g3", only_unlabelled=True), np.array([1, 2, 4]))
    assert not set(only.rows) & {1, 2, 3, 4}
    against = replace(of("g3"), examples=(Example("g3"), Example("g5", is_like=False)))
    stands = search(services, tiny, against, NOBODY)
    assert (np.diff(stands.standings) >= 0).all()
    assert (stands.standings >= stands.distances).all()
    assert stands.standings[-1] > stands.distances[-1]


def test_the_link_carries_the_search():
    query = SimilarQuery(
        (
            Example("α/β <b>&", weight=2.5),
            Example("g1", is_like=False),
            Example("", "a" * 24, (1, 2, 30, 40)),
        ),
        "embed-1",
        EUCLIDEAN,
        ANY,
        24,
        True,
    )
    assert SimilarQuery.of_parameters(query.as_parameters()) == query
    assert of("g1").as_parameters() == {"object": "g1"}
    assert SimilarQuery.of_parameters({"object": "g1"}) == of("g1")
    assert SimilarQuery().as_parameters() == {}


@pytest.mark.parametrize(
    "given",
    [
        {"examples": "no json"},
        {"examples": json.dumps({"o": "g1"})},
        {"examples": json.dumps([{"o": "g1", "w": 0}])},
        {"examples": json.dumps([{"o": "g1", "w": float("nan")}])},
        {"examples": json.dumps([{"p": "../../etc"}])},
        {"examples": json.dumps([{"p": "a" * 24, "n": "[a](b)"}])},
        {"examples": json.dumps([{"o": "g1", "at": [1, 2]}])},
        {"examples": '[{"o":"g1","at":[1e999,0,9,9]}]'},
        {"examples": json.dumps([{"o": "g1", "w": 10**400}])},
        {"examples": json.dumps([{"o": "g1", "w": 0.05}])},
        {"examples": json.dumps([{"o": "g\ud800"}])},
        {"examples": "[" * 100_000},
        {"object": "x" * 600},
        {"distance": "miles"},
        {"together": "some"},
        {"shown": "1000"},
        {"shown": "-1"},
    ],
)
def test_a_link_that_cannot_be_read_is_a_sentence(given):
    with pytest.raises(BadInput, match="link"):
        SimilarQuery.of_parameters(given)


def test_an_example_given_again_takes_its_new_sign_in_its_old_place():
    query = of("g1", "g2", "g3").having(Example("g2", is_like=False))
    assert [(e.object_id, e.is_like) for e in query.examples] == [
        ("g1", True),
        ("g2", False),
        ("g3", True),
    ]
    assert query.lacking(Example("g2")) == of("g1", "g3")
    with pytest.raises(BadInput, match="at most 100"):
        of(*map(str, range(100))).having(Example("one more"))


def test_an_example_twice_in_a_link_is_one(services, tiny):
    twice = json.dumps([{"o": "g1"}, {"o": "g2", "w": 0.1}, {"o": "g1", "w": -2}])
    query = SimilarQuery.of_parameters({"examples": twice})
    assert query.examples == (
        Example("g1", weight=2.0, is_like=False),
        Example("g2", weight=0.1),
    )
    embed(tiny)
    assert "The 7 nearest" in text_of(open_page("similar", {"examples": twice}))
    small = SimilarQuery((Example("g1", weight=LEAST_WEIGHT), Example("g2")))
    assert SimilarQuery.of_parameters(small.as_parameters()) == small


def test_an_uploaded_picture_finds_its_twin_first_and_says_so(services, tiny):
    embedding = embed_for_good(tiny, "pca")
    choose_embedding(tiny, embedding.run_id)
    file = io.BytesIO()
    Image.fromarray(np.moveaxis(tiny.image(6), 0, -1)).save(file, "PNG")
    picture = keep_picture(services, tiny, file.getvalue(), "six.png")
    query = SimilarQuery((Example(picture=picture),))
    found = search(services, tiny, query, NOBODY)
    assert found.rows[0] == 6
    assert found.twins == {6}
    assert found.distances[0] < 1e-3
    part = SimilarQuery((Example(picture=picture, part=(0, 0, 5, 5)),))
    assert not search(services, tiny, part, NOBODY).twins
    again = keep_picture(services, tiny, file.getvalue(), "six.png")
    (kept,) = (services.workspace.root / "cache" / "pictures").iterdir()
    assert again == picture
    for spoil in (lambda: kept.write_bytes(b""), kept.unlink):
        spoil()
        services.example_vectors = type(services.example_vectors)(8)
        services.found_alike = type(services.found_alike)(8)
        with pytest.raises(NotFound, match="upload it again"):
            search(services, tiny, query, NOBODY)


def test_several_pictures_are_held_against_the_survey_block_by_block(services, tiny, monkeypatch):
    choose_embedding(tiny, embed_for_good(tiny, "pca").run_id)
    monkeypatch.setattr("pages._server.similar._BLOCK_BYTES", 3 * tiny.image(0).nbytes)
    pictures = []
    for row in (6, 2):
        file = io.BytesIO()
        Image.fromarray(np.moveaxis(tiny.image(row), 0, -1)).save(file, "PNG")
        pictures.append(keep_picture(services, tiny, file.getvalue(), "one.png"))
    query = SimilarQuery(tuple(Example(picture=one) for one in pictures), how=ANY)
    assert search(services, tiny, query, NOBODY).twins == {2, 6}


def test_what_a_killed_server_left_goes_and_what_others_remove_is_no_fault(
    services, tiny, monkeypatch
):
    folder = services.workspace.root / "cache" / "pictures"
    folder.mkdir(parents=True)
    for name, age in (("old.npy.1.1.partial", 7200), ("new.npy.2.2.partial", 5)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)
    (folder / "gone.npy").symlink_to(folder / "nowhere")  # listed, and not there when looked at
    file = io.BytesIO()
    Image.fromarray(np.moveaxis(tiny.image(6), 0, -1)).save(file, "PNG")
    picture = keep_picture(services, tiny, file.getvalue(), "six.png")
    left = {path.name for path in folder.iterdir()} - {"gone.npy"}
    assert left == {"new.npy.2.2.partial", f"{tiny.manifest.content_hash[:16]}-{picture}.npy"}


def test_ids_that_are_nearly_right_are_named(services, tiny):
    assert checked_object(services, tiny, " g4 ") == "g4"
    with pytest.raises(NotFound, match="closest are g"):
        checked_object(services, tiny, "G44")
    with pytest.raises(NotFound, match="check the id"):
        checked_object(services, tiny, "%%%")


def test_an_object_without_an_embedding_is_a_sentence(services, tiny):
    embed(tiny)
    path = next((tiny.folder / "runs").iterdir()) / "mask.npy"
    mask = np.load(path)
    mask[2] = False
    np.save(path, mask)
    with pytest.raises(BadInput, match="g2 has no place in the embedding"):
        search(services, tiny, of("g2"), NOBODY)
    assert 2 not in search(services, tiny, of("g1"), NOBODY).rows


def test_the_page_says_what_to_do_and_what_is_wrong(services, tiny):
    assert "being made" in text_of(open_page("similar"))
    embed(tiny)
    assert "Give an object by its id" in text_of(open_page("similar"))
    page = open_page("similar", {"object": "g12"})
    assert "closest are g" in text_of(page)
    page = open_page("similar", {"examples": json.dumps([{"o": "g1", "w": -1}])})
    assert "only what it shall not be like" in text_of(page)
    assert "cannot be read" in text_of(open_page("similar", {"examples": "["}))


def test_what_is_typed_becomes_an_example_and_the_link_follows(services, tiny):
    embed(tiny)
    page = open_page("similar", {"object": "g1"})
    assert "The 8 nearest of 8 objects" in text_of(page)
    one(page.text_input, "Object").set_value("g2").run()
    assert not page.exception
    assert json.loads(page.query_params["examples"]) == [{"o": "g1"}, {"o": "g2"}]
    assert "object" not in page.query_params
    page.checkbox[0].set_value(True).run()
    assert page.query_params["unlabelled"] == "1"
    press(page, "Clear")
    assert "examples" not in page.query_params


def test_all_that_is_shown_becomes_the_selection(services, tiny):
    embed(tiny)
    page = press(open_page("similar", {"object": "g1"}), "Select all 8 shown")
    chosen = page.query_params["selection"]
    kept = services.selections.get(chosen)
    assert kept.origin["kind"] == "similar"
    assert kept.origin["query"] == {"object": "g1"}
    rows = services.selections.rows(chosen, tiny)
    assert [IDS[row] for row in rows] == [name for name in IDS if name != "g1"]


def test_a_viewer_looks_and_selects_nothing(services, tiny, sign_in):
    embed(tiny)
    sign_in("vic")
    page = open_page("similar", {"object": "g1"})
    assert "The 8 nearest" in text_of(page)
    assert not [name for name in labels_of(page) if name.startswith("Select")]


def test_a_blind_task_shows_and_leaves_out_own_answers_only(workspace, services, tiny, sign_in):
    embed(tiny)
    with LabelsDB(workspace.labels) as db:
        db.create_task(TaskSpec("blind", "tiny", "?", ("dual", "no"), "dual", blind=True))
    answer(workspace, "blind", "g2", "ann")
    answer(workspace, "blind", "g3", "cat")
    asked = {"task": "blind", "object": "g1", "unlabelled": "1"}
    sign_in("cat")
    assert "The 7 nearest of 7 unlabelled objects" in text_of(open_page("similar", asked))
    sign_in("ann")  # the owner sees all
    assert "The 6 nearest of 6 unlabelled objects" in text_of(open_page("similar", asked))


def test_near_duplicates_are_found_at_once_in_a_small_survey(services, tiny):
    embed(tiny)
    path = next((tiny.folder / "runs").iterdir()) / "embedding.npy"
    values = np.load(path)
    values[7] = values[1] * np.float32(1.001)
    np.save(path, values)
    page = open_page("similar", state={"similar: view": "Near-duplicates"})
    assert "1 pairs by fusion" in text_of(page)
    assert "g1" in text_of(page)
    press(page, "Select these 2 objects")
    chosen = page.query_params["selection"]
    assert services.selections.rows(chosen, tiny).tolist() == [1, 7]
    for least, said in ((1, "1 pairs, both of which pass the filter, by fusion"), (2, "No two")):
        page = open_page(
            "similar", {"filter": f'[["flux","≥",{least}]]'}, {"similar: view": "Near-duplicates"}
        )
        assert said in text_of(page)


def test_a_large_survey_has_its_near_duplicates_looked_for_by_a_job(
    services, tiny, jobs, monkeypatch
):
    embed(tiny)
    monkeypatch.setattr("pages._shared.similar_pairs.AT_ONCE_ROWS", 5)
    page = open_page("similar", state={"similar: view": "Near-duplicates"})
    press(page, "Look for near-duplicates")
    run_id = services.embedding(tiny).run_id
    assert jobs == [(JobKind.NEIGHBOURS, "tiny", ["tiny", f"--run={run_id}", "--distance=cosine"])]
    made = run_neighbours(services.workspace, "tiny", run_id, quiet=True)
    assert made.result["recall"] >= 0.95
    again = prepared(tiny, run_id, "cosine")
    assert again is not None
    assert again.run_id == made.run_id
    assert again.pairs().pairs.shape[1] == 2
    assert prepared(tiny, run_id, "euclidean") is None
    page = open_page("similar", state={"similar: view": "Near-duplicates"})
    assert "Look for near-duplicates" not in labels_of(page)


def test_a_box_is_read_in_whole_pixels_of_the_picture():
    class Event:
        class selection:
            box = ({"x": [20.4, 3.6], "y": [-2.0, 70.0]},)

    assert _box_of(Event, 64) == (4, 0, 20, 64)
    assert _box_of(None, 64) is None


def test_picks_count_for_the_search_that_they_were_made_in():
    told = SimpleNamespace(picked={"of": "a", "ids": ["g1"]})
    assert picks(told, "a") == ["g1"]
    assert picks(told, "b") == []
    assert picks(None, "a") == []


def test_a_damaged_file_of_pairs_is_a_sentence(services, tiny):
    embed(tiny)
    made = run_neighbours(services.workspace, "tiny", quiet=True)
    whole = (made.path / "pairs.npz").read_bytes()
    for length in (0, len(whole) // 2):
        (made.path / "pairs.npz").write_bytes(whole[:length])
        with pytest.raises(Damaged, match="look for near-duplicates again"):
            made.pairs()


def test_values_of_different_keys_are_made_side_by_side_and_of_one_once():
    recent, others_turn, made = Recent(2), threading.Event(), []

    def slow() -> str:
        made.append("slow")
        assert others_turn.wait(30)
        return "slow"

    found: list[str] = []
    waiting = [
        threading.Thread(target=lambda: found.append(recent.get("a", slow))) for _ in range(3)
    ]
    for one_thread in waiting:
        one_thread.start()
    assert recent.get("b", lambda: "quick") == "quick"  # while "a" is being made
    others_turn.set()
    for one_thread in waiting:
        one_thread.join(30)
    assert found == ["slow"] * 3
    assert made == ["slow"]
    with pytest.raises(KeyError):
        recent.get("c", lambda: dict[str, str]()["none"])
    assert recent.get("c", lambda: "after a failure") == "after a failure"
    assert recent.get("b", lambda: "kept no longer") == "kept no longer"
