"""The Oddest page and what it stands on: order, groups, agreement, reasons, rights, refusals."""

from __future__ import annotations

import html
import json
import statistics

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import spearmanr

from core.discovery.detectors import isolation_forest as forest_module
from core.errors import BadInput, Damaged
from core.run_detect import Detection, detections
from core.survey import RunFolder
from core.survey.added_columns import write_columns
from core.vocabulary import JobKind
from labels_db import LabelsDB
from pages._server.odd import Why
from pages._server.oddest import (
    Ranked,
    ranked_by_group,
    rankings,
    reasons,
    shown_rankings,
    standardised_by_group,
)
from pages._server.oddest_agreement import agreement
from pages._shared.oddest_words import short_reason
from tests.pages.acts import says
from tests.pages.conftest import IDS, embed
from tests.pages.kit import labels_of, one, open_page, press, text_of
from tests.pages.test_selections import ANN, CAT

SCORES = [0.1, 0.9, np.nan, 0.4, 0.9, 0.2, 0.3, np.nan, 0.8]
ORDER = [1, 4, 8, 3, 6, 5, 0]
"""Of `SCORES`: g1 and the ninth object lead, g2 and g7 were not seen."""


@pytest.fixture(autouse=True)
def fewer_trees(monkeypatch):
    monkeypatch.setattr(forest_module, "N_TREES", 10)


def rank_by(survey, detector="isolation_forest", scores=SCORES) -> Detection:
    """Write a finished ranking of the newest embedding."""
    run_id = max(path.name for path in (survey.folder / "runs").glob("embed-*"))
    config = {"detector": detector, "embedding_run": run_id, "encoder": "fusion", "seed": 0}
    with RunFolder(survey, JobKind.DETECT, config) as run:
        np.save(run.path / "scores.npy", np.array(scores, np.float32))
        run.result["n_unseen"] = int(np.isnan(scores).sum())
    return next(found for found in detections(survey) if found.run_id == run.run_id)


@pytest.fixture
def seen(tiny, services):
    """The small survey, embedded and ranked."""
    embed(tiny)
    rank_by(tiny)
    return tiny


def chosen(services, page, survey) -> list[str]:
    """The ids of the selection that a page made."""
    rows = services.selections.rows(page.session_state["selection"], survey)
    return [str(survey.object_ids[row]) for row in rows]


def html_of(page) -> str:
    return "\n".join(element.proto.body for element in page.get("html"))


def grid(page) -> list[str]:
    """The ids on the pictures, in order."""
    parts = html_of(page).split('<div class="id">')[1:]
    return [html.unescape(part.partition("</div>")[0]) for part in parts]


def of(scores, name="x") -> Ranked:
    return Ranked((name,), np.array(scores, np.float32))


def test_an_order_is_that_of_a_plain_sort():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 12, 60).astype(np.float32)
    scores[rng.choice(60, 9, replace=False)] = np.nan
    ranked = of(scores)
    there = [row for row in range(60) if not np.isnan(scores[row])]
    plain = sorted(there, key=lambda row: (-scores[row], row))
    assert ranked.order.tolist() == plain
    assert ranked.unseen.tolist() == sorted(set(range(60)) - set(there))
    places = [plain.index(row) + 1 if row in there else 0 for row in range(60)]
    assert ranked.places.tolist() == places == [ranked.place_of(row) for row in range(60)]
    allowed = rng.random(60) < 0.5
    left = [row for row in plain if allowed[row]]
    assert ranked.among(allowed).tolist() == left
    for n in (1, 5, len(left), 60):
        assert ranked.first(n, allowed).tolist() == left[:n]
    assert not len(ranked.first(3, np.zeros(60, bool)))
    edges, counts = ranked.histogram
    assert (edges[0], edges[-1], counts.sum()) == (0, 11, len(there))


def test_a_score_is_held_against_its_group():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=90).astype(np.float32)
    groups = np.repeat([0, 1, 2, -1], [40, 30, 10, 10]).astype(np.int32)
    scores[groups == 1] += 50
    scores[5] = np.nan
    found = standardised_by_group(scores, groups)
    seen = [row for row in range(90) if row != 5]
    for row in seen:
        mine = [one for one in seen if groups[one] == groups[row]]
        usual = [float(scores[one]) for one in (mine if groups[row] in (0, 1) else seen)]
        middle = statistics.median(usual)
        scatter = 1.4826 * statistics.median(abs(one - middle) for one in usual)
        assert found[row] == pytest.approx((scores[row] - middle) / scatter, rel=1e-4)
    assert np.isnan(found[5])
    same = np.where(np.arange(30) == 3, 2, 1).astype(np.float32)  # no median deviation
    lone = standardised_by_group(same, np.zeros(30, np.int32))
    assert lone[3] == pytest.approx(1 / statistics.pstdev(map(float, same)), rel=1e-5)
    assert (lone[:3] == 0).all()
    flat = standardised_by_group(np.ones(30, np.float32), np.zeros(30, np.int32))
    assert (flat == 0).all()


