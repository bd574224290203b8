"""The catalogue page: what each may plot, what a box selects, links, and awkward columns."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from core.errors import BadInput, NotReady
from core.survey import Batch, SurveyWriter
from core.survey.added_columns import write_columns
from core.survey.filtering import Condition, Operator
from core.survey.layout import ColumnInfo
from core.vocabulary import JobKind
from core.workspace import Workspace
from labels_db import LabelsDB, Selection, TaskSpec
from pages._server.catalogue import MAX_ON_AXIS, PlotSource, unit_words
from pages._server.catalogue_brush import Shape
from pages._server.catalogue_select import Mode, brushed, categories_of, held
from pages._server.catalogue_spec import Drawn, Plot, PlotKind, as_plot
from pages._server.catalogue_table import drawn_csv
from pages._server.catalogue_view import MAX_POINTS, Bars, Cells, Points, places_of, view_of
from pages._server.filters import filtered
from pages._server.identity import Identity
from pages._server.services import Services
from pages._shared import catalogue_state
from pages._shared.catalogue_figures import figure_of
from tests.pages.conftest import ROLES, rank
from tests.pages.kit import labels_of, one, open_page, press, text_of

N = 400


@pytest.fixture
def rows() -> dict[str, np.ndarray]:
    """The catalogue of `field`, whose columns are awkward in every way."""
    rng = np.random.default_rng(0)
    flux = rng.lognormal(0, 2, N)
    flux[:7], flux[7:12] = [np.nan] * 4 + [0, -1, -2], np.inf
    return {
        "ra": rng.normal(0, 4, N) % 360,
        "dec": rng.normal(-30, 2, N),
        "flux": flux,
        "mag": np.where(np.arange(N) % 50 == 0, -9999.0, rng.normal(20, 1, N)),
        "flat": np.full(N, 3.0),
        "kind": np.array(["star", "galaxy", "=x"])[rng.integers(0, 3, N)],
        "name": np.array([f"name {place:03d}" for place in range(N)]),
    }


@pytest.fixture
def field(workspace: Workspace, db: LabelsDB, rows: dict[str, np.ndarray]) -> None:
    """A table of `rows` with a task."""
    info = {"flux": ColumnInfo("erg / (s cm2)", "as measured")}
    with SurveyWriter(
        workspace,
        "field",
        bands=(),
        cutout_size_px=0,
        dtype="uint8",
        origin="made for a test",
        licence="none",
        columns=info,
    ) as writer:
        lines: list[Any] = [
            dict(zip(rows, line, strict=True))
            for line in zip(*(values.tolist() for values in rows.values()), strict=True)
        ]
        writer.append(Batch([f"o-{row:03d}" for row in range(N)], images=None, columns=lines))
        writer.commit()
    db.create_task(TaskSpec("field", "field", "What?", ("star", "quasar"), "quasar"))


@pytest.fixture
def source(services: Services, field: None) -> PlotSource:
    """All that the owner may plot of `field`."""
    return source_of(services, "field")


def source_of(services: Services, task: str, name: str = "ann") -> PlotSource:
    who = Identity(name, name, ROLES[name])
    found = services.db().task(task)
    return PlotSource(services, found, services.survey(found.survey), who)


def bars_of(source: PlotSource, plot: Plot, *masks: np.ndarray | None) -> Bars:
    view = view_of(source, plot, *(masks or (None, None)))
    assert isinstance(view, Bars)
    return view


def cells_of(source: PlotSource, plot: Plot, *masks: np.ndarray | None) -> Cells:
    view = view_of(source, plot, *(masks or (None, None)))
    assert isinstance(view, Cells)
    return view


def points_of(source: PlotSource, plot: Plot, *masks: np.ndarray | None) -> Points:
    view = view_of(source, plot, *(masks or (None, None)))
    assert isinstance(view, Points)
    return view


def kept(source: PlotSource, plot: Plot, shape: Shape, *more: Any) -> Selection:
    """The selection of a shape, which holds some objects."""
    drawn_of, *others = more or ((),)
    made = brushed(source, plot, shape, drawn_of, *(others or (None,)))
    assert made is not None
    return made


def plots(*listed: Plot) -> dict[str, str]:
    return {"plots": json.dumps([plot.as_json() for plot in listed])}


MAG_FLUX = Plot(PlotKind.SCATTER, "column:flux", "column:mag", log_x=True)


def test_a_box_holds_every_object_in_it_drawn_or_not(source, rows, services):
    mag, flux = rows["mag"], rows["flux"]
    shape = Shape((0.5, 20.0), (19.0, 20.5))
    expected = np.flatnonzero((flux >= 0.5) & (flux <= 20) & (mag >= 19) & (mag <= 20.5))
    made = kept(source, MAG_FLUX, shape, (), None)
    assert services.selections.rows(made.id, source.survey).tolist() == expected.tolist()
    assert 20 < len(expected) < 200
    assert made.origin["words"] == ("In a plot flux 0.5 to 20 erg / (s cm2) and mag 19 to 20.5")
    assert brushed(source, MAG_FLUX, Shape((0.5, 0.5001), (0, 1)), (), None) is None
    everything = kept(source, MAG_FLUX, Shape((-1e300, 1e300), (-1e300, 1e300)), (), None)
    # Infinite, missing, and on a logarithmic axis zero and less have no place.
    assert everything.n_objects == N - 12


def test_modes_join_with_what_was_selected_and_the_filter_counts(source, rows, services):
    shape = Shape((0.0, 30.0), (19.0, 21.0))
    inside = (rows["flux"] > 0) & (rows["flux"] <= 30)
    inside &= (rows["mag"] >= 19) & (rows["mag"] <= 21)
    before = np.arange(0, N, 3)
    was = np.isin(np.arange(N), before)
    old = services.selections.add(source.survey, before, {"kind": "upload"}, "ann", "mine")
    for mode, expected in (
        (Mode.NEW, inside),
        (Mode.ADD, inside | was),
        (Mode.WITHIN, inside & was),
        (Mode.OUT, was & ~inside),
    ):
        made = kept(source, MAG_FLUX, shape, (), None, mode, (old, before))
        found = services.selections.rows(made.id, source.survey)
        assert found.tolist() == np.flatnonzero(expected).tolist(), mode
    kinds = (Condition("kind", Operator.IS, "star"),)
    passing = filtered(services, source.task, source.survey, source.who, kinds)
    made = kept(source, MAG_FLUX, shape, (), passing)
    stars = inside & (rows["kind"] == "star")
    found = services.selections.rows(made.id, source.survey)
    assert found.tolist() == np.flatnonzero(stars).tolist()
    assert made.origin["filter"] == [["kind", "is", "star"]]
    assert "of what passes kind is star" in made.origin["words"]


def test_categories_have_places_that_stay_and_are_checked(source, rows, services):
    plot = Plot(PlotKind.SCATTER, "column:kind", "column:mag")
    places = places_of(source, plot)
    names = categories_of(places)
    assert set(names) == {"star", "galaxy", "=x"}
    where = names.index("star")
    assert np.array_equal(np.round(places.x) == where, rows["kind"] == "star")
    assert np.array_equal(places.x, places_of(source, plot).x)
    column = Shape((where - 0.5, where + 0.5), (-1e9, 1e9))
    assert held(source, plot, column, names).tolist() == (rows["kind"] == "star").tolist()
    with pytest.raises(BadInput, match="draw the box or lasso again"):
        held(source, plot, column, names[::-1])
    bars = Plot(PlotKind.HISTOGRAM, "column:kind")
    made = kept(source, bars, Shape((where - 0.2, where + 0.9), (0, 9)), names, None)
    assert made.origin["words"] == "In a plot kind star"
    assert made.n_objects == (rows["kind"] == "star").sum()


def test_a_category_of_every_object_is_one_of_a_few(source):
    axis = source.axis("column:name")
    assert len(axis.names) == MAX_ON_AXIS
    assert axis.names[-1] == f"{N - (MAX_ON_AXIS - 1)} others"
    assert np.bincount(axis.values.astype(int)).tolist() == [1] * 23 + [N - 23]
    view = bars_of(source, Plot(PlotKind.HISTOGRAM, "column:name"))
    assert view.table.sum() == N
    split = Plot(PlotKind.HISTOGRAM, "column:mag", colour="column:name", whole=True)
    view = bars_of(source, split)
    parts = np.sum([counts for _, _, counts in view.split], axis=0)
    assert parts.tolist() == view.table.tolist()
    assert view.split[-1][0] == f"{N - 7} others"
    assert [counts.sum() for _, _, counts in view.split] == [1] * 7 + [N - 7]


def test_a_category_against_itself_is_no_line(source, rows):
    places = places_of(source, Plot(PlotKind.SCATTER, "column:kind", "column:kind"))
    assert places.y is not None
    assert np.array_equal(np.round(places.x), np.round(places.y))
    aside = places.x - np.round(places.x), places.y - np.round(places.y)
    assert abs(np.corrcoef(*aside)[0, 1]) < 0.2


def test_bars_cells_and_points_count_what_they_leave_out(source, rows):
    selected = np.arange(N) < 40
    stars = rows["kind"] == "star"
    plot = Plot(PlotKind.HISTOGRAM, "column:flux", colour="column:kind", log_x=True, bins=20)
    view = bars_of(source, plot, stars, selected)
    good = stars & (rows["flux"] > 0) & np.isfinite(rows["flux"])
    values = np.log10(rows["flux"], where=good, out=np.full(N, np.nan))
    expected, _ = np.histogram(values[good], view.bins.edges)
    assert view.table.tolist() == expected.tolist()
    part, _ = np.histogram(values[good & selected], view.bins.edges)
    assert view.selected.tolist() == part.tolist()
    assert [name for name, _, counts in view.split if counts.any()] == ["star"]
    counts = view.counts
    assert counts.n == good.sum()
    assert counts.n_not_positive == (stars & (rows["flux"] <= 0)).sum()
    assert counts.n + counts.n_not_positive + counts.n_missing == stars.sum()
    assert counts.n_selected == (good & selected).sum()

    points = points_of(source, MAG_FLUX, stars, selected)
    assert points.rows.tolist() == np.flatnonzero(good).tolist()
    assert points.selected.rows.tolist() == np.flatnonzero(good & selected).tolist()
    assert points.counts.n_outside == (good & (rows["mag"] < 0)).sum() > 0
    cells = cells_of(source, replace(MAG_FLUX, drawn=Drawn.DENSITY), stars, selected)
    assert cells.table.sum() == good.sum() - points.counts.n_outside


def test_above_what_a_browser_draws_objects_are_counted_or_sampled(source, monkeypatch):
    monkeypatch.setattr("pages._server.catalogue_view.MAX_POINTS", 100)
    monkeypatch.setattr("pages._server.catalogue_view._MANY_SELECTED", 10)
    selected = np.arange(N) % 2 == 0
    sky = cells_of(source, Plot(PlotKind.SKY), None, selected)
    assert sky.chosen is not None
    assert sky.table.sum() == N
    assert sky.chosen.sum() == selected.sum()
    assert len(sky.selected.rows) == 0
    by_kind = Plot(PlotKind.SKY, colour="column:kind")
    drawn = points_of(source, by_kind, None, selected)
    assert len(drawn.rows) == 100
    assert len(drawn.selected.rows) == 100
    assert drawn.rows.tolist() == points_of(source, by_kind).rows.tolist()
    mean = cells_of(source, Plot(PlotKind.SKY, colour="column:mag"))
    assert mean.mean_of is not None
    assert mean.mean_of.title == "mag"
    assert MAX_POINTS == 50_000


def test_a_lasso_over_0h_and_a_survey_without_positions(source, rows, services):
    view = points_of(source, Plot(PlotKind.SKY))
    assert view.x.max() - view.x.min() < 60
    shape = Shape((-3.0, 3.0), (-31.0, -29.0))
    ra, dec = rows["ra"], rows["dec"]
    near = ((ra >= 357) | (ra <= 3)) & (dec >= -31) & (dec <= -29)
    assert held(source, Plot(PlotKind.SKY), shape, ()).tolist() == near.tolist()
    assert held(source, Plot(PlotKind.SKY, centre=180), shape, ()).tolist() == near.tolist()
    made = kept(source, Plot(PlotKind.SKY), shape, (), None)
    assert "right ascension 357 to 3" in made.origin["words"]
    tiny = source_of(services, "dual")
    assert not tiny.has_sky
    with pytest.raises(NotReady, match="has no positions"):
        view_of(tiny, Plot(PlotKind.SKY), None, None)


def test_the_drawn_data_are_safe_csv(source, rows):
    plot = Plot(PlotKind.SCATTER, "column:mag", "column:flux", "column:kind")
    text = drawn_csv(source, plot, places_of(source, plot), view_of(source, plot, None, None))
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == N - 9
    assert list(lines[0]) == ["object_id", "mag", "flux", "kind", "selected"]
    for line in lines:
        row = int(line["object_id"][2:])
        assert float(line["flux"]) == rows["flux"][row]
        assert line["kind"] == rows["kind"][row].replace("=x", "'=x")
    selected = rows["kind"] == "star"
    plot = Plot(PlotKind.HISTOGRAM, "column:mag", whole=True)
    text = drawn_csv(source, plot, places_of(source, plot), view_of(source, plot, None, selected))
    lines = list(csv.DictReader(io.StringIO(text)))
    assert sum(int(line["objects"]) for line in lines) == N
    assert sum(int(line["selected"]) for line in lines) == selected.sum()
    plot = Plot(PlotKind.SKY, drawn=Drawn.DENSITY)
    text = drawn_csv(source, plot, places_of(source, plot), view_of(source, plot, None, None))
    lines = list(csv.DictReader(io.StringIO(text)))
    assert sum(int(line["objects"]) for line in lines) == N
    assert all(float(line["x from"]) < float(line["x to"]) for line in lines)


def test_the_drawn_data_tell_every_selected_object_and_category(source, rows, monkeypatch):
    monkeypatch.setattr("pages._server.catalogue_view.MAX_POINTS", 100)
    selected = np.arange(N) % 2 == 0
    plot = Plot(PlotKind.SCATTER, "column:mag", "column:mag", "column:name", whole=True)
    view = points_of(source, plot, None, selected)
    text = drawn_csv(source, plot, places_of(source, plot), view)
    lines = list(csv.DictReader(io.StringIO(text)))
    assert list(lines[0]) == ["object_id", "mag", "mag (2)", "name", "selected"]
    assert 100 < len(lines) < 200
    names = source.colours("column:name").names
    assert len(names) == 61
    for line in lines:
        row = int(line["object_id"][2:])
        assert line["selected"] == str(int(selected[row]))
        assert float(line["mag"]) == float(line["mag (2)"]) == rows["mag"][row]
        assert line["name"] == (rows["name"][row] if rows["name"][row] in names else "340 others")
    figure = figure_of(source.survey, plot, places_of(source, plot), view)
    # Eight of 400 are named, of which one stands for 340.
    assert "and 53 more" in [one.name for one in figure.data]


def test_columns_called_as_those_of_the_file_are_kept_apart(source, rows):
    words = pa.array(np.where(rows["kind"] == "star", "objects", "selected").tolist())
    write_columns(source.survey, "more", JobKind.CROSSMATCH, {"selected": words})
    plot = Plot(PlotKind.SCATTER, "column:mag", "column:flux", "column:selected")
    text = drawn_csv(source, plot, places_of(source, plot), view_of(source, plot, None, None))
    lines = list(csv.DictReader(io.StringIO(text)))
    assert {line["selected"] for line in lines} == {"0"}
    assert {line["selected (2)"] for line in lines} == {"objects", "selected"}
    plot = Plot(PlotKind.HISTOGRAM, "column:mag", colour="column:selected", whole=True)
    text = drawn_csv(source, plot, places_of(source, plot), view_of(source, plot, None, None))
    lines = list(csv.DictReader(io.StringIO(text)))
    assert sum(int(line["objects"]) for line in lines) == N
    assert sum(int(line["objects (2)"]) for line in lines) == (rows["kind"] == "star").sum()


@pytest.mark.parametrize(
    ("by", "light"), [("column:flux", True), ("column:flat", False), ("column:kind", True)]
)
def test_every_kind_of_quantity_has_a_figure(source, by, light):
    for plot in (
        Plot(PlotKind.HISTOGRAM, by, log_x=True, log_y=True),
        Plot(PlotKind.SCATTER, by, "column:mag", by, log_x=True, log_colour=True),
        Plot(PlotKind.SCATTER, "column:mag", by, by, drawn=Drawn.DENSITY, whole=True),
        Plot(PlotKind.SKY, colour=by, mollweide=light),
    ):
        view = view_of(source, plot, None, np.arange(N) < 9)
        places = places_of(source, plot)
        figure = figure_of(source.survey, plot, places, view, light=light)
        assert figure.layout.xaxis.range[0] != figure.layout.xaxis.range[1]
        if plot.kind is PlotKind.SKY:
            assert figure.layout.xaxis.range[0] > figure.layout.xaxis.range[1]  # to the left


def draw_in_a_plot() -> None:
    """Runs in AppTest's own script: what happens when a browser has drawn something."""
    import streamlit as st

    from pages._server.services import services
    from pages._shared import catalogue_plot as panel
    from pages._shared.catalogue_state import Kept

    survey = services().survey("field")
    kept = Kept(0, st.session_state["plot of the test"])
    panel._brushed("drawn", "field", survey, kept, st.session_state["categories"])
    panel.tell_brushed()


