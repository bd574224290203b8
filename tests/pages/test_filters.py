"""The one filter of all pages: on the map, among look-alikes and candidates, in the link."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from core.errors import BadInput, InUse
from core.survey.filtering import as_condition
from core.vocabulary import Role
from pages import candidates
from pages._server.filters import conditions_of, filter_text
from pages._server.identity import Identity
from pages._server.tables import ANSWER, SurveyTable
from pages._shared import filter_line
from tests.pages.acts import answer, learn
from tests.pages.kit import labels_of, open_page, press, text_of
from tests.pages.maps import address, ids_of, make_map, select


@pytest.fixture
def mapped(services, tiny):
    """The survey with an embedding and a map; the name of the map."""
    return make_map(services, tiny)


def passing(who, run, conditions, status=200):
    text = json.dumps(conditions)
    got = who.get(address("map_filter", run, filter=text))
    assert got.status == status, got.body
    if status != 200:
        return got.json()["error"]
    length = int.from_bytes(got.body[:4], "little")
    head = json.loads(got.body[4 : 4 + length])
    bits = np.unpackbits(np.frombuffer(got.body[4 + length :], np.uint8), bitorder="little")
    points = np.flatnonzero(bits).tolist()
    assert head["n"] == len(points)
    return points, head["follows"]


def test_a_filter_is_a_bit_a_point_and_a_lasso_takes_what_passes(browser, mapped, services, tiny):
    # Point 5 and those after it are rows 6 and after: g5 has no place.
    flux = [["flux", "≥", 2], ["flux", "<", 7]]
    assert passing(browser, mapped, flux) == ([2, 3, 4, 5], False)
    whole = [[-2, -2], [2, -2], [2, 2], [-2, 2]]
    shown = {"conditions": json.dumps(flux)}
    made = select(browser, mapped, polygon=whole, filter=shown)
    assert made["is_all"] is False
    assert ids_of(services, tiny, made["selection"]) == ["g2", "g3", "g4", "g6"]
    origin = services.selections.get(made["selection"]).origin
    assert (origin["filter"], origin.get("tells")) == (flux, None)
    assert select(browser, mapped, polygon=whole)["is_all"] is True
    shown = {"conditions": '[["flux",">",99]]'}
    assert select(browser, mapped, polygon=whole, filter=shown)["selection"] is None

    answer(browser, "g3")
    found, follows = passing(browser, mapped, [[":answer", "is", "dual"]])
    assert (found, follows) == ([3], True)
    shown = {"conditions": '[[":answer","is missing",null]]'}
    made = select(browser, mapped, polygon=whole, filter=shown)
    assert "g3" not in ids_of(services, tiny, made["selection"])
    assert services.selections.get(made["selection"]).origin["tells"] == ["dual"]

    assert "no column 'gone'" in passing(browser, mapped, [["gone", ">", 1]], status=404)
    assert "cannot be read" in passing(browser, mapped, {"not": "a list"}, status=422)
    for conditions in (5, "no json"):
        select(browser, mapped, status=422, polygon=whole, filter={"conditions": conditions})


def test_on_a_blind_task_a_filter_knows_ones_own_answers_alone(
    browser, annotator, mapped, workspace, db
):
    db.change_task("dual", "ann", blind=True)
    learn(workspace)
    answer(browser, "g1")
    answer(annotator, "g2")
    mine = [[":answer", "has a value", None]]
    assert passing(annotator, mapped, mine)[0] == [2]
    assert passing(browser, mapped, mine)[0] == [1, 2]
    assert passing(browser, mapped, [[":score", ">", 0.5]])[0]
    assert "no column" in passing(annotator, mapped, [[":score", ">", 0.5]], status=404)


def test_what_does_not_pass_is_faint_in_the_picture(browser, mapped):
    bright = {"by": "class", "size": 100, "filter": '[["flux",">",0]]'}
    got = browser.get(address("map_picture", mapped, **bright))
    opacity = np.asarray(Image.open(io.BytesIO(got.body)))[..., 3]
    low_left, low_right = opacity[60:75, :10], opacity[60:75, -10:]  # g0 and g1
    assert 0 < low_left.max() < 90 < 130 < low_right.max()


def test_a_filter_is_as_long_as_an_address_has_it():
    def conditions(n):
        return [as_condition(["name", "is one of", ["é" * n, "ü" * n]])]

    assert conditions_of(filter_text(conditions(300))) == tuple(conditions(300))
    with pytest.raises(
        BadInput, match=r"up to 4,000 characters there, but this one takes 4,2\d\d;"
    ):
        filter_text(conditions(350))  # six characters each


def test_what_is_kept_of_answers_drives_nothing_else_out(services, tiny, browser):
    ann = Identity("ann", "ann", Role.OWNER)
    task = services.db().task("dual")
    flux, answered = (
        [as_condition(["flux", ">", 3])],
        [as_condition([ANSWER, "has a value", None])],
    )
    kept = SurveyTable(services, task, tiny, ann).mask(flux)
    for number in range(3):
        answer(browser, f"g{number}")
        found = SurveyTable(services, task, tiny, ann).mask(answered)
        assert np.flatnonzero(found).tolist() == list(range(number + 1))
    assert len(services.tables._values) == 1
    np.testing.assert_array_equal(SurveyTable(services, task, tiny, ann).mask(flux), kept)


# On the pages

BRIGHT = '[["flux",">",3]]'


@pytest.mark.parametrize("page", ["map", "similar", "candidates"])
def test_a_page_says_the_filter_and_forgets_it_when_told(services, workspace, mapped, page):
    learn(workspace)
    script = open_page(page, {"filter": BRIGHT})
    assert "Filter: flux > 3 (5 of 9)" in text_of(script).replace("*", "")
    press(script, "Remove")
    assert "filter" not in script.query_params
    assert "(5 of 9)" not in text_of(script)
    assert "Remove" not in labels_of(script)


def test_a_filter_that_does_not_fit_is_told_and_one_may_leave_nothing(services, mapped):
    script = open_page("map", {"filter": '[["gone",">",3],["flux",">",99]]'})
    assert "The condition gone > 3 was left out." in text_of(script)
    assert script.query_params["filter"] == '[["flux",">",99]]'
    assert "(0 of 9): nothing passes; change or remove it" in text_of(script).replace("*", "")


def test_look_alikes_are_sought_among_what_passes(services, tiny, mapped):
    script = open_page("similar", {"filter": BRIGHT, "object": "g1"})
    assert "The 5 nearest of 5 objects that pass the filter" in text_of(script)
    press(script, "Select all 5 shown")
    (made,) = services.db().selections("tiny")
    assert made.origin["filter"] == [["flux", ">", 3]]
    assert set(ids_of(services, tiny, made.id)) == {"g4", "g5", "g6", "g7", "α/β <b>&"}
    script = open_page("similar", {"filter": '[["flux",">",99]]', "object": "g1"})
    assert "does not pass the filter" in text_of(script)


def test_candidates_are_of_what_passes(services, workspace):
    learn(workspace)

    def offered(script):
        return [getattr(one, "label", "") for one in script.get("download_button")]

    assert "Candidates CSV (9)" in offered(open_page("candidates"))
    script = open_page("candidates", {"filter": BRIGHT})
    assert "Candidates CSV (5)" in offered(script)
    assert "g3" not in text_of(script)


def test_a_candidate_list_says_its_filter(services, workspace, monkeypatch):
    learn(workspace)
    given = []

    def lines(*arguments):
        given.append(arguments[-1])
        return []

    class At:
        """A button that is pressed at once."""

        def __call__(self, _label, data, **_more):
            data()

    monkeypatch.setattr(candidates, "candidate_lines", lines)
    monkeypatch.setattr(candidates.st, "download_button", At())
    many = [["flux", ">", number] for number in range(6)]
    open_page("candidates", {"filter": json.dumps(many)})
    open_page("candidates")
    assert given == [" and ".join(f"flux > {number}" for number in range(6)), ""]


def test_a_filter_that_cannot_be_held_against_the_survey_now_stays(services, mapped, monkeypatch):
    def busy(*_arguments):
        raise InUse("The survey is in use; wait.")

    monkeypatch.setattr(filter_line, "filtered", busy)
    script = open_page("map", {"filter": BRIGHT})
    assert "The survey is in use; wait." in text_of(script)
    assert script.query_params["filter"] == BRIGHT
    assert "Select with the lasso" not in text_of(script)


def test_a_link_whose_filter_is_broken_writes_no_markdown(services, mapped):
    (told,) = open_page("map", {"filter": '[["[x](http://y)","![z](http://y)",1]]'}).warning
    assert "It was left out" in told.value.replace("\\", "")
    assert "](" not in told.value
