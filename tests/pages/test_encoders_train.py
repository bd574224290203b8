"""The Train view: what is asked for, curves and networks, and trainings that stop."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from core.config import PretrainConfig
from core.representation.training.checkpoint import STATE
from core.run import _parser
from core.survey import Batch, RunFolder, SurveyWriter
from core.vocabulary import JobKind
from pages._shared.encoders_curves import Trace, picking_words
from pages._shared.encoders_metrics import read_curves
from pages._shared.encoders_stopped import PLAN, arguments_again, stopped_trainings
from pages._shared.encoders_train import ending_words
from pages._shared.encoders_train_form import Wish, train_arguments
from pages._shared.encoders_words import (
    names_of,
    networks,
    run_words,
)
from tests.pages.kit import labels_of, one, press, text_of
from tests.pages.trainings import ASKED, ENDED, called, draw, train


def test_curves_of_a_stopped_training_stay(services, sign_in, db, tiny):
    db.start_run("pretrain-1", JobKind.PRETRAIN, "tiny", ASKED)
    db.mark_cancelled("pretrain-1")
    folder = tiny.folder / "checkpoints" / "vicreg-1"
    folder.mkdir(parents=True)
    plan = {"config": {"method": "vicreg"}, "words": "20 steps"}
    (folder / PLAN).write_text(json.dumps(plan))
    state = {
        "history": [{"step": 1, "loss": 3.0, "seconds": 1.0}, {"step": 9, "loss": 1.0}],
        "qualities": [{"step": 9, "quality": {"neighbour_consistency": 0.5}}],
    }
    save_file({"x": np.zeros(1)}, folder / STATE, {"state": json.dumps(state)})
    script = draw("train")
    (name,) = one(script.multiselect, "Runs").options
    assert re.fullmatch(r"vicreg, \d+ \w{3} \d\d:\d\d, seed 0", name)
    assert f"{name}, stopped" in text_of(script)
    assert len(script.get("plotly_chart")) == 2
    sign_in("vic")
    script = draw("train")
    assert len(script.get("plotly_chart")) == 2
    assert "Owners train networks" in text_of(script)
    (folder / STATE).write_bytes(b"damaged")
    assert "Nothing is noted yet" in text_of(draw("train"))


def test_a_job_that_is_starting_can_be_cancelled(services, sign_in, tiny, monkeypatch):
    is_alive, ended = [True], []
    monkeypatch.setattr(services.children, "job_running", lambda kind, survey: is_alive[0])
    monkeypatch.setattr(services.children, "stop_job", lambda kind, survey: ended.append(kind))
    script = draw("train")
    press(script, "Cancel")
    assert ended == [JobKind.PRETRAIN]
    assert "Cancel" not in labels_of(script)
    is_alive[0] = False
    script.run()
    assert "was stopped before it began" in text_of(script)


def test_what_is_asked_for_becomes_a_command(services, sign_in, jobs):
    script = draw("train")
    assert "No network is trained on tiny yet" in text_of(script)
    one(script.number_input, "Minutes").set_value(3).run()
    one(script.selectbox, "Method").select("byol").run()
    one(script.selectbox, "Augmentations").select("strong").run()
    one(script.number_input, "Batch size").set_value(64).run()
    one(script.multiselect, "Augmentations to leave out").select("noise").run()
    press(script, "Train")
    kind, subject, words = jobs[0]
    assert (kind, subject) == (JobKind.PRETRAIN, "tiny")
    asked = _parser().parse_args(["pretrain", *words])
    assert (asked.surveys, asked.method, asked.minutes, asked.steps) == (
        ["tiny"],
        "byol",
        3.0,
        None,
    )
    assert (asked.batch_size, asked.learning_rate) == (64, None)
    assert (asked.augmentation, asked.without) == ("strong", ["noise"])


def test_a_setting_that_cannot_be_read_is_a_sentence_and_starts_nothing(services, sign_in, jobs):
    script = draw("train")
    one(script.text_area, "Settings of vicreg").input("widths 3").run()
    press(script, "Train")
    assert "KEY=VALUE" in script.error[0].value.replace("\\", "")
    assert jobs == []


def test_steps_and_settings_are_passed_on():
    wish = Wish(("a", "b"), "vicreg", None, 70, None, 0.002, off=("noise", "zoom"))
    words = train_arguments(wish)
    asked = _parser().parse_args(["pretrain", *words])
    assert (asked.surveys, asked.steps, asked.minutes) == (["a", "b"], 70, None)
    assert (asked.learning_rate, asked.without) == (0.002, ["noise", "zoom"])
    assert not asked.no_early_stop
    more = train_arguments(
        Wish(("a",), early_stop=False, settings="\n projection = 64 \n", seed=7)
    )
    asked = _parser().parse_args(["pretrain", *more])
    assert (asked.set, asked.seed, asked.no_early_stop) == (["projection=64"], 7, True)


def test_the_augmentations_lead_to_their_view(services, sign_in, monkeypatch):
    from pages import encoders

    seen = []
    monkeypatch.setattr(encoders, "_views", lambda survey: seen.append(survey.name))
    press(draw("train"), "See them on your own objects")
    assert seen == ["tiny"]


def test_a_survey_without_pictures_is_not_trained_on(services, sign_in, workspace):
    with SurveyWriter(
        workspace,
        "table",
        bands=(),
        cutout_size_px=0,
        dtype="float32",
        origin="made up",
        licence="none",
    ) as writer:
        writer.append(Batch(["a", "b"], None, [{"x": 1.0}, {"x": 2.0}]))
        writer.commit()
    script = draw("train", "table")
    assert "table has none" in text_of(script)
    assert "Train" not in labels_of(script)
    encoders = one(draw("embeddings", "table").selectbox, "Encoder").options
    assert "columns (default)" in encoders
    assert "vicreg" not in encoders


def test_curves_and_networks_are_drawn_and_can_be_embedded_with(services, sign_in, tiny, jobs):
    more: dict[str, Any] = {
        "augmentation": "strong",
        "augmentation_strength": 0.5,
        "augmentation_off": ["noise"],
    }
    first = train(tiny, **more)
    second = train(tiny, "byol")
    script = draw("train")
    page = text_of(script)
    assert "The loss is no measure of progress" in page
    assert (
        len(script.get("plotly_chart")) == 5
    )  # two measures, the loss, its part, the learning rate
    table = script.dataframe[0].value
    assert table["Network"].tolist() == [called(tiny, second), called(tiny, first)]
    assert set(table["Network"]) == set(one(script.multiselect, "Runs").options)
    assert table["Weights of step"].tolist() == [30, 30]
    assert table["Neighbours kept"].tolist() == [50, 50]
    assert table["Augmentations"].tolist() == ["standard", "strong x 0.5 without noise"]
    assert table["How it ended"][0] == "Stopped early at step 40"
    assert f"**{called(tiny, second)}** Stopped early at step 40; kept are the weights" in page
    assert "The batch was halved." in page
    press(script, "Embed with it alone")
    assert jobs[-1][2][:2] == ["tiny", "--encoder=byol"]


def test_a_training_has_one_name_while_it_runs_and_afterwards(services, db, tiny):
    run_id = "pretrain-tiny-20260226T003705-d81758"
    db.start_run(run_id, JobKind.PRETRAIN, "tiny", ASKED | {"seed": 7})
    (row,) = [run for run in db.runs(9) if run.run_id == run_id]
    assert run_words(row).startswith("vicreg, 26 Feb ")
    assert run_words(row).endswith(" 00:37, seed 7")
    with RunFolder(tiny, JobKind.PRETRAIN, ASKED | {"seed": 7}, run_id=run_id):
        pass
    (run,) = networks(tiny)
    assert run_words(run) == run_words(row)
    assert names_of([run]) == {run_id: run_words(run)}
    twin = replace(run, run_id=f"{run_id[:-6]}abcdef")
    assert list(names_of([run, twin]).values()) == [
        f"{run_words(run)} (d81758)",
        f"{run_words(run)} (abcdef)",
    ]


def test_runs_of_older_versions_are_drawn_against_steps(services, sign_in, tiny):
    with RunFolder(tiny, JobKind.PRETRAIN, {"method": "VICReg", "surveys": {}}) as run:
        (run.path / "metrics.jsonl").write_text('{"step": 0.0, "loss": 3.0, "variance": 1.0}\n')
    script = draw("train")
    assert script.dataframe[0].value["Network"][0].startswith("vicreg, ")
    assert len(script.get("plotly_chart")) == 2
    one(script.get("button_group"), "Against").set_value("Minutes").run()
    assert "No times were noted by vicreg" in text_of(script)


def test_a_training_that_runs_is_told_and_stopped(services, sign_in, db, tiny):
    db.start_run("pretrain-1", JobKind.PRETRAIN, "tiny", ASKED)
    db.heartbeat("pretrain-1", fraction=0.25, message="step 5 of 20", eta_s=75)
    folder = tiny.folder / "runs" / "pretrain-1.partial"
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text('{"step": 5, "loss": 2.0, "seconds": 3}\n{"step": 6, "l')
    script = draw("train")
    assert one(script.button, "Train").disabled
    assert len(script.get("plotly_chart")) == 1
    assert "No quality is measured" in text_of(script)
    sign_in("cat")
    assert "Cancel" not in labels_of(draw("train"))
    sign_in("ann")
    press(script, "Cancel")
    assert db.cancel_requested("pretrain-1")
    db.mark_cancelled("pretrain-1")
    script.run()
    assert "was stopped on request" in text_of(script)
    press(script, "Close")
    assert "was stopped on request" not in text_of(script)


def test_how_a_job_ended_is_told(services, sign_in, db, tiny):
    db.start_run("pretrain-1", JobKind.PRETRAIN, "tiny", ASKED)
    script = draw("train")
    db.finish_run("pretrain-1", ENDED)
    script.run()
    page = text_of(script)
    assert re.search(r"The network vicreg, .* is trained. Stopped early at step 40; kept", page)
    assert "The batch was halved." in page
    assert "Embed with it alone" in labels_of(script)
    db.start_run("pretrain-2", JobKind.PRETRAIN, "tiny", ASKED)
    script.run()
    db.fail_run("pretrain-2", "The loss diverged *at once*.")
    script.run()
    assert "The loss diverged *at once*." in text_of(script)


def test_a_stopped_training_goes_on_by_the_same_command(services, sign_in, db, tiny, jobs):
    asked = ASKED | {"settings": {"projection": 64}, "augmentation_off": ["noise"]}
    db.start_run("pretrain-1", JobKind.PRETRAIN, "tiny", asked)
    db.heartbeat("pretrain-1", fraction=0.5, message="step 10 of 20")
    db.mark_cancelled("pretrain-1")
    assert stopped_trainings(tiny) == []
    kept = tiny.folder / "checkpoints" / "vicreg-1"
    kept.mkdir(parents=True)
    plan = {"config": asked | {"steps": 20, "batch_size": 8, "learning_rate": 0.01}}
    for key in ("surveys", "minutes", "by_rule", "bands"):
        plan["config"].pop(key)
    (kept / PLAN).write_text(json.dumps(plan | {"words": "9 pictures: 20 steps"}))
    (kept / "checkpoint.safetensors").write_bytes(b"x")
    script = draw("train")
    page = text_of(script)
    assert "training stopped at 50%" in page
    assert "9 pictures: 20 steps." in page
    press(script, "Go on")
    assert jobs == [(JobKind.PRETRAIN, "tiny", arguments_again(asked))]
    again = _parser().parse_args(["pretrain", *jobs[0][2]])
    assert (again.minutes, again.steps, again.batch_size) == (5.0, None, None)
    assert (again.set, again.without, again.bands) == (["projection=64"], ["noise"], 3)
    press(draw("train"), "Yes, discard it")
    assert not kept.exists()


def test_a_checkpoint_of_other_settings_is_not_taken_up(services, sign_in, db, tiny):
    db.start_run("pretrain-1", JobKind.PRETRAIN, "tiny", ASKED)
    db.mark_cancelled("pretrain-1")
    kept = tiny.folder / "checkpoints" / "vicreg-1"
    kept.mkdir(parents=True)
    (kept / "checkpoint.safetensors").write_bytes(b"x")
    for text in ("{", "[]", json.dumps({"config": PretrainConfig(seed=1).as_dict()})):
        (kept / PLAN).write_text(text)
        assert stopped_trainings(tiny) == []


def test_endings_in_words():
    assert ending_words({}) == ""
    assert ending_words({"ending": "all steps done"}) == "All steps done."
    said = "kept are the weights of step 30 (picked by neighbour consistency, 0.500)."
    assert said in ending_words(ENDED)
    rebuilt = {"neighbour_consistency": 0.1, "reconstruction_error": 0.00123456}
    said = "kept are the weights of step 30 (picked by reconstruction error, 0.00123)."
    assert said in ending_words(ENDED | {"best_quality": rebuilt})


def test_the_measure_that_picked_the_weights_is_named_with_the_curves(tmp_path):
    def trace(chosen, **quality):
        path = tmp_path / "metrics.jsonl"
        path.write_text(json.dumps({"step": 5, "quality": quality}))
        return Trace("one", read_curves(path), 0, chosen)

    by_neighbours = trace(5, neighbour_consistency=0.5)
    by_error = trace(5, neighbour_consistency=0.5, reconstruction_error=0.01)
    assert picking_words([trace(None, neighbour_consistency=0.5)]) == ""
    said = " The dashed line is where the weights were taken, picked by "
    assert picking_words([by_neighbours]) == said + "neighbour consistency."
    assert picking_words([by_error]) == said + "reconstruction error."
    assert picking_words([by_neighbours, by_error]) == (
        said + "reconstruction error (where it was measured) or neighbour consistency."
    )