def drawn(plot: Plot, box: dict[str, Any], **state: Any) -> AppTest:
    script = AppTest.from_function(draw_in_a_plot, default_timeout=20)
    state |= {"drawn": {"selection": {"box": [box], "lasso": []}}, "plot of the test": plot}
    for key, value in {"categories": (), **state}.items():
        script.session_state[key] = value
    script.run()
    assert not script.exception
    return script


def test_what_was_drawn_is_selected_or_it_is_said_why_not(services, sign_in, field, rows):
    sign_in("vic")  # viewers may select
    script = drawn(MAG_FLUX, {"x": [0.5, 20.0], "y": [20.5, 19.0]})
    first = script.query_params["selection"]
    first = first[0] if isinstance(first, list) else first
    assert services.selections.get(first).made_by == "vic"
    only = {"selection": first, "catalogue mode": Mode.WITHIN}
    script = drawn(MAG_FLUX, {"x": [0.5, 20.0], "y": [10.0, 11.0]}, **only)
    assert "Nothing would be left selected" in script.warning[0].value
    script = drawn(MAG_FLUX, {"x": [0.5, 20.0], "y": [10.0, 11.0]})
    assert "No object lies in there" in script.warning[0].value
    script = drawn(MAG_FLUX, {"x": [0.5], "y": [10.0, 11.0]})
    assert "draw it again" in script.warning[0].value
    kinds = Plot(PlotKind.HISTOGRAM, "column:kind")
    script = drawn(kinds, {"x": [0.5, 1.5], "y": [0, 1]}, categories=("a", "b", "c"))
    assert "have changed since it was drawn" in script.warning[0].value
    lost = Plot(PlotKind.HISTOGRAM, "column:lost")
    assert "nothing to plot" in drawn(lost, {"x": [0, 1], "y": [0, 1]}).warning[0].value


