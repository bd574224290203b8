"""The candidates page: the survey ranked for the targets, to look at and to take along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from core.export import (
    CANDIDATE_COLUMNS,
    Provenance,
    candidates_csv,
    rank_candidates,
)
from core.survey import Survey
from core.survey.added_columns import added_columns, full_catalogue
from core.survey.matching.crossmatch import KNOWN_AS
from core.vocabulary import ScoreKind
from labels_db import CurrentLabel, Task
from pages._server.filters import filter_words
from pages._server.probabilities import class_chances
from pages._server.services import Scores, services
from pages._server.tables import SurveyTable
from pages._shared.filter_line import filter_in_use, filter_line
from pages._shared.sight import is_hidden_here, may_take
from pages._shared.tasks import the_task
from pages._shared.thumbnails import Thumbnail, thumbnails
from pages._shared.who import who
from pages._shared.words import plain

__all__ = ["candidate_lines", "draw"]

PER_PAGE = 48
DEFAULT_K = 200
TOP_K, BY_CUT = "The best", "Score at least"
ANY = "any target"

Chances = Mapping[str, np.ndarray]
"""Target -> (N,) P(it) of every object."""


def draw() -> None:
    """Draw the page for the chosen task."""
    task = the_task()
    survey = services().survey(task.survey)
    st.title("Candidates")
    if is_hidden_here(task):
        st.info(
            "What others answered on this task, and the ranking learnt from it, is shown to its"
            " owner only. Your own answers are on the Review page."
        )
        return
    scores = services().scores(task)
    if scores is None:
        st.info(
            "Nothing is ranked yet. Open the Label page: the first ranking is made there, from"
            " the embedding alone; answers then make it better."
        )
        _download_labels(task)
        return
    chances = _chances(task, survey, scores)
    sought = _sought(scores, chances)
    ties = None
    if len(sought) < len(scores.targets):
        ties = _finer(scores, sought[0], chances)
        scores = replace(scores, values=chances[sought[0]])
    st.caption(_about(scores, sought))
    if set(scores.targets) != set(task.targets):
        wanted = plain(" or ".join(task.targets))
        st.warning(f"The task looks for {wanted} by now: the next ranking will be for that.")
    passing = filter_line(survey, task, offer=True)
    if passing is not None:
        scores = _only(scores, passing)
    known = _known(survey)
    filtered_by = _filter_words(task, survey)
    if known.any() and st.checkbox(f"Leave out the {int(known.sum()):,} already known"):
        scores = _only(scores, ~known)
        filtered_by.append("not already known")
    n, leave_out = _choices(task, survey, scores, sought)
    labels = _labels(task)
    candidates = rank_candidates(
        survey.object_ids, scores.values, n=n, labels=labels, leave_out=leave_out, ties=ties
    )
    left, right, _, last = st.columns([4, 4, 5, 3], vertical_alignment="bottom")
    with left:
        st.download_button(
            f"Candidates CSV ({len(candidates):,})",
            lambda: "".join(
                candidate_lines(
                    task, survey, scores, candidates, sought, chances, " and ".join(filtered_by)
                )
            ),
            file_name=f"{task.name}-candidates{'' if passing is None else '-filtered'}.csv",
            mime="text/csv",
            on_click="ignore",
            type="primary",
            width="stretch",
        )
    with right:
        _download_labels(task)
    if not candidates:
        also = "" if passing is None else ", or change the filter"
        st.info(f"No object passes; lower the score or take in answered objects{also}.")
        return
    pages = -(-len(candidates) // PER_PAGE)
    page = 1
    if pages > 1:
        with last:
            page = int(st.number_input(f"Page of {pages}", 1, pages, 1))
    first = (page - 1) * PER_PAGE
    thumbnails(
        task,
        survey,
        [
            Thumbnail(one["object_id"], _line(place, one, bool(known[one["row"]]), chances))
            for place, one in enumerate(candidates[first : first + PER_PAGE], start=first + 1)
        ],
    )


def _only(scores: Scores, rows: np.ndarray) -> Scores:
    """The scores of these rows, (N,) bool, alone: the others are not ranked."""
    return replace(scores, values=np.where(rows, scores.values, np.float32(np.nan)))


def _filter_words(task: Task, survey: Survey) -> list[str]:
    """Every condition of the filter in use, as one phrase; none without a filter."""
    found = filter_in_use(survey, task)
    if found is None:
        return []
    table = SurveyTable(services(), task, survey, who())
    return [filter_words(table, found.conditions, most=None)]


def _chances(task: Task, survey: Survey, scores: Scores) -> Chances:
    """P(it) of each of several targets; none of one, and none where they are not kept."""
    is_of_now = set(scores.targets) == set(task.targets)
    if not task.also_targets or scores.kind is ScoreKind.ANOMALY or not is_of_now:
        return {}
    found = class_chances(services(), task, survey, scores.model)
    if isinstance(found, str):
        st.caption(plain(f"The ranking is for any target. Of each alone: {found}"))
        return {}
    return found


def _sought(scores: Scores, chances: Chances) -> tuple[str, ...]:
    """The targets that the person wants the ranking for."""
    if not chances:
        return scores.targets
    chosen = st.selectbox("Ranked by", (ANY, *chances), width=280)
    return (chosen,) if chosen in chances else scores.targets


def _finer(scores: Scores, target: str, chances: Chances) -> np.ndarray:
    """(N,) what orders objects of the same P(target): the ranking's P(any) less the others' P.

    The chances of each class are kept in half precision, so that the likeliest share the number 1;
    P(any) is in single, and the others, small there, are kept more finely than 1 is.
    """
    others = (values for name, values in chances.items() if name != target)
    rest: np.ndarray = scores.values - sum(others, start=np.float32(0))
    return rest


def _known(survey: Survey) -> np.ndarray:
    """(N,) True for an object that a cross-match found in a catalogue."""
    added = added_columns(survey)
    if KNOWN_AS not in added:
        return np.zeros(len(survey), bool)
    return added[KNOWN_AS].notna().to_numpy(bool)


def _about(scores: Scores, sought: Sequence[str]) -> str:
    model = scores.model
    if scores.kind is ScoreKind.ANOMALY:
        return (
            "No model has learnt this task yet: the ranking is by anomaly score, the oddest"
            f" objects first. The model begins with the first answer {plain(' or '.join(sought))}."
        )
    return (
        f"Ranked by P({' or '.join(sought)}) of model {model.version}, trained on {model.n_labels}"
        f" answers ({model.learner})."
    ).replace("$", r"\$")


def _choices(
    task: Task, survey: Survey, scores: Scores, sought: Sequence[str]
) -> tuple[int, set[str]]:
    """How many objects the person asks for, and the classes left out."""
    left, middle, right = st.columns([1, 1, 2], vertical_alignment="bottom")
    with left:
        how = st.selectbox("Show", (TOP_K, BY_CUT))
    with middle:
        if how == TOP_K:
            most = min(DEFAULT_K, len(survey))
            n = int(st.number_input("Objects", 1, len(survey), most))
        else:
            finite = scores.values[np.isfinite(scores.values)]
            is_chance = scores.kind is ScoreKind.TARGET_PROBABILITY
            start = 0.5 if is_chance else float(np.percentile(finite, 99)) if len(finite) else 0.0
            cut = st.number_input("Score", value=round(start, 3), step=0.05, format="%.3f")
            n = int((finite >= cut).sum())
    with right:
        hide = st.checkbox(
            f"Leave out what was answered other than {' or '.join(sought)}", value=True
        )
    if hide:
        others = set(task.every_class) - set(sought)
        if how == BY_CUT:
            # The cut counts objects by score; those left out must not let lower ones in.
            rejected = [name for name, label in _labels(task).items() if label in others]
            rows = np.array([survey.row(name) for name in rejected], dtype=int)
            n -= int((scores.values[rows] >= cut).sum())
        return n, others
    return n, set()


def _labels(task: Task) -> dict[str, str]:
    return services().db().current_classes(task.name)


def _line(place: int, candidate: dict[str, Any], is_known: bool, chances: Chances) -> str:
    of_each = {name: float(values[candidate["row"]]) for name, values in chances.items()}
    parts = [
        f"{place}. {candidate['score']:.3f}",
        *(f"{name} {value:.2f}" for name, value in of_each.items()),
        candidate["label"],
        is_known and "known",
    ]
    return ", ".join(part for part in parts if part)


def _download_labels(task: Task) -> None:
    if not may_take(task, who()):
        st.caption("Labels are given out by this task's owner only.")
        return
    from pages._shared.files_panel import labels_button  # it takes a moment to import

    labels_button(task, sum(services().db().counts(task.name).values()))


def candidate_lines(
    task: Task,
    survey: Survey,
    scores: Scores,
    candidates: list[dict[str, Any]],
    sought: Sequence[str] = (),
    chances: Chances | None = None,
    filtered_by: str = "",
) -> list[str]:
    """The candidate list as CSV lines, with the survey's columns after the common ones, those
    added later too.

    sought : the targets that are ranked for, all that `scores` are for if none are named
    chances : a column "P(TARGET)" each
    filtered_by : words of the filter that `scores` were held against
    """
    own = {f"P({name})": values for name, values in (chances or {}).items()}
    model = scores.model
    provenance = Provenance(
        task=task.name,
        target=" or ".join(sought or scores.targets),
        survey=survey.name,
        survey_version=survey.version,
        score_kind=scores.kind.value,
        model_version=model.version,
        sampler=model.sampler,
        learner=model.learner,
        encoder_run=model.encoder_run or "",
        filtered_by=filtered_by,
    )
    catalogue = full_catalogue(survey)
    taken = {*CANDIDATE_COLUMNS, *own}
    extra = [*own, *(str(name) for name in catalogue.columns if str(name) not in taken)]
    rows = catalogue.iloc[[one["row"] for one in candidates]].to_dict("records")
    database = services().db()
    labels, flagged = database.current_labels(task.name), database.flagged(task.name)
    joined = [
        {
            **{str(name): row[name] for name in row},
            **{name: values[one["row"]] for name, values in own.items()},
            **one,
            **_answered(labels.get(one["object_id"])),
            "flagged": one["object_id"] in flagged,
        }
        for one, row in zip(candidates, rows, strict=True)
    ]
    return list(candidates_csv(joined, provenance, extra))


def _answered(label: CurrentLabel | None) -> dict[str, str | None]:
    if label is None:
        return {}
    return {"annotator": label.annotator, "answered_at": label.answered_at or label.recorded_at}
