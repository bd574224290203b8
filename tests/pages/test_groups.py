"""The Groups page and what stands behind it: kept groupings, names, flags, rights, refusals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binomtest

from core.errors import AlreadyExists, BadInput, Damaged, NotFound
from core.mapping import groups_columns
from core.mapping.groups_columns import Apart
from core.survey import RunFolder
from core.survey.added_columns import write_columns
from core.survey.filtering import Kind
from core.vocabulary import JobKind
from pages._server.groups import (
    CENTRAL,
    PERIPHERAL,
    RANDOM,
    choice_of,
    core_of,
    kept_groupings,
    members,
    name_group,
    shown_groupings,
    title_of,
)
from pages._server.groups_columns import columns_apart
from pages._server.groups_table import Flags, flagged_groups, group_table
from pages._server.map_colours import colourings
from pages._server.tables import Column
from pages._shared.distinct import distinct
from pages._shared.groups_columns import _bars
from pages._shared.groups_state import grouping_titles
from tests.pages.conftest import IDS, embed
from tests.pages.kit import labels_of, one, open_page, press, text_of
from tests.pages.test_selections import ANN, CAT, label, next_version

GROUPS = [0, 1, 0, 0, 1, 0, -1, 2, 1]
DISTANCES = [3.0, 0.5, 1.0, 2.0, 0.5, 1.5, np.nan, 0.0, 0.25]


def grouped(survey, groups=GROUPS, distances=DISTANCES, **config) -> str:
    """Write a finished grouping; its run id."""
    settings = {"method": "kmeans", "k": 3, "embedding_run": "embed-1", "encoder": "pca"}
    with RunFolder(survey, JobKind.GROUP, {**settings, "seed": 0, **config}) as run:
        np.save(run.path / "groups.npy", np.array(groups, np.int32))
        np.save(run.path / "distances.npy", np.array(distances, np.float32))
        run.result.update(n_groups=3, sizes=[4, 3, 1], in_none=1, note="Something was done.")
        return run.run_id


def measured(survey, raised: Sequence[bool | None], name: str = "flag_trail") -> None:
    zero = [None if one is None else False for one in raised]
    columns = {name: pa.array(raised, pa.bool_()), "flag_zero": pa.array(zero, pa.bool_())}
    write_columns(survey, f"measure-{name}", "measure", columns)


def opened(**query):
    return open_page("groups", query)


def test_the_newest_comes_first_and_objects_by_distance_then_row(services, tiny):
    assert kept_groupings(services, tiny) == []
    grouped(tiny, method="mixture")
    run_id = grouped(tiny)
    found, older = kept_groupings(services, tiny)
    assert (found.run_id, found.method, found.k, found.of_version) == (run_id, "kmeans", 3, None)
    assert (found.title, older.title) == ("K-means, 3 groups", "Gaussian mixture, 3 groups")
    assert found.groups().tolist() == GROUPS
    np.testing.assert_array_equal(found.distances(), np.array(DISTANCES, dtype=np.float32))
    assert [members(found, one).tolist() for one in range(3)] == [[2, 5, 3, 0], [8, 1, 4], [7]]
    assert members(found, 0, PERIPHERAL).tolist() == [0, 3, 5, 2]
    shuffled = members(found, 0, RANDOM).tolist()
    assert sorted(shuffled) == [0, 2, 3, 5]
    assert shuffled == members(found, 0, RANDOM).tolist()
    passing = np.arange(9) != 5
    assert members(found, 0, CENTRAL, passing).tolist() == [2, 3, 0]
    assert [core_of(members(found, 0), one).tolist() for one in (10, 50, 51, 100)] == [
        [2],
        [2, 5],
        [2, 5, 3],
        [2, 5, 3, 0],
    ]


def test_groups_follow_the_objects_into_another_version(services, workspace, tiny):
    grouped(tiny)
    ids = ["new", *reversed(IDS)]
    next_version(workspace, tiny, ids)
    survey = services.survey("tiny")
    assert survey.version == 2
    (found,) = kept_groupings(services, survey)
    assert found.of_version == 1
    of_id = dict(zip(IDS, GROUPS, strict=True))
    assert found.groups().tolist() == [of_id.get(one, -1) for one in ids]
    assert np.isnan(found.distances()[0])
    assert [ids[row] for row in members(found, 1)] == ["α/β <b>&", "g4", "g1"]
    embed(survey)
    text = text_of(opened())
    assert "They were made of version 1 of the survey" in text
    assert "2 objects are in none of them" in text
    shutil.rmtree(tiny.folder / "versions" / "1")
    services.__init__(workspace, services.owner, start_processes=False)  # opens surveys anew
    assert kept_groupings(services, services.survey("tiny")) == []


@pytest.mark.parametrize("damage", ["cut", "short", "gone", "pickled"])
def test_a_damaged_run_is_told_and_another_can_be_chosen(services, tiny, damage):
    embed(tiny)
    grouped(tiny, method="mixture")
    path = tiny.folder / "runs" / grouped(tiny) / "groups.npy"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:60])
    elif damage == "short":
        np.save(path, np.zeros(4, np.int32))
    elif damage == "pickled":
        np.save(path, np.array([{}] * 9, dtype=object), allow_pickle=True)
    else:
        path.unlink()
    with pytest.raises(Damaged, match="choose another one, or remove the folder"):
        kept_groupings(services, tiny)[0].groups()
    if damage == "cut":
        script = opened()
        assert "cannot be read" in text_of(script)
        choice = one(script.selectbox, "Grouping")
        choice.select_index(1).run()
        assert "Group 1: 4 objects" in text_of(script)


def test_groups_have_names_that_differ(services, tiny):
    grouped(tiny)

    def now():
        return kept_groupings(services, tiny)[0]

    name_group(now(), 1, "  trails <b> ")
    name_group(now(), 0, "spirals")
    assert now().names == {0: "spirals", 1: "trails <b>"}
    assert [title_of(now(), one) for one in range(3)] == ["spirals", "trails <b>", "Group 3"]
    with pytest.raises(AlreadyExists, match="'SPIRALS' already"):
        name_group(now(), 2, "SPIRALS")
    name_group(now(), 0, "Spirals")
    name_group(now(), 1, " ")
    assert now().names == {0: "Spirals"}
    with pytest.raises(BadInput, match="up to 64 printable"):
        name_group(now(), 0, "x" * 65)
    with pytest.raises(BadInput, match="printable"):
        name_group(now(), 0, "a\nb")
    with pytest.raises(BadInput, match="what another group is called"):
        name_group(now(), 0, "group 03")
    name_group(now(), 2, "Group 3")
    assert [choice_of(now(), one) for one in range(3)] == ["1 · Spirals", "Group 2", "3 · Group 3"]
    with pytest.raises(NotFound, match="1 to 3, but 4 was named"):
        name_group(now(), 3, "x")
    (now().path / "names.json").write_text("[1, 2]")
    assert now().names == {}
    assert "cannot be read" in now().trouble
    gone = now()
    shutil.rmtree(gone.path)
    with pytest.raises(NotFound, match="removed meanwhile"):
        name_group(gone, 0, "x")


def test_artefact_groups_are_those_whose_share_surely_lies_above_the_others():
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2, -1], [400, 60, 5, 35])
    raised = rng.random((500, 2)) < 0.02
    raised[400:460, 1] |= rng.random(60) < 0.7  # most of group 1
    raised[460:463, 0] = True  # three of five prove nothing
    seen = rng.random(500) < 0.95
    raised &= seen[:, None]
    found = flagged_groups(groups, Flags(("dead", "trail"), raised, seen), 3)
    level = 1 - 0.05 / (3 * 3)
    for group, one_group in enumerate(found):
        here = (groups == group) & seen
        n = int((raised.any(axis=1) & here).sum())
        exact = binomtest(n, int(here.sum())).proportion_ci(level, "exact")
        assert (one_group.n, one_group.measured) == (n, here.sum())
        assert (one_group.low, one_group.high) == pytest.approx((exact.low, exact.high))
        elsewhere = raised[(groups != group) & seen].any(axis=1).mean()
        assert one_group.elsewhere == pytest.approx(elsewhere)
    assert [bool(one_group.suspect) for one_group in found] == [False, True, False]
    ((name, here, there),) = found[1].suspect
    assert name == "trail"
    assert here > 0.6 > 0.05 > there


def test_a_table_counts_answers_finds_and_flags(services, tiny, db):
    grouped(tiny)
    for object_id, name in (("g0", "dual"), ("g2", "<b>no</b>"), ("g1", "dual"), ("g6", "dual")):
        label(db, object_id, name)
    measured(tiny, [True, None, False, True, False, False, True, False, False])
    (grouping,) = kept_groupings(services, tiny)
    table = group_table(services, db.task("dual"), tiny, ANN, grouping)
    assert [(row.size, row.labelled, row.finds) for row in table.rows] == [
        (4, 2, 1),
        (3, 1, 1),
        (1, 0, 0),
    ]
    flagged = [row.flagged for row in table.rows if row.flagged is not None]
    assert [(one.n, one.measured) for one in flagged] == [
        (2, 4),
        (0, 2),
        (0, 1),
    ]
    assert (table.n_objects, table.in_none) == (9, 1)
    passing = np.array([True, True, False, False, False, False, True, True, False])
    some = group_table(services, db.task("dual"), tiny, ANN, grouping, passing)
    assert [(row.size, row.labelled, row.finds) for row in some.rows] == [
        (1, 1, 1),
        (1, 1, 1),
        (1, 0, 0),
    ]
    assert (some.n_objects, some.in_none) == (4, 1)
    # Of what passes, rows 0, 6 and 7 are measured and none is in the second group.
    assert some.rows[1].flagged is not None
    assert (some.rows[1].flagged.measured, some.rows[1].flagged.elsewhere) == (0, 2 / 3)
    db.change_task("dual", "ann", blind=True)
    hidden = group_table(services, db.task("dual"), tiny, CAT, grouping)
    assert {(row.labelled, row.finds) for row in hidden.rows} == {(None, None)}
    assert hidden.rows[0].flagged == table.rows[0].flagged


def test_known_columns_of_a_blind_task_set_nothing_apart(services, tiny, db, monkeypatch):
    monkeypatch.setattr(groups_columns, "FEWEST", 3)
    grouped(tiny, groups=[0] * 5 + [1] * 4, distances=[1.0] * 9)
    far = pa.array([9.0] * 5 + [1.0] * 4)
    write_columns(tiny, "known", JobKind.CROSSMATCH, {"known_z": far})
    write_columns(tiny, "mine", JobKind.MEASURE, {"morph_r": far})
    (grouping,) = kept_groupings(services, tiny)

    def names(who):
        task = db.task("dual")
        return [c.name for c, _ in columns_apart(services, task, tiny, who, grouping, 0)]

    db.change_task("dual", "ann", blind=True)
    assert sorted(names(ANN)) == ["flux", "known_z", "morph_r"]
    assert sorted(names(CAT)) == ["flux", "morph_r"]


def test_no_two_choices_are_called_alike(services, tiny):
    runs = [grouped(tiny), grouped(tiny), grouped(tiny, seed=3), grouped(tiny, method="mixture")]
    titles = grouping_titles(kept_groupings(services, tiny))
    assert len(set(titles.values())) == 4
    assert titles[runs[2]].endswith(", seed 3") or titles[runs[2]].endswith(runs[2])
    assert distinct({1: "a", 2: "a", 3: "b"}, lambda _: "same", str) == {
        1: "a, 1",
        2: "a, 2",
        3: "b",
    }


def test_names_are_kept_from_annotators_of_a_blind_task(services, sign_in, tiny, db):
    embed(tiny)
    grouped(tiny)
    name_group(kept_groupings(services, tiny)[0], 0, "bleeds")
    script = opened()
    assert "bleeds: 4 objects" in text_of(script)
    assert one(script.selectbox, "Group").options[0] == "1 · bleeds (4)"
    press(script, "Select this group (4)")
    made = services.selections.get(script.query_params["selection"])
    assert made.origin["tells"] == ["dual"]
    assert services.selections.may_see(made, CAT)
    db.change_task("dual", "ann", blind=True)
    assert not services.selections.may_see(made, CAT)
    assert shown_groupings(services, tiny, ANN)[0].names == {0: "bleeds"}
    assert shown_groupings(services, tiny, CAT)[0].names == {}
    sign_in("cat")
    script = opened()
    assert "bleeds" not in text_of(script)
    assert "Names that groups were given are kept from you" in text_of(script)
    assert "Save its name" not in labels_of(script)
    press(script, "Select this group (4)")
    assert "tells" not in services.selections.get(script.query_params["selection"]).origin


def test_groups_of_a_taught_embedding_are_kept_as_the_answers_are(services, sign_in, tiny, db):
    embed(tiny)
    run = max((tiny.folder / "runs").glob("embed-*"))
    record = json.loads((run / "config.json").read_text())
    record["result"] = {"weights": {"refined": {"task": "dual", "earlier": []}}}
    (run / "config.json").write_text(json.dumps(record))
    grouped(tiny, embedding_run=run.name)
    assert "taught answers of dual, and the groups hang on these too" in text_of(opened())
    made = services.selections.get(press_all(opened()))
    assert made.origin["tells"] == ["dual"]
    gone = grouped(tiny, embedding_run="embed-gone", taught_by=["dual"])
    by = {one["by"] for one in colourings(services, db.task("dual"), tiny, CAT)}
    assert "group" in by
    db.change_task("dual", "ann", blind=True)
    assert shown_groupings(services, tiny, ANN)[0].run_id == gone
    assert shown_groupings(services, tiny, CAT) == []
    by = {one["by"] for one in colourings(services, db.task("dual"), tiny, CAT)}
    assert "group" not in by
    sign_in("cat")
    assert "2 more are kept from you" in text_of(opened())


def press_all(script) -> str:
    press(script, "Select this group (4)")
    return script.query_params["selection"]


def test_a_damaged_grouping_colours_no_map(services, tiny, db):
    path = tiny.folder / "runs" / grouped(tiny) / "groups.npy"
    task = db.task("dual")
    assert "group" in {one["by"] for one in colourings(services, task, tiny, ANN)}
    for damage in (b"", b"no array", path.read_bytes()[:-9]):
        path.write_bytes(damage)
        assert "group" not in {one["by"] for one in colourings(services, task, tiny, ANN)}


def test_columns_that_begin_alike_are_two_bars():
    long = "a column of a long and a wordy name, "
    found = [
        (Column(name, f"<b>{long}{name}", Kind.NUMBER), Apart(name, 1.0, 0.5, 1.0, 0.0, 9, 9))
        for name in ("one", "two")
    ]
    figure = _bars(found)
    assert list(figure.data[0].y) == [0, 1]
    assert [one.startswith("&lt;b&gt;a column") for one in figure.layout.yaxis.ticktext] == [
        True
    ] * 2


def test_without_groups_the_owner_makes_some(services, sign_in, tiny, jobs):
    embed(tiny)
    script = opened()
    assert "There are no groups of this survey yet" in text_of(script)
    one(script.number_input, "K, the number of groups").set_value(3).run()
    one(script.checkbox, "Weigh columns equally").check().run()
    press(script, "Make groups")
    run_id = services.embedding(tiny).run_id
    assert jobs == [
        (
            JobKind.GROUP,
            "tiny",
            ["tiny", "--method=kmeans", f"--embedding={run_id}", "--k=3", "--standardise"],
        )
    ]
    one(script.selectbox, "Method").set_value("mixture").run()
    one(script.checkbox, "Propose K").check().run()
    press(script, "Make groups")
    assert "--k=auto" in jobs[-1][2]
    one(script.selectbox, "Method").set_value("hdbscan").run()
    one(script.number_input, "Fewest objects in a group").set_value(2).run()
    press(script, "Make groups")
    assert jobs[-1][2][1:4:2] == ["--method=hdbscan", "--min-size=2"]
    grouped(tiny)
    script.run()
    assert "Group 1: 4 objects" in text_of(script)
    sign_in("cat")
    assert "Make groups" not in labels_of(opened())


def test_a_group_and_its_core_become_selections_of_exactly_these(services, tiny, db):
    embed(tiny)
    run_id = grouped(tiny)
    script = opened(grouping=run_id, group="2")
    text = text_of(script)
    assert "Group 2: 3 objects" in text
    assert "Something was done." in text
    assert "core.run measure tiny" in text
    assert text.index(">α/β &lt;b&gt;&amp;</div>") < text.index(">g1</div>")
    assert ">g0</div>" not in text
    press(script, "Select its core (2)")
    made = services.selections.get(script.query_params["selection"])
    assert services.selections.rows(made.id, tiny).tolist() == [1, 8]
    assert made.origin["kind"] == "group"
    assert made.origin["words"] == (
        f"Group 2 of K-means, 3 groups ({run_id}), the most central 50 % of it"
    )
    press(script, "Select this group (3)")
    whole = script.query_params["selection"]
    assert services.selections.rows(whole, tiny).tolist() == [1, 4, 8]
    one(script.text_input, "Name of the group").set_value("round <i>")
    press(script, "Save its name")
    assert kept_groupings(services, tiny)[0].names == {1: "round <i>"}
    text = text_of(script)
    assert "round <i>: 3 objects" in text
    assert "round &lt;i&gt;</a>" in text
    one(script.selectbox, "Group").select_index(2).run()
    assert "Group 3: 1 object" in text_of(script)
    assert script.query_params["group"] == "3"


def test_a_filter_leaves_its_objects_alone(services, tiny, db):
    embed(tiny)
    label(db, "g0")
    db.change_task("dual", "ann", blind=True)
    grouped(tiny)
    script = opened(filter='[[":answer","is missing",null],["flux","<",5]]')
    text = text_of(script)
    assert "Group 1: 2 objects" in text
    press(script, "Select this group (2)")
    made = services.selections.get(script.query_params["selection"])
    assert services.selections.rows(made.id, tiny).tolist() == [2, 3]
    assert made.origin["tells"] == ["dual"]
    script = opened(filter='[["flux",">",99]]')
    assert "The filter leaves none of its objects" in text_of(script)


def test_flags_mark_a_group_and_a_link_to_no_grouping_is_told(services, sign_in, tiny, db):
    embed(tiny)
    label(db, "g1")
    grouped(tiny, groups=[0, 0, 0, 0, 1, 1, 1, 1, 1], distances=np.zeros(9))
    measured(tiny, [False] * 4 + [True] * 5)
    text = text_of(opened(grouping="none-such", group="2"))
    assert "none-such of this link is not there" in text
    assert "May be artefacts. trail: 100 % here, 0 % elsewhere" not in text
    assert "0 of 4 are flagged: 0 % (0 to " in text
    text = text_of(opened(group="2"))
    assert "May be artefacts. trail: 100 % here, 0 % elsewhere" in text
    assert "5 of 5 are flagged: 100 % (31 to 100 %, the exact" in text
    assert '<td class="number">1<small>25 %</small></td>' in text
    db.change_task("dual", "ann", blind=True)
    sign_in("cat")
    text = text_of(opened())
    assert "kept from you, since the task is blind" in text
    assert "Labelled" not in text
    assert "Select this group (4)" in labels_of(opened())
    sign_in("vic")
    script = opened(group="99999999999999999999")
    assert not {"Select this group (4)", "Save its name", "Make groups"} & set(labels_of(script))
    assert "Group 1: 4 objects" in text_of(script)
