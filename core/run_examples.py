"""The job `examples`: objects known to be of a class, as the first labels of a task."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.errors import BadInput, NotFound, NotReady
from core.run_pictures import class_of_examples
from core.vocabulary import Settled
from core.workspace import Workspace, open_workspace, owner_name

if TYPE_CHECKING:
    from core.discovery.examples import Examples
    from core.survey import Survey
    from core.survey.matching.known import KnownColumns
    from labels_db import LabelsDB, Task

AddJob = Callable[[str, Callable[[argparse.Namespace], str], str], argparse.ArgumentParser]

DEFAULT_RADIUS_ARCSEC = 2.0

SOURCE = "known examples"
"""Kept with each label that came so."""

_NAMESPACE = uuid.UUID("5a0c7f0e-93f2-4a6d-9d0b-6a2c1c7a51e9")
"""Of the ids of these labels, so that one given twice at the same time is one."""


def add_examples_job(job: AddJob) -> None:
    """Add `examples` to the jobs."""
    sub = job("examples", _examples, "give a task known examples before its first answer")
    sub.add_argument("task")
    sub.add_argument("--id", dest="ids", action="append", default=[], help="an object; repeatable")
    sub.add_argument(
        "--position",
        dest="positions",
        action="append",
        default=[],
        metavar="'RA DEC'",
        help="a place on the sky in degrees or sexagesimal; repeatable",
    )
    sub.add_argument(
        "--catalogue",
        dest="catalogues",
        action="append",
        default=[],
        metavar="CATALOGUE",
        help="a table (PATH or NAME=PATH), lenscat, simbad or vizier:TABLE; repeatable",
    )
    sub.add_argument("--radius", type=float, default=DEFAULT_RADIUS_ARCSEC, help="arcsec")
    sub.add_argument(
        "--pictures",
        action="extend",
        nargs="+",
        default=[],
        metavar="FILE",
        help="JPEG, PNG, TIFF or FITS pictures of known ones that are not in the survey",
    )
    sub.add_argument(
        "--class", dest="class_name", default=None, help="default: the target, if there is one"
    )
    sub.add_argument("--by", default=None, help="who says so (default: you)")


def find_examples(
    survey: Survey,
    *,
    ids: Sequence[str] = (),
    positions: Sequence[str] = (),
    catalogues: Sequence[str] = (),
    radius_arcsec: float = DEFAULT_RADIUS_ARCSEC,
    columns: KnownColumns | None = None,
) -> Examples:
    """Rows of a survey that ids, places on the sky ("RA DEC") and catalogues name.

    A place names the nearest object within the radius. A catalogue (as `open_known` reads it)
    names each object that has one of its entries within the radius; its entries elsewhere on the
    sky are no errors.

    Raises
    ------
    BadInput
        A place or catalogue that cannot be read, a radius out of range.
    NotReady
        Places or catalogues, but the survey has no positions.
    """
    from core.discovery.examples import examples_by_id

    found = examples_by_id(ids, survey.object_ids)
    if positions:
        found = found.joined(_by_position(survey, positions, radius_arcsec))
    for one in catalogues:
        found = found.joined(_by_catalogue(survey, one, radius_arcsec, columns))
    return found


def _by_position(survey: Survey, said: Sequence[str], radius_arcsec: float) -> Examples:
    from core.discovery.examples import Examples
    from core.survey.batch import Reject
    from core.survey.matching.sphere import Positions, checked_radius, pairs_within
    from core.survey.positions.lines import parse_lines

    radius = checked_radius(radius_arcsec)
    there = Positions(*_sky(survey))
    rows: dict[int, str] = {}
    nearest: dict[int, float] = {}
    unresolved = []
    for text in said:
        try:
            # One at a time: a list must be in one notation throughout.
            read = parse_lines(text)
        except BadInput:
            read = []
        if len(read) != 1 or isinstance(place := read[0], Reject):
            unresolved.append(f"{text!r} is no position such as '150.116 2.205'")
            continue
        near = list(pairs_within(there, np.array([place.ra]), np.array([place.dec]), radius))
        if not near:
            unresolved.append(f"no object lies within {radius:g} arcsec of {text!r}")
            continue
        candidates, _, apart = (np.concatenate(part) for part in zip(*near, strict=True))
        row = int(candidates[apart.argmin()])
        if row not in rows:
            rows[row], nearest[row] = text, float(apart.min())
    return Examples(rows, tuple(unresolved), nearest)


def _by_catalogue(
    survey: Survey, said: str, radius_arcsec: float, columns: KnownColumns | None
) -> Examples:
    from core.discovery.examples import Examples
    from core.progress import silent
    from core.run_columns import service_settings
    from core.survey.matching.known import open_known
    from core.survey.matching.sphere import Positions, checked_radius

    there = Positions(*_sky(survey))
    catalogue = open_known(said, columns, service_settings())
    rows: dict[int, str] = {}
    nearest: dict[int, float] = {}
    for found in catalogue.near(there, checked_radius(radius_arcsec), silent):
        entries = zip(found.rows.tolist(), found.names, found.sep_arcsec.tolist(), strict=True)
        for row, name, apart in entries:
            if row not in rows:
                rows[row], nearest[row] = f"{name} ({catalogue.label})", apart
    if not rows:
        reason = f"no entry of {catalogue.label} lies within {radius_arcsec:g} arcsec of an object"
        return Examples({}, (reason, *catalogue.notes))
    return Examples(rows, tuple(note.rstrip(".") for note in catalogue.notes), nearest)


def _sky(survey: Survey) -> tuple[np.ndarray, np.ndarray]:
    from core.survey.astrometry import sky_positions

    there = sky_positions(survey)
    if there is None:
        raise NotReady(
            f"The objects of {survey.name} have no positions on the sky; name examples by their"
            " ids."
        )
    return there


def add_examples(
    db: LabelsDB, survey: Survey, task: str, examples: Examples, class_name: str | None, by: str
) -> int:
    """Label the examples in a task (as its target, unless `class_name` says otherwise; of a task
    with several targets it says which).

    Returns how many labels are new: an example given again by the same person is one as long as
    it stands. After an undo, or another answer in its place, it is a new label.
    """
    found = db.task(task)
    wanted = class_of_examples(found, class_name)
    rows = []
    for row in examples.rows:
        object_id = str(survey.object_ids[row])
        event_id = _event_id(db, task, by, object_id, wanted)
        rows.append((None, {"event_id": event_id, "object_id": object_id, "class_name": wanted}))
    done = db.import_events(task, rows, by=by, source=SOURCE, survey_version=survey.version)
    return done.n_new


def _event_id(db: LabelsDB, task: str, by: str, object_id: str, wanted: str) -> str:
    """The id of one example's label: that of the first time as long as this stands."""
    first = str(uuid.uuid5(_NAMESPACE, "\n".join((task, by, object_id, wanted))))
    if db.event(first) is None:
        return first
    own = next(db.answers(task, annotator=by, object_id=object_id), None)
    label = db.current_label(task, object_id)
    # A vote given twice counts once, and no answer is above an adjudication.
    answered_over = (
        label is not None and label.how is Settled.LATEST and label.class_name != wanted
    )
    if own is not None and own.class_name == wanted and not answered_over:
        return first
    return str(uuid.uuid4())


