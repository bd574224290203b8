"""The resident worker ranks, takes in answers, and leaves nothing half done."""

import threading
import time
import uuid

import numpy as np
import pytest

from core.discovery import Engine
from core.errors import BadInput
from core.run import main
from core.run_worker import save_class_probabilities, work
from core.survey import Survey
from core.vocabulary import Action
from core.workspace import open_workspace
from labels_db import LabelsDB, NewEvent


@pytest.fixture
def task(workspace, monkeypatch):
    """(workspace, survey) of a task on an embedding."""
    path, _ = workspace
    argv = ["task", "doubles", "--survey", "spots", "--target", "double"]
    argv += ["--class", "double", "--class", "single", "--workspace", path]
    assert main(argv) == 0
    # The small test survey is embedded by structure alone; let it stand for the default.
    monkeypatch.setattr("core.representation.encoder.DEFAULT_ENCODER", "structure")
    opened = open_workspace(path)
    return opened, Survey.open(opened, "spots")


def answer(db, object_id, class_name, action=Action.LABEL):
    event = NewEvent(
        event_id=str(uuid.uuid4()),
        task="doubles",
        object_id=object_id,
        survey_version=1,
        annotator="tester",
        action=action,
        class_name=class_name,
    )
    db.record(event)
    return event.event_id


def latest(db):
    model = db.latest_model("doubles")
    assert model is not None
    return model


def truth(object_id):
    return "double" if int(object_id[-3:]) % 5 == 0 else "single"


def test_first_ranking_fills_the_queue_and_answers_change_it(task):
    workspace, survey = task
    work(workspace, "doubles", until_ranked=True)
    with LabelsDB(workspace.labels) as db:
        first = latest(db)
        assert first.n_labels == 0
        cold = db.next_items("doubles", 40)
        assert len(cold) == 40
        for object_id in list(survey.object_ids)[:12]:
            answer(db, object_id, truth(object_id))
    work(workspace, "doubles", until_ranked=True)
    with LabelsDB(workspace.labels) as db:
        model = latest(db)
        assert model.version == first.version + 1
        assert model.n_labels == 12
        assert model.label_seq == db.last_seq("doubles")
        items = db.next_items("doubles", 40)
        assert len(items) == 28
        assert not {i.object_id for i in items} & set(survey.object_ids[:12])
        # Five doubles are left among 28; by chance one would be among the first six.
        assert [truth(i.object_id) for i in items[:6]].count("double") >= 3
    assert model.scores_file is not None
    scores = np.load(workspace.task_scores("doubles") / model.scores_file)
    assert scores.shape == (40,)
    doubles = np.array([truth(o) == "double" for o in survey.object_ids])
    assert scores[doubles].mean() > scores[~doubles].mean()


def test_chances_of_every_class_lie_beside_the_scores(task):
    workspace, survey = task
    folder = workspace.task_scores("doubles")
    work(workspace, "doubles", until_ranked=True)
    assert not list((folder / "classes").glob("*"))  # nothing is learnt yet
    with LabelsDB(workspace.labels) as db:
        for object_id in list(survey.object_ids)[:12]:
            answer(db, object_id, truth(object_id))
        work(workspace, "doubles", until_ranked=True)
        name = latest(db).scores_file
        assert name is not None
        scores = np.load(folder / name)
        table = np.load(folder / "classes" / name, mmap_mode="r")
        assert isinstance(table, np.memmap)
        assert table.dtype.names == ("double", "single")
        assert table["double"] == pytest.approx(scores, abs=1e-3)
        assert table["double"] + table["single"] == pytest.approx(np.ones(40), abs=2e-3)
        for object_id in list(survey.object_ids)[12:16]:
            answer(db, object_id, truth(object_id))
            work(workspace, "doubles", until_ranked=True)
        kept = {path.name for path in folder.glob("*.npy")}
        assert len(kept) == 3
        assert {path.name for path in (folder / "classes").glob("*")} == kept


def test_chances_of_too_many_objects_are_not_kept(task, monkeypatch):
    workspace, survey = task
    monkeypatch.setattr("core.run_worker.MAX_CLASS_PROBABILITIES", 79)
    with LabelsDB(workspace.labels) as db:
        for object_id in list(survey.object_ids)[:6]:
            answer(db, object_id, truth(object_id))
        work(workspace, "doubles", until_ranked=True)
        assert latest(db).learner is not None
    assert not list((workspace.task_scores("doubles") / "classes").glob("*"))


def test_a_file_of_chances_holds_any_class_name_and_none_that_is_older(tmp_path):
    path = tmp_path / "classes" / "a.npy"
    names = ["<b>'\"\\", "Ω" * 64, *(f"{i:02d}" + "\\" * 60 for i in range(58))]
    chances = np.random.default_rng(0).dirichlet(np.ones(60), 5).astype(np.float32)
    save_class_probabilities(path, chances, names)
    table = np.load(path, mmap_mode="r", max_header_size=100_000)
    assert table.dtype.names == tuple(names)
    assert table[3].item() == pytest.approx(chances[3], abs=1e-3)
    save_class_probabilities(path, None, names)
    assert not path.exists()


