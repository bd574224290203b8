"""Label tables out of a task and into it, and how far its annotators agree.

Composed of `labels_db` and `core.exchange`, which may not meet; the command line and the pages
both use it.
"""

from __future__ import annotations

import datetime
import math
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from core.errors import BadInput, NotFound
from core.exchange import (
    EVENT_SCHEMA,
    LABEL_SCHEMA,
    Format,
    IncomingRow,
    LabelFile,
    csv_with_provenance_zip,
    read_labels,
    rows_to_batches,
    write_table,
)
from core.survey import Survey, versions
from core.survey.added_columns import added_table
from core.vocabulary import Action
from core.workspace import Workspace, storage_errors
from labels_db import LabelsDB, document

if TYPE_CHECKING:
    from core.metrics import DawidSkene

SETTLED_COLUMNS = 15
"""Columns of a label row before the consensus, which is not the database's to know."""


class Table(StrEnum):
    """What can be exported of a task."""

    EVENTS = "events"
    LABELS = "labels"


@dataclass(frozen=True)
class Imported:
    """What an import did; `remarks` are sentences for the person who did it."""

    format: str
    n_rows: int
    n_new: int
    n_before: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """One line that says it all."""
        told = f"New events: {self.n_new:,} of {self.n_rows:,} ({self.format})"
        if self.n_before:
            told += f"; there before: {self.n_before:,}"
        for why, count in self.left_out.items():
            told += f"; left out: {count:,} ({why})"
        return " ".join([f"{told}.", *self.remarks])