def test_agreement_is_that_of_a_plain_count(monkeypatch):
    rng = np.random.default_rng(2)
    base = rng.normal(size=300)
    scores = [np.round(base + rng.normal(size=300), 1) for _ in range(3)]
    scores[1][7] = scores[2][9] = np.nan
    found = agreement([of(values, f"agree {place}") for place, values in enumerate(scores)])
    rows = [row for row in range(300) if row not in (7, 9)]
    assert found.rows.tolist() == rows
    tops = [set(sorted(rows, key=lambda row: (-one[row], row))[:29]) for one in scores]
    assert found.top == 29
    assert found.shared.tolist() == [[len(one & other) for other in tops] for one in tops]
    assert found.votes.tolist() == [sum(row in one for one in tops) for row in range(300)]
    expected = spearmanr(np.array([one[rows] for one in scores]), axis=1).statistic
    np.testing.assert_allclose(found.correlation, expected, atol=1e-12)
    agreed = found.agreed().tolist()
    assert set(agreed) == {row for row in rows if found.votes[row] > 1}
    votes = found.votes[agreed].tolist()
    assert votes == sorted(votes, reverse=True)


def test_rankings_of_embeddings_that_saw_other_objects_share_nothing():
    one, other = of([1, 2, np.nan, np.nan], "left"), of([np.nan, np.nan, 1, 2], "right")
    found = agreement([one, other])
    assert not len(found.rows)
    assert found.shared.tolist() == [[0, 0], [0, 0]]
    assert not len(found.agreed())


def test_the_newest_ranking_of_each_detector_counts(seen):
    newer = rank_by(seen, scores=SCORES[::-1])
    other = rank_by(seen, "lof")
    assert {one.run_id for one in rankings(seen)} == {newer.run_id, other.run_id}


def test_the_page_says_what_there_is_to_do(services, tiny, jobs):
    assert "being made" in text_of(open_page("oddest"))
    embed(tiny)
    page = open_page("oddest")
    assert "not ranked yet" in text_of(page)
    page.multiselect[0].set_value(["lof", "rank_ensemble"]).run()
    press(page, "Rank")
    run_id = max(path.name for path in (tiny.folder / "runs").glob("embed-*"))
    arguments = ["tiny", "--detector=lof", "--detector=rank_ensemble"]
    whole = [*arguments, f"--embedding={run_id}", "--seed=0"]
    assert jobs == [(JobKind.DETECT, "tiny", whole)]
    assert f"core.run detect {' '.join(whole)}" in text_of(page)


def test_the_oddest_come_first_and_the_first_become_the_selection(services, seen):
    page = open_page("oddest")
    assert grid(page) == [IDS[row] for row in ORDER]
    said = text_of(page)
    assert "1 to 7 of 7" in said
    assert "7 objects ranked by fusion" in said
    assert "2 objects it could not see stand apart" in said
    one(page.number_input, "First").set_value(3).run()
    press(page, "Select the first 3")
    assert sorted(chosen(services, page, seen)) == sorted(IDS[row] for row in ORDER[:3])
    origin = services.selections.get(page.session_state["selection"]).origin
    assert origin["words"] == "The 3 objects that are oddest by Isolation forest"
    assert (origin["kind"], origin["tells"], "knows" in origin) == ("search", ["dual"], False)


def test_what_was_taken_from_a_ranking_is_kept_as_the_ranking_is(services, seen, db):
    page = open_page("oddest")
    press(page, "Select the first 7")
    made = services.selections.get(page.session_state["selection"])
    assert services.selections.may_see(made, CAT)
    db.change_task("dual", "ann", blind=True)
    assert not services.selections.may_see(made, CAT)
    assert services.selections.may_see(made, ANN)