def test_answers_that_were_undone_or_whose_object_is_gone_are_not_learnt(task):
    workspace, survey = task
    with LabelsDB(workspace.labels) as db:
        answer(db, survey.object_ids[0], "double")
        db.record_undo("doubles", "tester", str(uuid.uuid4()))
    work(workspace, "doubles", until_ranked=True)
    with LabelsDB(workspace.labels) as db:
        assert latest(db).n_labels == 0
        assert survey.object_ids[0] in {i.object_id for i in db.next_items("doubles", 50)}
        assert "lacks" not in latest(db).state
        answer(db, "gone-1", "double")
        work(workspace, "doubles", until_ranked=True)
        assert latest(db).n_labels == 0
        assert " 1 label is of an object that version 1 of the survey lacks" in latest(db).state
        answer(db, "gone-2", "double")
        work(workspace, "doubles", until_ranked=True)
        assert " 2 labels are of objects that version 1 of the survey" in latest(db).state


def test_a_second_start_finds_the_queue_as_good_as_new(task):
    workspace, _ = task
    work(workspace, "doubles", until_ranked=True)
    work(workspace, "doubles", until_ranked=True)
    with LabelsDB(workspace.labels) as db:
        assert len(db.models("doubles")) == 1


def test_resident_worker_takes_in_answers_while_it_lives(task):
    workspace, survey = task
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(workspace, "doubles"), kwargs={"stop": stop})
    thread.start()
    try:
        with LabelsDB(workspace.labels) as db:
            wait_for(lambda: db.latest_model("doubles") is not None)
            for object_id in list(survey.object_ids)[:5]:
                answer(db, object_id, truth(object_id))
            wait_for(lambda: latest(db).n_labels == 5)
            # Fewer answers than a retraining waits for are taken in when the person pauses.
            answer(db, survey.object_ids[6], truth(survey.object_ids[6]))
            wait_for(lambda: latest(db).n_labels == 6)
            assert len(list(workspace.task_scores("doubles").glob("*.npy"))) == 3
    finally:
        stop.set()
        thread.join(20)
    with LabelsDB(workspace.labels) as db:
        worker = next(run for run in db.runs() if run.kind == "worker")
        assert worker.state == "done"


def test_the_worker_follows_strategy_and_task_and_leaves_leases_in_hand(task, monkeypatch):
    workspace, survey = task
    made = []

    def counted(*given, **named):
        made.append(Engine(*given, **named))
        return made[-1]

    # Each reads the embedding; a change of strategy or task is no reason to.
    monkeypatch.setattr("core.discovery.Engine", counted)
    with LabelsDB(workspace.labels) as db:
        for object_id in list(survey.object_ids)[:12]:
            answer(db, object_id, truth(object_id))
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(workspace, "doubles"), kwargs={"stop": stop})
    thread.start()
    try:
        with LabelsDB(workspace.labels) as db:
            wait_for(lambda: db.latest_model("doubles") is not None)
            assert (latest(db).sampler, latest(db).strategy) == ("most_likely", 0)
            held = db.lease_next("doubles", "tester", 3).items
            db.set_strategy("doubles", "owner", sampler="margin", learner="logistic")
            wait_for(lambda: latest(db).strategy == 1)
            assert (latest(db).sampler, latest(db).learner) == ("margin", "logistic")
            again = db.lease_next("doubles", "tester", 3, exclude=[]).items
            assert {one.object_id for one in held} <= {one.object_id for one in again}
            others = db.lease_next("doubles", "somebody", 40).items
            assert not {one.object_id for one in others} & {one.object_id for one in held}
            db.set_strategy("doubles", "owner", control_share=0.5, retrain_every=1)
            wait_for(lambda: latest(db).strategy == 2)
            assert latest(db).task_version == 1
            shown = [one.sampler for one in db.next_items("doubles", 20)]
            assert shown.count("control") == 10
            db.change_task("doubles", "owner", target="single")
            wait_for(lambda: latest(db).task_version == 2)
            assert "9 of them 'single'" in latest(db).state
            assert len(made) == 1
    finally:
        stop.set()
        thread.join(20)


def test_a_queue_of_another_strategy_or_target_is_not_as_good_as_new(task):
    workspace, survey = task
    work(workspace, "doubles", until_ranked=True)
    with LabelsDB(workspace.labels) as db:
        db.set_strategy("doubles", "owner", sampler="random")
        work(workspace, "doubles", until_ranked=True)
        assert [one.sampler for one in db.models("doubles")][-1] == "random"
        assert len(db.models("doubles")) == 2
        for object_id in list(survey.object_ids)[:8]:
            answer(db, object_id, truth(object_id))
        work(workspace, "doubles", until_ranked=True)
        assert latest(db).task_version == 1
        path = workspace.task_scores("doubles") / str(latest(db).scores_file)
        doubles = np.load(path)
        db.change_task("doubles", "owner", target="single")
        work(workspace, "doubles", until_ranked=True)
        assert latest(db).task_version == 2
        assert np.corrcoef(doubles, np.load(path))[0, 1] < -0.5


def test_a_strategy_that_is_not_there_is_told(task):
    workspace, _ = task
    with LabelsDB(workspace.labels) as db:
        db.set_strategy("doubles", "owner", sampler="of_tomorrow")
        with pytest.raises(BadInput, match="of_tomorrow"):
            work(workspace, "doubles", until_ranked=True)
        assert "choose one" in str(db.runs()[0].error)


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
