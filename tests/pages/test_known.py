"""What is known of an object, on the label page, among the candidates and for a blind task."""

from __future__ import annotations

import csv

import pyarrow as pa
import pytest

from core.survey.added_columns import write_columns
from core.vocabulary import JobKind
from tests.pages.acts import NO, answer, seen
from tests.pages.conftest import IDS, rank
from tests.pages.test_pages import draw

SENTENCE = "Already known as M 51 <b> (SIMBAD)."


@pytest.fixture
def known(services):
    """g0 is known, g1 is a duplicate of it."""
    survey = services.survey("tiny")
    names = ["M 51 <b> (SIMBAD)", *[None] * (len(IDS) - 1)]
    counts = [1, *[0] * (len(IDS) - 1)]
    columns = {"known_as": pa.array(names), "known_n": pa.array(counts, pa.int64())}
    write_columns(survey, "known", JobKind.CROSSMATCH, columns)
    of = [None, "g0", *[None] * (len(IDS) - 2)]
    write_columns(survey, "same", JobKind.DUPLICATES, {"duplicate_of": pa.array(of)})
    return survey


def names(browser):
    return [one["name"] for one in browser.get("/api/task?task=dual").json()["columns"]]


def columns(browser, task="&task=dual", wanted="known_as"):
    url = f"/api/columns?survey=tiny&object_id=g0&column={wanted}&column=flux{task}"
    return browser.get(url).json()["columns"]["g0"]


def test_columns_that_come_while_the_page_is_open(browser, services):
    assert names(browser) == ["flux", "hole"]
    assert seen(browser)["known"] is None
    survey = services.survey("tiny")
    write_columns(survey, "one", JobKind.DUPLICATES, {"more": pa.array([1.5] * len(IDS))})
    assert names(browser) == ["flux", "hole", "more"]
    assert seen(browser)["columns"]["more"] == 1.5


def test_the_label_page_is_told_what_is_known(browser, viewer, workspace, known):
    rank(workspace, ["g1", "g0"])
    assert names(browser) == ["flux", "hole", "duplicate_of", "known_as", "known_n"]
    items = browser.post("/api/lease", {"task": "dual", "n": 2}).json()["items"]
    assert [one["known"] for one in items] == [None, SENTENCE]
    assert items[1]["columns"]["known_n"] == 1
    assert items[0]["columns"]["duplicate_of"] == "g0"
    assert seen(viewer)["known"] == SENTENCE
    assert columns(browser) == {"known_as": "M 51 <b> (SIMBAD)", "flux": 0.0}


@pytest.mark.parametrize("role", ["browser", "annotator", "viewer"])
def test_on_a_blind_task_it_is_kept_until_the_answer(role, request, workspace, db, known):
    who = request.getfixturevalue(role)
    db.change_task("dual", "ann", blind=True, answers_per_object=3)
    rank(workspace, ["g0", "g1"])
    assert names(who) == ["flux", "hole", "duplicate_of"]
    told = [seen(who), *who.get("/api/queue?task=dual").json()["items"]]
    if role != "viewer":
        told += who.post("/api/lease", {"task": "dual", "n": 1}).json()["items"]
    for one in told:
        assert one["known"] is None
        assert not {"known_as", "known_n"} & set(one["columns"])
    asked = "/api/object?task=dual&object_id=g0&columns=known_as&columns=flux"
    assert who.get(asked).json()["columns"] == {"flux": 0.0}
    assert columns(who) == {"flux": 0.0}
    assert columns(who, task="") == {"flux": 0.0}
    if role == "viewer":
        return
    answer(who, "g0", NO)
    assert seen(who)["known"] == SENTENCE
    assert columns(who)["known_as"] == "M 51 <b> (SIMBAD)"
    assert seen(who, "g1")["known"] is None


def test_a_task_of_another_survey_opens_nothing(browser, workspace, db, known):
    from tests.pages.acts import sky_survey

    sky_survey(workspace)
    db.change_task("dual", "ann", blind=True)
    assert columns(browser, task="&task=stars") == {"flux": 0.0}


def test_candidates_tell_and_leave_out_what_is_known(services, workspace, known):
    from core.export import rank_candidates
    from pages.candidates import candidate_lines

    rank(workspace, IDS)
    page = draw("candidates")
    (box,) = [one for one in page.checkbox if "already known" in one.label]
    assert box.label == "Leave out the 1 already known"
    button = "Candidates CSV ({})".format
    labels = [one.proto.label for one in page.get("download_button")]
    assert button(len(IDS)) in labels
    box.check().run()
    assert not page.exception
    labels = [one.proto.label for one in page.get("download_button")]
    assert button(len(IDS) - 1) in labels
    task, scores = services.db().task("dual"), services.scores(services.db().task("dual"))
    ranked = rank_candidates(known.object_ids, scores.values)
    rows = list(csv.DictReader(candidate_lines(task, known, scores, ranked)))
    assert [row["known_as"] for row in rows[:2]] == ["M 51 <b> (SIMBAD)", ""]
    assert rows[1]["duplicate_of"] == "g0"


def test_without_a_cross_match_there_is_no_such_choice(services, workspace):
    rank(workspace, IDS)
    assert not [one for one in draw("candidates").checkbox if "already known" in one.label]