def test_on_a_blind_task_no_truth_is_offered(services, field, db):
    survey = services.survey("field")
    known = pa.array(["a quasar", *[None] * (N - 1)])
    write_columns(survey, "matched", JobKind.CROSSMATCH, {"known_as": known})
    assert "column:known_as" in source_of(services, "field", "cat").quantities
    db.change_task("field", "ann", blind=True)
    hidden = source_of(services, "field", "cat")
    assert "column:known_as" not in hidden.quantities
    assert {"prediction", "uncertainty", "anomaly", "sampler"}.isdisjoint(hidden.quantities)
    with pytest.raises(BadInput, match="nothing to plot"):
        view_of(hidden, Plot(PlotKind.HISTOGRAM, "column:known_as"), None, None)
    owner = source_of(services, "field")
    plot = Plot(PlotKind.HISTOGRAM, "column:known_as")
    names = categories_of(places_of(owner, plot))
    place = names.index("a quasar")
    made = kept(owner, plot, Shape((place - 0.1, place + 0.1), (0, 1)), names, None)
    assert made.origin["knows"] is True
    assert not services.selections.may_see(made, hidden.who)
    plain = kept(owner, Plot(PlotKind.SKY, colour="class"), Shape((0, 360), (-90, 90)), (), None)
    assert services.selections.may_see(plain, hidden.who)