def provenance(db: LabelsDB, task: str) -> dict[str, Any]:
    """Where a table of the task comes from: its definition, versions and newest model."""
    model = db.latest_model(task)
    return {
        "task": document(db.task(task)),
        "task_versions": [
            {"version": one.version, "from_seq": one.from_seq, "changed_at": one.changed_at}
            for one in db.task_versions(task)
        ],
        "model": None
        if model is None
        else {
            "version": model.version,
            "sampler": model.sampler,
            "learner": model.learner,
            "encoder_run": model.encoder_run,
            "survey_version": model.survey_version,
            "n_labels": model.n_labels,
            "seed": model.seed,
        },
        "software": versions(),
        "exported_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def checked_target(workspace: Workspace, given: Path | None, name: str) -> Path:
    """Where an export goes: `given`, or `name` in the workspace's folder exports.

    Raises
    ------
    BadInput
        The path is one of the workspace's own, or its folder is not there.
    """
    folder = workspace.root / "exports"
    if given is None:
        with storage_errors(folder):
            folder.mkdir(exist_ok=True)
        return folder / name
    path = given.expanduser().resolve()
    if path.is_relative_to(workspace.root) and not path.is_relative_to(folder):
        raise BadInput(
            f"{path} lies among the workspace's own files; write the export into {folder} or"
            " outside the workspace."
        )
    if not path.parent.is_dir():
        raise BadInput(f"The folder {path.parent} is not there; make it or name another path.")
    return path


def export_table(
    db: LabelsDB,
    task: str,
    what: Table | str,
    format: Format | str,
    path: Path,
    *,
    overwrite: bool = False,
    zipped: bool = False,
    survey: Survey | None = None,
) -> int:
    """Write the task's events or current labels into `path`; returns the number of rows.

    With `survey`, the task's, labels carry the columns that were added to it after its import
    (what is known of an object, duplicates).

    `zipped` puts a CSV and its provenance into one zip, for a browser. It streams: the table is
    never held as a whole, but for the classes of a consensus. Raises as `write_table` does.
    """
    chosen = _checked_table(what)
    about = provenance(db, task) | {"table": chosen.value}
    if chosen is Table.EVENTS:
        schema, rows = EVENT_SCHEMA, db.event_rows(task)
    else:
        schema, rows = LABEL_SCHEMA, _label_rows(db, task)
        added = None if survey is None else added_table(survey, LABEL_SCHEMA.names)
        if survey is not None and added is not None and added.num_columns:
            schema = pa.schema([*LABEL_SCHEMA, *added.schema])
            rows = _with_added(rows, survey, added)
    batches = rows_to_batches(rows, schema)
    if zipped and format == Format.CSV:
        name = f"{task}-{chosen.value}"
        return csv_with_provenance_zip(
            path, schema, batches, about, name=name, overwrite=overwrite
        )
    return write_table(path, format, schema, batches, about, overwrite=overwrite)


def _with_added(
    pages: Iterator[list[tuple[Any, ...]]], survey: Survey, added: pa.Table
) -> Iterator[list[tuple[Any, ...]]]:
    """The label rows with the added columns of their objects behind them."""
    for page in pages:
        rows = [_row_or_none(survey, row[0]) for row in page]
        taken = added.take(pa.array(rows, pa.int64()))
        cells = zip(*(column.to_pylist() for column in taken.columns), strict=True)
        yield [(*row, *more) for row, more in zip(page, cells, strict=True)]


def _row_or_none(survey: Survey, object_id: str) -> int | None:
    try:
        return survey.row(object_id)
    except NotFound:  # labelled in a version of the survey that had it
        return None


def _label_rows(db: LabelsDB, task: str) -> Iterator[list[tuple[Any, ...]]]:
    consensus = _consensus_by_object(db, task)
    software = versions()["skysift"]
    none = (None, None)
    for rows in db.label_rows(task):
        yield [
            (
                *row[:SETTLED_COLUMNS],
                *consensus.get(row[0], none),
                *row[SETTLED_COLUMNS:],
                software,
            )
            for row in rows
        ]


def _consensus_by_object(db: LabelsDB, task: str) -> dict[str, tuple[str | None, float]]:
    """The consensus class and its probability; empty with fewer than two annotators."""
    found = consensus(db, task)
    if found is None:
        return {}
    best = found.probabilities.max(axis=1).tolist()
    named = found.consensus()
    return {
        str(one): (named[one], probability)  # type: ignore[misc]
        for one, probability in zip(found.objects, best, strict=True)
    }


def consensus(db: LabelsDB, task: str) -> DawidSkene | None:
    """The consensus that weighs annotators by their reliability (Dawid & Skene 1979), with what
    was adjudicated held fixed; None with fewer than two annotators."""
    from core.metrics import dawid_skene

    objects, annotators, classes = class_answers(db, task)
    if len(set(annotators)) < 2:
        return None
    seen = set(objects)
    known = {name: label for name, label in db.adjudicated(task).items() if name in seen}
    names = list(db.task(task).every_class)
    return dawid_skene(objects, annotators, classes, class_names=names, gold=known)


def class_answers(db: LabelsDB, task: str) -> tuple[list[str], list[str], list[str]]:
    """The answers that name a class, as three equally long lists: object, annotator, class."""
    objects, annotators, classes = [], [], []
    for one in db.answers(task):
        if one.class_name is not None:
            objects.append(one.object_id)
            annotators.append(one.annotator)
            classes.append(one.class_name)
    return objects, annotators, classes


def import_labels(
    db: LabelsDB,
    survey: Survey,
    task: str,
    path: Path,
    *,
    by: str,
    format: str | None = None,
    rename: Mapping[str, str] | None = None,
    name: str | None = None,
    **options: Any,
) -> Imported:
    """Take a label file into a task, all of it or nothing.

    Parameters
    ----------
    rename
        Classes of the file under the names that the task has for them.
    name
        Of the file, as the person knows it; kept with each event. None: that of `path`.
    options
        `id_field`, `zooniverse_task`, `label_studio_control`: see `read_labels`.

    Raises
    ------
    BadInput, NotFound
        As `read_labels` and `LabelsDB.import_events` do, with the line of the file.
    """
    known = set(survey.object_ids.tolist())
    file = read_labels(path, format, **options)
    source = f"{file.format}:{name or path.name}"[:500]
    done = db.import_events(
        task,
        _named(file, task, by, rename or {}, source),
        by=by,
        source=source,
        survey_version=survey.version,
        known_object=known.__contains__,
        unit="row" if file.format in ("parquet", "fits") else "line",
    )
    if not done.n_rows:
        why = "; ".join(file.left_out) or "it has no rows that say anything"
        raise BadInput(f"Nothing in {file.name} could be taken in: {why}.")
    return Imported(
        file.format,
        done.n_rows,
        done.n_new,
        done.n_before,
        dict(file.left_out),
        tuple(file.remarks),
    )


def _named(
    file: LabelFile, task: str, by: str, rename: Mapping[str, str], source: str
) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """The rows with the task's names for the classes, and the file's for where they come from."""
    row: IncomingRow
    for row in file:
        values = row.values
        if values.get("source") == file.format:
            # A row from elsewhere: taken into two tasks it is an event of each, and one without
            # an annotator is that of whoever takes it in.
            mixed = f"{task}\n{values.get('annotator') or by}"
            own_id = str(uuid.uuid5(uuid.UUID(values["event_id"]), mixed))
            values = values | {"source": source, "event_id": own_id}
            if values["action"] == Action.LABEL:
                del values["action"]  # its note becomes an event of its own
        elif row.kind == "label" and values.get("task") != task:
            own_id = str(uuid.uuid5(uuid.UUID(values["event_id"]), task))
            values = values | {"event_id": own_id}
        if values.get("class_name") in rename:
            values = values | {"class_name": rename[values["class_name"]]}
        yield row.line, values


def agreement_lines(db: LabelsDB, task: str) -> list[str]:
    """How far the annotators of a task agree, as lines of text."""
    from core.metrics import agreement_summary, pair_agreement

    objects, annotators, classes = class_answers(db, task)
    summary = agreement_summary(objects, annotators, classes)
    lines = [
        f"Answers: {summary.n_answers:,}, annotators: {len(set(annotators))}, objects:"
        f" {summary.n_objects:,}, answered by two or more: {summary.n_shared:,}."
    ]
    if not summary.n_shared:
        return [*lines, "Agreement needs objects that two people answered."]
    lines += [
        f"percent agreement     {_number(summary.percent)}",
        f"Fleiss' kappa         {_number(summary.fleiss.kappa)}"
        f"  ({summary.fleiss.n_objects:,} objects with {summary.fleiss.n_answers} answers)",
        f"Krippendorff's alpha  {_number(summary.alpha)}",
    ]
    pairs = pair_agreement(objects, annotators, classes)
    for first, one in enumerate(pairs.annotators):
        for second in range(first + 1, len(pairs.annotators)):
            if pairs.n_common[first, second]:
                lines.append(
                    f"{one} and {pairs.annotators[second]}: Cohen's kappa"
                    f" {_number(pairs.kappa[first, second])},"
                    f" {int(pairs.n_common[first, second]):,} objects in common"
                )
    found = consensus(db, task)
    if found is not None:
        lines += [
            f"{name}: estimated chance of a right answer {accuracy:.3f} (Dawid and Skene's model)"
            for name, accuracy in zip(found.annotators, found.accuracy, strict=True)
        ]
    lines += [
        f"{one.annotator}: {one.n_right} of {one.n_answered} gold objects right"
        for one in db.gold_results(task)
    ]
    return lines


def _number(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.3f}"


def _checked_table(what: Table | str) -> Table:
    try:
        return Table(what)
    except ValueError:
        raise BadInput(
            f"Of a task {' and '.join(Table)} can be exported, but {str(what)[:40]!r} was asked"
            " for; name one of them."
        ) from None