def test_a_ranking_of_a_taught_embedding_is_kept_as_the_answers_are(services, seen, db):
    config = detections(seen)[0].path / "config.json"
    record = json.loads(config.read_text())
    record["config"]["taught_by"] = ["dual", "gone"]
    config.write_text(json.dumps(record))
    rank_by(seen, "lof")  # the folder of the runs has changed
    page = open_page("oddest")
    assert "taught answers of dual, gone, and what is odd hangs on these too" in text_of(page)
    press(page, "Select the first 7")
    origin = services.selections.get(page.session_state["selection"]).origin
    assert origin["tells"] == ["dual", "gone"]
    # Nobody knows any more whether the task that is gone was blind.
    assert [one.detector for one in shown_rankings(services, seen, CAT)] == ["lof"]
    assert len(shown_rankings(services, seen, ANN)) == 2
    record["config"]["taught_by"] = ["dual"]
    config.write_text(json.dumps(record))
    rank_by(seen, "knn_distance")
    assert len(shown_rankings(services, seen, CAT)) == 3
    db.change_task("dual", "ann", blind=True)
    left = {one.detector for one in shown_rankings(services, seen, CAT)}
    assert left == {"lof", "knn_distance"}
    assert len(shown_rankings(services, seen, ANN)) == 3


def test_a_link_to_a_ranking_that_is_gone_is_told(seen):
    page = open_page("oddest", {"ranking": "lof@embed-<b>"})
    assert "of this link is not there" in text_of(page)
    page.run()
    assert "of this link is not there" not in text_of(page)


def test_the_known_are_grey_and_may_be_left_out(services, seen, db):
    known = ["M 51" if one == "g4" else None for one in IDS]
    write_columns(seen, "crossmatch-1", "crossmatch", {"known_as": pa.array(known, pa.string())})
    says(db, "ann", "g1", "dual")
    page = open_page("oddest")
    assert html_of(page).count('<a class="known"') == 2
    assert "Already known as M 51." in html_of(page)
    one(page.checkbox, "Only unlabelled").check().run()
    assert grid(page) == [IDS[row] for row in ORDER if IDS[row] != "g1"]
    assert "1 left out" in text_of(page)
    one(page.checkbox, "Leave out the known").check().run()
    assert grid(page) == [IDS[row] for row in ORDER if IDS[row] not in ("g1", "g4")]
    press(page, "Select the first 5")
    origin = services.selections.get(page.session_state["selection"]).origin
    assert (origin["tells"], origin["knows"]) == (["dual"], True)
    assert origin["words"] == (
        "The 5 objects that are oddest by Isolation forest, without what is labelled or known"
    )


def test_the_filter_in_use_counts(services, seen):
    given = json.dumps([["flux", ">", 3]])
    page = open_page("oddest", {"filter": given})
    assert grid(page) == [IDS[row] for row in ORDER if row > 3]
    press(page, "Select the first 4")
    assert sorted(chosen(services, page, seen)) == sorted(IDS[row] for row in (4, 8, 6, 5))
    origin = services.selections.get(page.session_state["selection"]).origin
    assert origin["filter"]
    nothing = json.dumps([["flux", ">", 300]])
    assert "Nothing is left" in text_of(open_page("oddest", {"filter": nothing}))


def test_the_oddest_of_one_group(seen):
    with RunFolder(seen, JobKind.GROUP, {"method": "kmeans", "k": 2}) as run:
        np.save(run.path / "groups.npy", np.array([0, 0, 0, 0, 0, 1, 1, 1, 1], np.int32))
        np.save(run.path / "distances.npy", np.zeros(9, np.float32))
        run.result.update(n_groups=2, sizes=[5, 4])
    page = open_page("oddest")
    one(page.selectbox, "Odd").set_value(1).run()
    assert grid(page) == [IDS[row] for row in ORDER if row >= 5]
    one(page.selectbox, "Odd").set_value(-1).run()
    assert grid(page) == [IDS[row] for row in ORDER]  # too few for groups of their own
    assert "held against the whole survey" in text_of(page)
    ranking = detections(seen)[0]
    with pytest.raises(Damaged, match="of \\(3,\\) objects"):
        ranked_by_group(ranking, "g", np.zeros(3, np.int32))


def test_what_was_not_seen_stands_apart(services, seen):
    page = open_page("oddest", state={"oddest: view": "Unseen"})
    assert grid(page) == ["g2", "g7"]
    assert "could not see these 2 objects" in text_of(page)
    press(page, "Select all 2")
    assert chosen(services, page, seen) == ["g2", "g7"]


def test_agreement_is_drawn_of_two_or_more(seen):
    state = {"oddest: view": "Agreement"}
    assert "Two rankings or more" in text_of(open_page("oddest", state=state))
    rank_by(seen, "lof", SCORES[::-1])
    page = open_page("oddest", state=state)
    assert "by chance they would share" in text_of(page).lower()
    assert len(page.get("plotly_chart")) == 2