def test_scores_are_plotted_and_what_they_select_tells(services, workspace, sign_in):
    rank(workspace, ["g1", "g2"])
    source = source_of(services, "dual")
    axis = source.axis("prediction")
    np.testing.assert_allclose(axis.values, np.linspace(0.9, 0.1, 9), atol=1e-6)
    np.testing.assert_allclose(source.axis("uncertainty").values[4], 1.0, atol=1e-6)
    plot = Plot(PlotKind.HISTOGRAM, "prediction")
    made = kept(source, plot, Shape((0.45, 1.0), (0, 5)), (), None)
    assert made.origin["tells"] == ["dual"]
    assert made.n_objects == 5


def test_a_plot_of_a_link_is_read_or_refused():
    for plot in (
        MAG_FLUX,
        Plot(PlotKind.SKY, centre=12.5, mollweide=True, drawn=Drawn.POINTS),
        Plot(PlotKind.HISTOGRAM, "class", bins=7),
    ):
        assert as_plot(json.loads(json.dumps(plot.as_json()))) == plot
    refused: tuple[Any, ...] = (
        {"kind": "pie"},
        {"kind": "scatter", "x": "a"},
        {"kind": "histogram"},
        {"kind": "histogram", "x": "a", "bins": 10**9},
        {"kind": "histogram", "x": "a", "bins": math.nan},
        {"kind": "histogram", "x": "a", "log_x": "yes"},
        {"kind": "sky", "centre": 1e9},
        {"kind": "sky", "centre": 10**400},
        {"kind": "histogram", "x": "a", "bins": -(10**5000)},
        {"kind": "sky", "eval": "1"},
        {"kind": "sky", "colour": ["a"]},
        {"kind": "sky", "colour": "a" * 200},
        {"kind": "sky", "colour": "\ud800"},
        [],
        7,
    )
    for broken in refused:
        with pytest.raises(BadInput, match="cannot be read"):
            as_plot(broken)