def _examples(a: argparse.Namespace) -> str:
    from core.survey import Survey
    from labels_db import LabelsDB

    if not (a.ids or a.positions or a.catalogues or a.pictures):
        raise BadInput(
            "Examples are named by --id, --position, --catalogue or --pictures, but none was"
            " given; name one."
        )
    workspace = open_workspace(a.workspace, create=False)
    by = a.by or owner_name()
    with LabelsDB(workspace.labels) as db:
        task = db.task(a.task)
        survey = Survey.open(workspace, task.survey)
        names_objects = bool(a.ids or a.positions or a.catalogues)
        examples = find_examples(
            survey,
            ids=a.ids,
            positions=a.positions,
            catalogues=a.catalogues,
            radius_arcsec=a.radius,
        )
        if names_objects and not examples:
            raise NotFound(
                f"No example could be resolved: {'; '.join(examples.unresolved[:5])}; check the"
                f" names, or widen --radius ({a.radius:g} arcsec)."
            )
        told = _pictures(workspace, survey, task, a.pictures, a.class_name, by)
        if names_objects:
            n_new = add_examples(db, survey, a.task, examples, a.class_name, by)
            are = "is a new label" if n_new == 1 else "are new labels"
            told += examples.sentences()
            told.append(f"{n_new:,} of them {are} of the task {a.task}.")
    return "\n".join(told)


def _pictures(
    workspace: Workspace,
    survey: Survey,
    task: Task,
    paths: Sequence[str],
    class_name: str | None,
    by: str,
) -> list[str]:
    """Keep pictures as examples; what to print. `BadInput` for one that cannot be read."""
    from core.run_pictures import MAX_BYTES, add_picture
    from core.survey.readers.unreadable import Unreadable
    from core.survey.readers.whole_file import read_whole

    added = []
    for path in paths:
        try:
            content = read_whole(path, MAX_BYTES)
        except Unreadable as error:
            raise BadInput(f"The picture {path} {error}; name another file.") from None
        added.append(add_picture(workspace, survey, task, content, path, class_name, by))
    if not added:
        return []
    are = "picture is a known example" if len(added) == 1 else "pictures are known examples"
    return [
        f"{len(added):,} {are} of {added[0].class_name!r} in the task {task.name}; the queue"
        " follows within a few seconds where the task is open."
    ]


__all__ = ["add_examples", "add_examples_job", "find_examples"]