def test_those_that_detectors_agree_on_pass_the_filter_and_have_their_scores(seen, monkeypatch):
    monkeypatch.setattr("pages._server.oddest_agreement._SHARE", 0.6)
    rank_by(seen, "lof")
    rank_by(seen, "mahalanobis", [np.nan] * 8 + [1.0])  # of nothing that the others agree on
    used = detections(seen)[0].embedding_run
    state = {
        "oddest: view": "Agreement",
        f"oddest: held tiny {used} 3": [f"{one}@{used}" for one in ("lof", "isolation_forest")],
    }
    page = open_page("oddest", {"ranking": f"mahalanobis@{used}"}, state=state)
    assert grid(page) == [IDS[row] for row in (1, 4, 8, 3)]
    assert "Places and scores are those by LOF" in text_of(page)
    assert "nan" not in html_of(page)
    given = json.dumps([["flux", ">", 3]])
    page = open_page("oddest", {"filter": given, "ranking": f"lof@{used}"}, state=state)
    assert grid(page) == [IDS[row] for row in (4, 8)]


def test_what_makes_it_odd_is_told(services, seen):
    page = open_page("oddest")
    said = text_of(page)
    assert "have no names" in said  # of this embedding's numbers
    assert "<b>1</b> of 7 by Isolation forest" in said
    rank_by(seen, "farthest_first")
    page = open_page("oddest", {"ranking": f"farthest_first@{detections(seen)[0].embedding_run}"})
    assert "begins with the object nearest the mean" in text_of(page)
    [why] = reasons(services, seen, detections(seen)[0], [3])
    assert 0 <= why.share_below <= 1
    mask = seen.folder / "runs" / detections(seen)[0].embedding_run / "mask.npy"
    np.save(mask, np.arange(9) != 5)
    another = rank_by(seen, "mahalanobis")
    with pytest.raises(BadInput, match="had nothing to see in it"):
        reasons(services, seen, another, [5])


def test_a_reason_in_a_few_words():
    def item(title, scatters, share, value="1"):
        return {"title": title, "scatters": scatters, "share": share, "value": value}

    def said(items, learnt=None):
        return short_reason(Why(9, 0.5, items, "", learnt or {}))

    assert said([item("peaks", -6.2, 0.3), item("size", 9.1, 0.2)]) == "peaks −6.2σ, size +9.1σ"
    assert said([item("flag", 0, 0.2, "yes")], {"pca": 0.31}) == "flag: yes, what pca learnt, 31 %"
    assert said([item("size", 1.1, 0.03)]) == said([]) == "many things a little"
    assert short_reason(Why(9, 0.1, [], "", {}, False)) == "not above the usual score"


def test_a_viewer_looks_and_neither_ranks_nor_selects(seen, sign_in, tiny):
    sign_in("vic")
    page = open_page("oddest")
    assert grid(page) == [IDS[row] for row in ORDER]
    assert not {"Rank", "Select the first 7"} & set(labels_of(page))
    assert "The owner can rank" in text_of(page)


def test_a_blind_task_keeps_it_from_annotators(workspace, seen, sign_in):
    with LabelsDB(workspace.labels) as db:
        db.change_task("dual", "ann", blind=True)
    assert grid(open_page("oddest")) == [IDS[row] for row in ORDER]
    sign_in("cat")
    page = open_page("oddest")
    assert "kept from you on this blind task" in text_of(page)
    assert not grid(page)


def test_what_is_damaged_or_old_is_told(seen):
    ranking = detections(seen)[0]
    (ranking.path / "scores.npy").write_bytes(b"no array")
    assert "cannot be read" in text_of(open_page("oddest"))
    rank_by(seen, "lof")
    page = open_page("oddest", {"ranking": f"lof@{ranking.embedding_run}"})
    assert grid(page) == [IDS[row] for row in ORDER]
    page = open_page("oddest", state={"oddest: view": "Agreement"})
    assert "remove that folder" in text_of(page)


def test_rankings_of_an_earlier_version_are_no_rankings(seen):
    config = detections(seen)[0].path / "config.json"
    record = json.loads(config.read_text())
    record["survey"]["content_hash"] = "another"
    config.write_text(json.dumps(record))
    rank_by(seen, "lof")  # the folder of the runs has changed
    assert [one.detector for one in rankings(seen)] == ["lof"]
    (detections(seen)[0].path / "config.json").write_text(json.dumps(record))
    with RunFolder(seen, JobKind.QUALITY, {}):
        pass
    assert "2 rankings are of an earlier version" in text_of(open_page("oddest"))
