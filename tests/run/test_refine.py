"""The job `refine`: labels taught to the network in use, and what becomes of the embedding."""

import json
import os
import shutil
import threading
import uuid
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core import run_refine as run_refine_module
from core import run_refine_checks, run_refine_work, run_teaching, run_worker
from core.discovery.comparing import Comparison, Lateness
from core.errors import BadInput, Cancelled, Damaged, InUse, NotReady
from core.representation import choose_embedding, embed, load_embedding
from core.representation.encoders import network as network_encoder
from core.representation.fast import exact_forward
from core.representation.methods import load_method, save_method
from core.run import main
from core.run_refine import run_refine
from core.run_teaching import (
    Ended,
    LabelCount,
    Teaching,
    is_automatic,
    last_ended,
    note_ended,
    refinings,
    set_automatic,
)
from core.survey import Survey, finished_runs
from core.vocabulary import Action, JobKind, RunState
from core.workspace import open_workspace
from labels_db import LabelsDB, NewEvent, TaskSpec
from tests.representation.refining_kit import is_double, make_spots, tiny_network

QUICK = {"steps": 2, "batch_size": 4}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Path of a workspace with the survey `spots`, embedded by a tiny network, and a task."""
    folder = tmp_path_factory.mktemp("refine")
    workspace = open_workspace(folder / "ws")
    survey = make_spots(workspace, 80)
    (folder / "network").mkdir()
    save_method(tiny_network(), folder / "network", {"method": "vicreg"})
    with pytest.MonkeyPatch.context() as patch:
        _run_plainly(patch)
        options = {"weights": str(folder / "network"), "rotations": "1", "components": "4"}
        choose_embedding(survey, embed(survey, "vicreg", options=options).run_id)
    with LabelsDB(workspace.labels) as db:
        db.create_task(TaskSpec("doubles", "spots", "Two?", ("single", "double"), "double"))
    return workspace.root


def _run_plainly(patch):
    """Networks run as they are: looking for the fastest way takes seconds."""
    patch.setattr(
        network_encoder.NetworkEncoder,
        "_fastest",
        lambda self, _survey: exact_forward(self.method),
    )


@pytest.fixture
def workspace(made, tmp_path, monkeypatch):
    """A copy of it."""
    _run_plainly(monkeypatch)
    return open_workspace(shutil.copytree(made, tmp_path / "ws"))


@pytest.fixture
def survey(workspace):
    return Survey.open(workspace, "spots")


def answer(workspace, rows, task="doubles", says=None):
    with LabelsDB(workspace.labels) as db:
        for row in rows:
            name = says or ("double" if is_double(row) else "single")
            db.record(NewEvent(str(uuid.uuid4()), task, f"s{row}", 1, "ann", Action.LABEL, name))


def told(is_better):
    """A comparison that comes out so."""
    ones = np.ones(6)
    side = Lateness(
        0.2 * ones, (0.1 if is_better else 0.2) * ones, np.arange(6) % 3, 0.1 * is_better, 1.0
    )
    return Comparison(side, side, ones, ones)


def refine(workspace, **given):
    return run_refine(workspace, "spots", "doubles", quiet=True, **{**QUICK, **given})


def test_a_better_network_is_put_to_use_and_the_next_round_starts_from_it(
    workspace, survey, monkeypatch
):
    monkeypatch.setattr(run_refine_work, "compare", lambda *_: told(is_better=True))
    answer(workspace, range(28))
    before = load_embedding(survey)
    done = refine(workspace)
    assert done.is_better
    assert "finds more. Of 6 finds" in done.words
    now = load_embedding(survey)
    assert now.run_id == done.embedding != before.run_id
    assert now.encoder == "vicreg"
    assert now.values.shape == before.values.shape
    (run,) = refinings(survey, "doubles")
    assert run.run_id == done.run_id
    assert run.record["result"]["words"] in done.words
    assert (run.config["n_labels"], run.config["n_finds"]) == (28, 7)
    network, origin = load_method(run.path)
    assert origin["refined"]["task"] == "doubles"
    used, _ = load_method(survey.folder / "runs" / now.run_id)
    assert all((used.state_dict()[k] == v).all() for k, v in _weights(network).items())
    assert not (survey.folder / "checkpoints").exists()
    folds = json.loads((run.path / "folds.json").read_text())
    assert len(folds) == 28
    folds["taken back"] = 1  # it keeps its fold too
    (run.path / "folds.json").write_text(json.dumps(folds))

    starts = []
    inside = run_refine_work.Work._network

    def noted(self, folder):
        starts.append(folder.relative_to(survey.folder / "runs").as_posix())
        return inside(self, folder)

    monkeypatch.setattr(run_refine_work.Work, "_network", noted)
    monkeypatch.setattr(run_refine_work, "compare", lambda *_: told(is_better=False))
    answer(workspace, range(28, 36))
    again = refine(workspace)
    assert not again.is_better
    # Each fold goes on from the network that had not seen its labels, and is judged against it.
    assert {f"{run.run_id}/fold-{k}" for k in range(3)} | {now.run_id} == set(starts)
    second = json.loads((survey.folder / "runs" / again.run_id / "folds.json").read_text())
    assert {name: second[name] for name in folds} == folds
    assert load_embedding(survey).run_id == now.run_id  # it stays
    told_of = json.loads((run.path / "network.json").read_text())["origin"]["refined"]
    assert (told_of["task"], told_of["earlier"]) == ("doubles", [])
    described = survey.folder / "runs" / now.run_id / "network.json"
    network = json.loads(described.read_text())
    network["origin"]["refined"] |= {"task": "late", "earlier": ["doubles"]}
    described.write_text(json.dumps(network))
    with pytest.raises(NotReady, match="then those of late, so that nothing can judge"):
        refine(workspace)


def _weights(network):
    return {k: v for k, v in network.state_dict().items() if not k.startswith("projector.")}


def test_labels_that_say_nothing_change_nothing(workspace, survey, capsys):
    rng = np.random.default_rng(0)
    for row in range(36):
        answer(workspace, [row], says=str(rng.choice(["double", "single"])))
    with LabelsDB(workspace.labels) as db:
        db.set_strategy("doubles", "ann", learner="neighbours")
    before = load_embedding(survey).run_id
    path = str(workspace.root)
    argv = ["refine", "spots", "--task", "doubles", "--steps", "2", "--method", "fixmatch"]
    assert main([*argv, "--workspace", path]) == 0
    said = capsys.readouterr().out
    assert "so the embedding in use stays" in said
    assert "octaves" in said
    assert load_embedding(survey).run_id == before
    (run,) = finished_runs(survey, JobKind.REFINE)
    assert run.record["result"]["is_better"] is False
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    trainings = [json.loads(line)["training"] for line in lines]
    assert list(dict.fromkeys(trainings)) == ["fold-0", "fold-1", "fold-2", "all"]
    with LabelsDB(workspace.labels) as db:
        entry = next(one for one in db.runs() if one.kind == JobKind.REFINE)
        assert entry.state is RunState.DONE
        assert entry.result is not None
        assert entry.result["words"] == run.record["result"]["words"]


def test_the_network_of_a_fold_has_not_seen_the_labels_of_the_fold(workspace, survey, monkeypatch):
    taught: list[set[int]] = []
    held: list[set[int]] = []
    real = run_refine_work.teach

    def noted(source, network, labels, settings, **rest):
        taught.append({int(source.rows[one]) for one in labels.index})
        return real(source, network, labels, replace(settings, steps=1), **rest)

    def compared(folds, *_):
        rows = np.arange(28)
        held.extend({int(one) for one in rows[fold.is_held]} for fold in folds)
        return told(is_better=False)

    monkeypatch.setattr(run_refine_work, "teach", noted)
    monkeypatch.setattr(run_refine_work, "compare", compared)
    answer(workspace, range(28))
    refine(workspace)
    everything = set(range(28))
    assert taught[3] == everything
    assert set.union(*held) == everything
    for seen, out in zip(taught, held, strict=False):
        assert seen == everything - out
        assert any(is_double(row) for row in out)


def test_a_stopped_one_goes_on_and_a_finished_embedding_is_not_trained_for_again(
    workspace, survey, monkeypatch
):
    monkeypatch.setattr(run_refine_work, "compare", lambda *_: told(is_better=True))
    answer(workspace, range(28))
    trained = []
    real = run_refine_work.teach

    def stopped(*args, **rest):
        trained.append(1)
        if len(trained) == 2:
            raise Cancelled("Stopped.")
        return real(*args, **rest)

    monkeypatch.setattr(run_refine_work, "teach", stopped)
    with pytest.raises(Cancelled):
        refine(workspace)
    assert not refinings(survey, "doubles")
    left = sorted(one.name for one in (survey.folder / "checkpoints").iterdir())
    assert len(left) == 1  # of the first fold, which was done
    assert "fold-0" in left[0]

    def lost(*_args, **_rest):
        raise NotReady("No memory.")

    monkeypatch.setattr("core.representation.embed", lost)
    with pytest.raises(NotReady):
        refine(workspace)
    assert len(refinings(survey, "doubles")) == 1
    trained.clear()
    monkeypatch.setattr("core.representation.embed", embed)
    answer(workspace, [28])  # answers that come meanwhile do not start it over
    waiting = run_teaching.unembedded(survey, refinings(survey, "doubles"))
    assert waiting is not None
    set_automatic(workspace, "doubles", True)
    started: list[str] = []
    monkeypatch.setattr(Teaching, "_start", lambda *_: started.append("again"))
    with LabelsDB(workspace.labels) as db:
        Teaching(workspace, "doubles").look(db, db.task("doubles"), survey)
    assert started == ["again"]
    done = refine(workspace)
    assert not trained
    assert done.run_id == waiting.run_id
    assert run_teaching.unembedded(survey, refinings(survey, "doubles")) is None
    assert load_embedding(survey).run_id == done.embedding
    assert len(refinings(survey, "doubles")) == 1


def test_another_task_that_would_find_less_and_another_choice_are_left_alone(
    workspace, survey, monkeypatch
):
    with LabelsDB(workspace.labels) as db:
        db.create_task(TaskSpec("late", "spots", "Late?", ("early", "late"), "late"))
        db.create_task(TaskSpec("over", "spots", "Any?", ("no", "yes"), "yes"))
    answer(workspace, range(28))
    for row in range(60):  # so few are left that nothing can tell what it would find
        answer(workspace, [row], "over", says="yes" if row % 3 else "no")
    for row in range(14):
        answer(workspace, [row], "late", says="late" if row % 2 else "early")
    worse = Lateness(0.1 * np.ones(6), 0.2 * np.ones(6), np.arange(6) % 3, -1.5, -0.5)
    came = iter([told(is_better=True), Comparison(worse, worse, np.ones(6), np.ones(6))])
    monkeypatch.setattr(run_refine_work, "compare", lambda *_: next(came))
    before = load_embedding(survey).run_id
    done = refine(workspace)
    assert not done.is_better
    assert (
        "finds more for this task, but less for late, so the embedding in use stays" in done.words
    )
    assert load_embedding(survey).run_id == before
    (run,) = refinings(survey, "doubles")
    assert run.record["result"]["harmed"] == ["late"]
    (note,) = run.record["result"]["notes"]
    assert note.startswith("What over would find cannot be judged (hardly an object is left")

    def chosen_meanwhile(*args, **rest):
        made = embed(*args, **rest)
        other = embed(survey, "vicreg", options={"weights": done.run_id, "components": "2"})
        choose_embedding(survey, other.run_id)
        return made

    monkeypatch.setattr("core.representation.embed", chosen_meanwhile)
    better = [told(is_better=True), told(is_better=True)]
    came = iter(better)
    second = refine(workspace, seed=1)
    assert second.is_better
    assert second.embedding is None
    assert "Meanwhile another embedding was put to use" in second.words
    assert load_embedding(survey).values.shape[1] == 2


def test_what_cannot_be_taught_is_said(workspace, survey, capsys):
    path = ["--task", "doubles", "--workspace", str(workspace.root)]

    def refused(*more, survey="spots"):
        assert main(["refine", survey, *path, *more]) == 2
        return capsys.readouterr().err

    assert "has 0 and 0; answer more" in refused()
    answer(workspace, range(0, 40, 4))
    assert "has 10 and 0; answer more" in refused()
    assert "--minutes is above 0" in refused("--minutes", "0")
    assert "say the same in two ways" in refused("--minutes", "1", "--steps", "2")
    assert "but 'magic' was asked for" in refused("--method", "magic")
    assert "takes 1 step or more" in refused("--steps", "0")
    with pytest.raises(BadInput, match="asks about the survey spots"):
        run_refine(workspace, "stars", "doubles", quiet=True)
    answer(workspace, range(60))
    assert "40 unanswered objects or more, but spots has fewer" in refused()
    choose_embedding(survey, embed(survey, "pca").run_id)
    assert "(pca) has no network" in refused()


def test_labels_that_are_left_out_are_counted(workspace, survey, monkeypatch):
    answer(workspace, range(28))
    gone: Any = SimpleNamespace(
        name="spots",
        catalogue=survey.catalogue.assign(group_id=survey.catalogue["group_id"].to_numpy()),
        has_image=np.arange(80) != 5,
        object_ids=survey.object_ids,
        row=survey.row,
    )
    gone.catalogue.loc[[8, 9], "group_id"] = "one thing"
    with LabelsDB(workspace.labels) as db:
        task = db.task("doubles")
        real = db.current_classes("doubles")
        monkeypatch.setattr(db, "current_classes", lambda _: {**real, "vanished": "single"})
        found = run_teaching.read_labels(db, task, gone)
        gone.catalogue["group_id"] = [
            "one find" if is_double(row) else "one thing" if row == 60 else f"s{row}"
            for row in range(80)
        ]
        with pytest.raises(NotReady, match=r"has 1 and 20 \(.*views of one thing count once\)"):
            run_teaching.read_labels(db, task, gone)
    # Other views of what was answered are no part of the field.
    assert set(found.taken.tolist()) == set(range(28))
    assert len(found.rows) == 28 - 3
    assert [note.split()[0] for note in found.notes] == ["1", "1", "2"]
    assert found.notes[2].endswith("of things whose views were answered both ways are left out")
    assert set(found.rows.tolist()) == set(range(28)) - {5, 8, 9}


def test_when_it_starts_by_itself():
    assert not LabelCount(39, 20).is_due(0)
    assert not LabelCount(60, 7).is_due(0)
    assert LabelCount(40, 8).is_due(0)
    assert not LabelCount(79, 20).is_due(40)
    assert LabelCount(80, 20).is_due(40)
    assert not LabelCount(40, 38).is_due(0)


def test_it_starts_by_itself_where_that_was_switched_on_and_one_at_a_time(
    workspace, survey, monkeypatch
):
    started: list[Any] = []
    lives: list[int | None] = [None]

    class Process:
        stdin = None

        def __init__(self, command, stdout, **_):
            started.append(command)
            self.log = stdout.name

        def poll(self):
            return lives[0]

        def terminate(self):
            started.append("ended")

    monkeypatch.setattr(run_teaching.subprocess, "Popen", Process)
    answer(workspace, range(44))
    teaching = Teaching(workspace, "doubles")
    with LabelsDB(workspace.labels) as db:
        task = db.task("doubles")
        assert not is_automatic(workspace, "doubles")
        assert not teaching.look(db, task, survey)
        set_automatic(workspace, "doubles", True)
        assert teaching.look(db, task, survey)
        assert started[0][2:7] == ["core.run", "refine", "spots", "--task", "doubles"]
        assert not teaching.look(db, task, survey)  # it runs
        assert started[0][-2:] == ["--by-itself", "44"]
        # What it said, in words, would be the same again: not for the same labels.
        note_ended(workspace, "doubles", Ended("Too few.", 44, is_settled=True))
        lives[0] = 2
        assert not teaching.look(db, task, survey)
        assert not Teaching(workspace, "doubles").look(db, task, survey)
        assert len(started) == 1
        # Killed, or out of disk: again after a while.
        note_ended(workspace, "doubles", None)
        clock = [1000.0]
        monkeypatch.setattr(run_teaching.time, "monotonic", lambda: clock[0])
        lives[0] = None
        assert teaching.look(db, task, survey)
        with open(workspace.logs / "refine-spots.log", "a") as log:
            log.write("noise\nskysift: An unforeseen end.\n")
        lives[0] = -9
        assert not teaching.look(db, task, survey)
        ended = last_ended(workspace, "doubles")
        assert ended == Ended("An unforeseen end.", 44, is_settled=False)
        clock[0] += run_teaching.RETRY_S
        assert teaching.look(db, task, survey)
        assert len(started) == 3

        def full(*_args, **_rest):
            raise OSError("No process to be had.")

        clock[0] += run_teaching.RETRY_S
        lives[0] = 0
        monkeypatch.setattr(run_teaching.subprocess, "Popen", full)
        other = Teaching(workspace, "doubles")
        assert not other.look(db, task, survey)
        assert "No process" in str(last_ended(workspace, "doubles"))
        monkeypatch.setattr(run_teaching.subprocess, "Popen", Process)
        set_automatic(workspace, "doubles", False)
        assert not Teaching(workspace, "doubles").look(db, task, survey)
    lives[0] = None
    teaching.close()
    assert started[-1] == "ended"
    (workspace.task_scores("doubles") / "teaching.json").write_text("{")
    with pytest.raises(Damaged, match="switch it on again"):
        is_automatic(workspace, "doubles")


def test_the_worker_looks_after_each_ranking_and_ends_what_it_started(workspace, monkeypatch):
    stop = threading.Event()
    seen: list[Any] = []

    class Watched:
        def __init__(self, *_):
            pass

        def look(self, _db, task, survey):
            seen.append((task.name, survey.name))
            stop.set()
            return False

        def close(self):
            seen.append("closed")

    monkeypatch.setattr(run_worker, "Teaching", Watched)
    answer(workspace, range(8))
    run_worker.work(workspace, "doubles", stop=stop)
    assert seen == [("doubles", "spots"), "closed"]
    seen.clear()
    run_worker.work(workspace, "doubles", until_ranked=True)
    assert seen == ["closed"]  # asked to rank once, it starts nothing


def test_nothing_is_put_to_use_over_a_newer_embedding_or_version(workspace, survey, monkeypatch):
    before = embed(survey, "pca", options={"components": "3"})
    choose_embedding(survey, before.run_id)
    base: Any = SimpleNamespace(options={}, encoder="pca", precision="float16")
    there = {run.run_id for run in finished_runs(survey, JobKind.EMBED)}

    def made(survey, encoder, **_):
        return embed(survey, encoder, options={"components": "2"})

    monkeypatch.setattr("core.representation.embed", made)

    def put(known):
        return run_refine_module._embedded(
            workspace, survey, before, base, "refine-1", known, lambda *_: None
        )

    embedding, words = put(there - {before.run_id})
    assert embedding is None
    assert f"another embedding was made, so {before.run_id} stays in use" in words
    newer = SimpleNamespace(manifest=SimpleNamespace(content_hash="other"), version=2)
    with monkeypatch.context() as patch:
        patch.setattr("core.run_jobs.open_survey", lambda *_: newer)
        embedding, words = put(there)
    assert embedding is None
    assert "spots got version 2" in words
    assert "embed spots --encoder pca --weights refine-1" in words
    assert load_embedding(survey).run_id == before.run_id
    with LabelsDB(workspace.labels) as db:
        db.start_run("refine-9", JobKind.REFINE, "spots", {"task": "another"})
    with pytest.raises(InUse, match="taught to the network of spots already"):
        refine(workspace)


def test_the_labels_that_judge_are_bounded(monkeypatch):
    monkeypatch.setattr(run_refine_checks, "JUDGES", 5)
    is_find = np.arange(40) < 8
    chosen = run_refine_checks.judging(is_find, 0)
    assert (is_find[chosen].sum(), len(chosen)) == (5, 10)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert run_refine_checks.judging(is_find[:12], 0)[-4:].tolist() == [8, 9, 10, 11]


def test_what_earlier_starts_left_is_removed(tmp_path):
    def left(name, task):
        folder = tmp_path / f"refine-{name}-fold-0.partial"
        folder.mkdir()
        (folder / "holder.json").write_text(json.dumps({"pid": 0, "pid_start_time": 0.0}))
        (folder / "plan.json").write_text(json.dumps({"steps": 2, "task": task}))
        return folder

    same, other, another = left("m1", "doubles"), left("m2", "doubles"), left("m3", "late")
    run_refine_checks.remove_others(tmp_path, "doubles", "m1")
    assert (same.exists(), other.exists(), another.exists()) == (True, False, True)


def test_one_that_a_worker_started_ends_with_it_and_keeps_how(workspace, monkeypatch):
    reading, writing = os.pipe()
    ended = threading.Event()
    monkeypatch.setattr(run_refine_checks.sys, "stdin", SimpleNamespace(fileno=lambda: reading))
    monkeypatch.setattr(run_refine_checks.os, "kill", lambda *_: ended.set())

    def fails(error):
        def run():
            raise error

        with pytest.raises(type(error)):
            run_refine_checks.run_by_itself(workspace, "doubles", 44, run)
        return last_ended(workspace, "doubles")

    assert fails(NotReady("Too few.")) == Ended("Too few.", 44, is_settled=True)
    assert fails(InUse("Held.")) == Ended("Held.", 44, is_settled=False)
    assert not ended.is_set()
    os.close(writing)
    assert ended.wait(5)
    assert run_refine_checks.run_by_itself(workspace, "doubles", 44, lambda: "Done.") == "Done."
    assert last_ended(workspace, "doubles") is None
    os.close(reading)