def test_units_are_written_as_astronomers_do():
    assert unit_words("erg / (s cm2)") == "erg s⁻¹ cm⁻²"
    assert unit_words("mag") == "mag"
    assert unit_words("bananas a year") == "bananas a year"


def test_the_page_shows_what_there_is_and_says_what_there_is_not(services, sign_in, field):
    page = open_page("catalogue", {"task": "field"})
    text = text_of(page)
    assert len(page.get("plotly_chart")) == 3
    assert "**mag against flux**" in text
    assert "5 without a value" not in text
    assert f"{N} objects" in text
    assert "scatter" in page.query_params["plots"]
    page = open_page("catalogue", {"task": "dual"})
    assert "flux" in text_of(page)
    assert "9 objects" in text_of(page)


def test_links_that_do_not_fit_are_told_and_others_shown(services, sign_in, field):
    unknown = Plot(PlotKind.HISTOGRAM, "column:lost")
    coloured = Plot(PlotKind.SKY, colour="prediction")
    page = open_page("catalogue", {"task": "field", **plots(unknown, coloured)})
    said = " ".join(one.value for one in page.warning).replace("\\", "")
    assert "no 'lost' to plot" in said
    assert "without its colours" in said
    assert len(page.get("plotly_chart")) == 1
    for broken in ("[[", "{}", "[" * 3000, "x" * 5000):
        assert "cannot be read" in catalogue_state._read(broken)[1]
    hollow = Plot(PlotKind.HISTOGRAM, "column:hole")
    page = open_page("catalogue", {"task": "dual", **plots(hollow)})
    assert "None of 9 objects has a value here" in page.info[0].value


