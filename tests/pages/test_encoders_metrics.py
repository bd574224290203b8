"""Curves of a pretraining: what is read of its metrics, and how they are drawn."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pages._shared.encoders_curves import Trace, curve
from pages._shared.encoders_metrics import Curve, Curves, read_curves

RECORDS = [
    {"step": 0, "loss": 50.0, "invariance": 1.0, "learning_rate": 1e-4, "seconds": 1.0},
    {"step": 10, "quality": {"rank": 3.0, "two_point": 0.5}},
    {"step": 20, "loss": 2.0, "invariance": 0.5, "learning_rate": 1e-3, "seconds": 61.0},
    {"step": 20, "quality": {"rank": 9.0}},
]


@pytest.fixture
def metrics(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in RECORDS))
    return path


def test_loss_parts_and_quality_are_curves_of_their_own(metrics):
    found = read_curves(metrics)
    assert list(found.loss) == ["loss", "invariance"]
    assert found.loss["invariance"].values.tolist() == [1.0, 0.5]
    assert found.loss["loss"].steps.tolist() == [0, 20]
    assert found.quality["rank"].values.tolist() == [3.0, 9.0]
    assert found.quality["two_point"].steps.tolist() == [10]
    assert found.rate is not None
    assert found.rate.values.tolist() == [1e-4, 1e-3]
    assert found.has_times
    assert found.last_step == 20


def test_minutes_of_a_quality_record_lie_between_those_of_its_neighbours(metrics):
    two_point = read_curves(metrics).quality["two_point"]
    assert two_point.minutes.tolist() == pytest.approx([(1 + 30) / 60])


def test_damaged_lines_and_values_that_are_no_numbers_are_left_out(metrics):
    with open(metrics, "ab") as handle:
        handle.write(b'[1, 2]\n"x"\n\xff\xfe\n{"loss": 1}\n{"step": "3", "loss": 1}\n')
        handle.write(
            b'{"step": 30, "loss": NaN, "invariance": 0.25, "note": "Batch halved.", "ok": true}\n'
        )
        handle.write(b'{"step": 31, "quality": {"rank": Infinity, "two_point": null}}\n')
        handle.write(b'{"step": 40, "loss": 0.1, "inv')
    found = read_curves(metrics)
    assert found.loss["loss"].steps.tolist() == [0, 20]
    assert found.loss["invariance"].steps.tolist() == [0, 20, 30]
    assert set(found.loss) == {"loss", "invariance"}
    assert found.notes == ("Batch halved.",)
    assert found.quality["rank"].values.tolist() == [3.0, 9.0]


def test_of_two_records_of_a_step_the_later_counts(metrics):
    with open(metrics, "a") as handle:
        handle.write(json.dumps({"step": 0, "loss": 7.0, "seconds": 70.0}) + "\n")
    assert read_curves(metrics).loss["loss"].values.tolist() == [7.0, 2.0]


def test_a_file_that_is_not_there_has_no_curves(tmp_path):
    found = read_curves(tmp_path / "none.jsonl")
    assert found.loss == {}
    assert found.last_step is None


def test_runs_of_older_versions_have_no_times(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 0.0, "loss": 3.0, "variance": 1.0}\n')
    found = read_curves(path)
    assert not found.has_times
    assert found.rate is None
    assert np.isnan(found.loss["variance"].minutes).all()


def a_curve(values) -> Curve:
    steps = np.arange(len(values), dtype=np.float64) * 10
    return Curve(steps, steps / 60, np.array(values, np.float64))


def test_a_figure_overlays_runs_and_marks_the_chosen_step(metrics):
    curves = read_curves(metrics)
    traces = [Trace("<b>one", curves, 0, 20.0), Trace("two", curves, 1)]
    figure = curve("Rank", [(one, a_curve([1, 2, 3])) for one in traces], False, mark=True)
    assert [one.name for one in figure.data] == ["&lt;b&gt;one", "two"]
    assert figure.data[0].line.color != figure.data[1].line.color
    assert [shape.x0 for shape in figure.layout.shapes] == [20.0]
    figure = curve("Rank", [(traces[0], a_curve([1, 2, 3]))], True, mark=True)
    assert [shape.x0 for shape in figure.layout.shapes] == pytest.approx([20 / 60])


def test_an_axis_is_logarithmic_where_a_positive_curve_spans_much():
    trace = Trace("one", Curves(), 0)
    assert curve("x", [(trace, a_curve([1, 1000]))], False).layout.yaxis.type == "log"
    assert curve("x", [(trace, a_curve([1, 2]))], False).layout.yaxis.type == "linear"
    assert curve("x", [(trace, a_curve([-1, 1000]))], False).layout.yaxis.type == "linear"


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    trace = Trace("one", Curves(), 0)
    (line,) = curve("x", [(trace, a_curve(range(5000)))], False).data
    assert len(line.x) <= 800
    assert (line.y[0], line.y[-1]) == (0, 4999)
