"""Maps of held-out objects: read from what a training noted, coloured, and looked through."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from streamlit.testing.v1 import AppTest

from core.representation.training.checkpoint import STATE
from core.survey import RunFolder
from core.vocabulary import Action, JobKind
from labels_db import NewEvent
from pages._shared import encoders_train_maps
from pages._shared.encoders_metrics import METRICS, read_maps
from pages._shared.encoders_train_maps import COLUMN, ELSEWHERE, NO_ANSWER, TASK, coloured_by
from pages._shared.encoders_train_maps_figure import Coloured, map_figure, window_of
from tests.pages.conftest import IDS
from tests.pages.kit import one, open_page, text_of

PLACES = np.array([[0.0, 0.5], [1.0, -0.5], [-1.0, 0.25]])
OBJECTS = (("tiny", IDS[0]), ("tiny", IDS[-1]), ("other", "x"))


def records(*steps: int) -> list[dict]:
    """What a training notes: the first map says which objects there are."""
    found = [
        {
            "step": step,
            "quality": {"neighbour_consistency": step / 100},
            "map": (PLACES * step).tolist(),
        }
        for step in steps
    ]
    found[0]["objects"] = {"tiny": [IDS[0], IDS[-1]], "other": ["x"]}
    return [{"step": 1, "loss": 1.0, "seconds": 1.0}, *found]


def lines(*told: dict) -> str:
    return "".join(json.dumps(one) + "\n" for one in told)


@pytest.fixture
def trained(tiny):
    """A finished training with three maps, whose weights are of the second."""
    with RunFolder(tiny, JobKind.PRETRAIN, {"method": "byol", "surveys": {}, "seed": 3}) as run:
        (run.path / METRICS).write_text(lines(*records(10, 20, 30)))
        run.result.update(ending="all steps done", best_step=20)
    return run


def test_maps_are_read_and_what_is_damaged_is_left_out(tmp_path):
    path = tmp_path / METRICS
    assert read_maps(path) is None
    path.write_text(lines({"step": 1, "loss": 1.0}, {"step": 9, "quality": {"rank": 2.0}}))
    assert read_maps(path) is None
    bad = [
        {"step": 40, "map": [[0, 0]]},
        {"step": 50, "map": "x"},
        {"step": 60, "map": [[None, 1]] * 3},
    ]
    path.write_text(lines(*records(10, 20), *bad) + '{"step": 30, "map": [[1,')
    maps = read_maps(path)
    assert maps is not None
    assert maps.steps == (10, 20)
    assert maps.objects == OBJECTS
    np.testing.assert_allclose(maps.positions, [PLACES * 10, PLACES * 20])
    assert maps.kept.tolist() == [0.1, 0.2]
    save_file(
        {"x": np.zeros(1)},
        tmp_path / STATE,
        {"state": json.dumps({"history": records(10)[:1], "qualities": records(10, 20)[1:]})},
    )
    stopped = read_maps(tmp_path / STATE)
    assert stopped is not None
    assert (stopped.steps, stopped.objects) == (maps.steps, maps.objects)
    np.testing.assert_array_equal(stopped.positions, maps.positions)


def test_objects_are_coloured_by_columns_and_answers(services, sign_in, db, tiny, monkeypatch):
    flux = coloured_by(tiny, OBJECTS, (COLUMN, "flux"))
    assert flux.values is not None
    np.testing.assert_array_equal(flux.values, [0.0, len(IDS) - 1, np.nan])
    assert [flux.words(place) for place in range(3)] == ["flux 0", "flux 8", "flux unknown"]
    db.record(
        NewEvent(
            "00000000-0000-4000-8000-000000000001",
            "dual",
            IDS[-1],
            1,
            "cat",
            action=Action.LABEL,
            class_name="dual",
        )
    )
    answers = coloured_by(tiny, OBJECTS, (TASK, "dual"))
    assert answers.groups is not None
    assert answers.groups.tolist() == [NO_ANSWER, "dual", ELSEWHERE]
    assert [name for name, _ in answers.colours] == [ELSEWHERE, NO_ANSWER, "dual", "<b>no</b>"]
    # What is kept from this person colours nothing.
    monkeypatch.setattr(encoders_train_maps, "shown_classes", lambda task: {})
    hidden = coloured_by(tiny, OBJECTS, (TASK, "dual"))
    assert hidden.groups is not None
    assert hidden.groups.tolist() == [NO_ANSWER, NO_ANSWER, ELSEWHERE]
    gone = coloured_by(tiny, (("tiny", "gone"),), (COLUMN, "flux"))
    assert gone.words(0) == "flux unknown"


def test_the_figure_has_every_object_once_by_its_id_and_a_ring():
    groups = np.array(["<b>a", "b", "<b>a"], object)
    coloured = Coloured("", None, groups, (("<b>a", "#111111"), ("b", "#222222")))
    figure = map_figure(PLACES, OBJECTS, coloured, window_of(PLACES[None]), OBJECTS[2])
    first, second, ring = figure.data
    assert [tuple(one) for one in first.customdata] == [OBJECTS[0], OBJECTS[2]]
    assert [tuple(one) for one in second.customdata] == [OBJECTS[1]]
    assert (first.x.tolist(), first.y.tolist()) == ([0.0, -1.0], [0.5, 0.25])
    assert (ring.x.tolist(), ring.y.tolist()) == ([-1.0], [0.25])
    assert "<b>" not in figure.to_json()
    for axis, told in zip(PLACES.T, (figure.layout.xaxis, figure.layout.yaxis), strict=True):
        low, high = told.range
        assert low < axis.min()
        assert high > axis.max()
    window = window_of(PLACES[None])
    numbers = map_figure(
        PLACES, OBJECTS, Coloured("z", np.array([1.0, np.nan, 3.0])), window, None
    )
    unknown, known, _ = numbers.data
    assert [tuple(one) for one in unknown.customdata] == [OBJECTS[1]]
    assert known.marker.color.tolist() == [1.0, 3.0]


def shown(script: AppTest) -> np.ndarray:
    """(N, 2) positions in the map that is drawn."""
    told = [json.loads(one.proto.spec) for one in script.get("plotly_chart")]
    (figure,) = [one for one in told if one["layout"].get("uirevision") == "map"]
    trace = figure["data"][0]
    return np.stack([_numbers(trace["x"]), _numbers(trace["y"])], axis=1)


def _numbers(told) -> np.ndarray:
    import base64

    if isinstance(told, dict):
        return np.frombuffer(base64.b64decode(told["bdata"]), np.dtype(told["dtype"]))
    return np.asarray(told, float)


@pytest.mark.parametrize("view", ["train", "quality"])
def test_the_slider_begins_at_the_weights_kept_and_goes_to_other_steps(
    services, sign_in, trained, view
):
    sign_in("vic")
    script = open_page("encoders", {"view": view})
    np.testing.assert_allclose(shown(script), PLACES * 20)
    said = text_of(script)
    assert (
        "Step 20, 20% of the nearest neighbours kept in another view, its weights are kept."
        in said
    )
    one(script.select_slider, "Step").set_value(30).run()
    assert not script.exception
    np.testing.assert_allclose(shown(script), PLACES * 30)
    assert "kept are those of step 20." in text_of(script)
    one(script.selectbox, "Colour by").select(("column", "flux")).run()
    assert not script.exception
    np.testing.assert_allclose(shown(script), (PLACES * 30)[2:])  # the one of no known flux
    assert "Click a point to see its object." in text_of(script)


def test_a_training_without_maps_is_told(services, sign_in, tiny):
    with RunFolder(tiny, JobKind.PRETRAIN, {"method": "byol", "surveys": {}}) as run:
        (run.path / METRICS).write_text(lines({"step": 1, "loss": 1.0}))
    assert "none of these has noted any" in text_of(open_page("encoders", {"view": "train"}))


def test_the_picture_of_the_object_that_was_clicked(services, sign_in, trained):
    key = f"train map {trained.run_id} picked"
    script = open_page("encoders", {"view": "train"}, {key: OBJECTS[1]})
    page = text_of(script)
    assert "object_id=%CE%B1%2F%CE%B2+%3Cb%3E%26" in page
    assert "α/β &lt;b&gt;&amp;" in page
    script = open_page("encoders", {"view": "train"}, {key: OBJECTS[2]})
    assert "other" in text_of(script)  # a survey that is not there any more is a sentence
    assert not script.exception
