"""What the review page reckons from a task's answers, kept between reruns and users.

Reading a hundred thousand answers and fitting annotators to them takes seconds, so the result is
kept a task. While people go on labelling it may lag a little behind, and says by how much.
"""

from __future__ import annotations

import threading
from array import array
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import streamlit as st

from core.metrics import (
    Accuracy,
    AgreementSummary,
    Confusions,
    DawidSkene,
    PairAgreement,
    accuracy_against,
    agreement_summary,
    confusion_against,
    dawid_skene,
    pair_agreement,
)
from core.vocabulary import Action
from labels_db import BULK_SOURCE, LabelsDB, Task
from pages._server.services import services
from pages._shared.kept import kept_of
from pages._shared.times import moment

__all__ = ["MAX_SECONDS", "Reckoning", "reckoned", "work_log"]

LAG = 0.005
"""The share of a task's events that may come before its agreement is reckoned anew."""
MAX_SECONDS = 600.0
"""A longer look is a cup of tea, not an answer."""
_COUNTED = (Action.LABEL, Action.UNSURE, Action.SKIP, Action.ADJUDICATE)


@dataclass(frozen=True)
class Reckoning:
    """How far the annotators of a task agree.

    Attributes
    ----------
    seq
        The last event that it knows.
    n_unsure
        Answers without a class: they are in none of the numbers.
    model
        Dawid and Skene's, with the adjudicated objects held fixed.
    entropy
        How undecided each object is, 0..1.
    consensus
        The class of each object that two or more answered or that was adjudicated, where the
        model has one.
    confusions, accuracy
        Every annotator against `consensus`.
    """

    seq: int
    n_unsure: int
    n_adjudicated: int
    summary: AgreementSummary
    pairs: PairAgreement
    model: DawidSkene
    entropy: dict[str, float]
    consensus: dict[str, str]
    confusions: Confusions
    accuracy: dict[str, Accuracy]

    @property
    def overlaps(self) -> bool:
        """True if two annotators answered the same object."""
        return self.summary.n_shared > 0


class _Kept:
    """What is remembered of one task."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.reckoning: Reckoning | None = None
        self.version = 0
        self.work = _Work()


def reckoned(task: Task, *, afresh: bool = False) -> tuple[Reckoning, int]:
    """Return the agreement of the task, and how many events came since.

    It is reckoned anew after the share `LAG` of events more, when the task has changed, and
    with `afresh`.
    """
    kept, database = kept_of(task, _Kept), services().db()
    with kept.lock:
        seq = database.last_seq(task.name)
        known = kept.reckoning
        if known is not None and not afresh and task.version == kept.version:
            if known.seq == seq:
                return known, 0
            behind = database.n_events(task.name, known.seq)
            if known.seq < seq and behind <= LAG * database.n_events(task.name):
                return known, behind
        with st.spinner("Reckoning the agreement", show_time=True):
            kept.reckoning, kept.version = reckon(database, task, seq), task.version
        return kept.reckoning, 0


def reckon(database: LabelsDB, task: Task, seq: int) -> Reckoning:
    """Reckon the agreement from all answers; `seq` is the last event before the reading."""
    objects: list[str] = []
    annotators: list[str] = []
    classes: list[str] = []
    n_unsure = 0
    for answer in database.answers(task.name):
        if answer.class_name is None:
            n_unsure += 1
            continue
        objects.append(answer.object_id)
        annotators.append(answer.annotator)
        classes.append(answer.class_name)
    columns = (objects, annotators, classes)
    settled = database.adjudicated(task.name)
    used = {*classes, *settled.values()}
    names = [name for name in task.every_class if name in used or name in task.classes]
    model = dawid_skene(*columns, class_names=names, gold=settled)
    counts = pd.Series(objects, dtype=object).value_counts()
    shared = set(counts.index[counts >= 2])
    consensus = {
        str(name): str(found)
        for name, found in model.consensus().items()
        if found is not None and (name in shared or name in settled)
    }
    accuracy = accuracy_against(*columns, consensus, class_names=names)
    return Reckoning(
        seq,
        n_unsure,
        len(settled),
        agreement_summary(*columns, class_names=names),
        pair_agreement(*columns, class_names=names),
        model,
        dict(zip(map(str, model.objects), model.entropy().tolist(), strict=True)),
        consensus,
        confusion_against(*columns, consensus, class_names=names),
        {str(name): one for name, one in accuracy.items()},
    )


class _Work:
    """Every answer as a few numbers, read on from where the last reading ended."""

    def __init__(self) -> None:
        self.seq = 0
        self.names: dict[str, int] = {}
        self.who = array("i")
        self.what = array("b")
        self.at = array("d")
        self.seconds = array("f")
        self.in_bulk = array("b")
        self.frame: pd.DataFrame | None = None

    def read_on(self, database: LabelsDB, task: str) -> pd.DataFrame:
        for event in database.events(task, after_seq=self.seq):
            self.seq = event.seq
            if event.action not in _COUNTED or event.redoes is not None:
                continue
            # Of what was imported only the client's clock says when it was answered.
            when = event.answered_at if event.source else event.recorded_at
            self.who.append(self.names.setdefault(event.annotator, len(self.names)))
            self.what.append(_COUNTED.index(event.action))
            self.at.append(moment(when or event.recorded_at).timestamp())
            self.seconds.append(_seconds(event.shown_at, event.answered_at))
            self.in_bulk.append((event.source or "").startswith(BULK_SOURCE))
            self.frame = None
        if self.frame is None:
            self.frame = pd.DataFrame(
                {
                    "annotator": pd.Categorical.from_codes(
                        np.array(self.who, dtype=np.int64), categories=pd.Index(list(self.names))
                    ),
                    "action": pd.Categorical.from_codes(
                        np.array(self.what, dtype=np.int64),
                        categories=pd.Index([action.value for action in _COUNTED]),
                    ),
                    "at": pd.to_datetime(np.array(self.at), unit="s", utc=True),
                    "seconds": np.array(self.seconds, dtype=float),
                    "in_bulk": np.array(self.in_bulk, dtype=bool),
                }
            )
        return self.frame


def work_log(task: Task) -> pd.DataFrame:
    """Return who did what when: a row for each label, unsure, skip and adjudication.

    Columns: annotator, action, at (UTC), seconds (from shown to answered, whatever it may be;
    NaN where a time is missing), in_bulk (whether it was given to many objects at once, which
    says nothing of a pace). Answers undone later are among them, a redo is not one more.
    Not to be changed: it is shared.
    """
    kept, database = kept_of(task, _Kept), services().db()
    with kept.lock:
        if database.n_events(task.name, kept.work.seq) < 5000:
            return kept.work.read_on(database, task.name)
        with st.spinner("Reading the events", show_time=True):
            return kept.work.read_on(database, task.name)


def _seconds(shown_at: str | None, answered_at: str | None) -> float:
    if shown_at is None or answered_at is None:
        return float("nan")
    began, ended = (datetime.fromisoformat(text) for text in (shown_at, answered_at))
    return (ended - began).total_seconds()
