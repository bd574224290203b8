"""What the tests of the routes beside the picture share: acts, and a survey on the sky."""

from __future__ import annotations

from urllib.parse import quote
from uuid import uuid4

import numpy as np

from core.run_worker import save_class_probabilities
from core.survey import Batch, SurveyWriter
from core.vocabulary import Action
from labels_db import LabelsDB, NewEvent, TaskSpec
from tests.pages.conftest import IDS, rank

ODD = IDS[-1]
NO = "<b>no</b>"
MARKS = [{"kind": "nucleus", "x_px": 1.5, "y_px": 2}, {"kind": "nucleus", "x_px": 4, "y_px": 2}]
BIG = 2**60 + 1


def says(database, who, object_id, class_name=None, task="dual", **more):
    more.setdefault("action", Action.LABEL if class_name else Action.SKIP)
    event = NewEvent(str(uuid4()), task, object_id, 1, who, class_name=class_name, **more)
    database.record(event)
    return event.event_id


def undo(database, who):
    database.record_undo("dual", who, str(uuid4()))


def answer(browser, object_id, class_name="dual", **more):
    body = {"event_id": str(uuid4()), "task": "dual", "object_id": object_id, "action": "label"}
    got = browser.post("/api/events", body | {"class_name": class_name} | more)
    assert got.status == 200, got.body


def seen(browser, object_id="g0"):
    return browser.get(f"/api/object?task=dual&object_id={quote(object_id, safe='')}").json()


def learn(workspace, ids=IDS):
    """Rank as the worker does, with the chances of each class beside the scores."""
    version = rank(workspace, list(ids))
    with LabelsDB(workspace.labels) as database:
        (model,) = database.models("dual", last=1)
    chances = np.linspace([0.9, 0.1], [0.1, 0.9], len(IDS)).astype(np.float32)
    path = workspace.task_scores("dual") / "classes" / str(model.scores_file)
    save_class_probabilities(path, chances, ["dual", NO])
    return version


def sky_survey(workspace):
    """Five objects on the sky, the last one of unknown place, with columns of every kind."""
    places = [(185.7, 15.8), (185.7, 15.801), (359.9999, -0.5), (0.0001, -0.5), (None, None)]
    columns = [
        {
            "ra": ra,
            "dec": dec,
            "z": 0.5,
            "big": BIG if i else 3,
            "hit": i > 0,
            "<i>name": f"<b>{i}",
            "hole": float("nan"),
            **{f"c{number:02d}": float(number) for number in range(30)},
        }
        for i, (ra, dec) in enumerate(places)
    ]
    with SurveyWriter(
        workspace,
        "sky",
        bands=("g", "r"),
        cutout_size_px=8,
        pixel_scale_arcsec=0.25,
        dtype="float32",
        origin="made for a test",
        licence="none",
    ) as writer:
        images = np.random.default_rng(0).normal(size=(5, 2, 8, 8)).astype(np.float32)
        ids = ["SDSS-1", "SDSS-2", "sdss-3", "12 30", "odd %/&"]
        writer.append(Batch(object_ids=ids, images=images, columns=columns))
        writer.commit()
    with LabelsDB(workspace.labels) as database:
        database.create_task(TaskSpec("stars", "sky", "Star?", ("star", "other"), "star"))