def test_plots_are_changed_added_removed_and_stay(services, sign_in, field):
    only = Plot(PlotKind.HISTOGRAM, "column:mag")
    page = open_page("catalogue", {"task": "field", **plots(only)})
    one(page.selectbox, "x axis").set_value("column:flux").run()
    one(page.toggle, "Log x").set_value(True).run()
    assert "3 of zero or less, which a log axis leaves out" in text_of(page)
    kept = json.loads(page.query_params["plots"])
    assert kept == [{"kind": "histogram", "x": "column:flux", "log_x": True}]
    one(page.get("button_group"), "Plot").set_value("scatter").run()
    assert not page.exception
    assert json.loads(page.query_params["plots"])[0]["y"] == "column:mag"
    press(page, "Add a plot")
    assert len(json.loads(page.query_params["plots"])) == 2
    del page.query_params["plots"]  # as on the address of a page that was left
    removing = [each for each in page.button if each.help == "Remove the plot"]
    removing[0].click().run()
    assert len(page.get("plotly_chart")) == 1
    (left,) = json.loads(page.query_params["plots"])
    assert left == {"kind": "scatter", "x": "column:flux", "y": "column:mag"}


def test_the_filter_and_the_selection_of_other_pages_count(services, sign_in, field, rows):
    survey = services.survey("field")
    chosen = np.flatnonzero(rows["kind"] == "star")[:30]
    made = services.selections.add(survey, chosen, {"kind": "upload"}, "ann").id
    query = {"task": "field", "selection": made, "filter": '[["kind","is","star"]]'}
    page = open_page("catalogue", {**query, **plots(Plot(PlotKind.HISTOGRAM, "column:mag"))})
    n = (rows["kind"] == "star").sum()
    assert f"{n} objects. **30 selected**" in text_of(page)
    assert "**30 objects** selected" in text_of(page)
    assert "Clear" in labels_of(page)
    page = open_page("catalogue", {"task": "field", "filter": '[["kind","is","none"]]'})
    assert "Nothing passes the filter" in page.info[0].value
