"""Selections: sets of objects that people picked, kept by object_id and shared by link.

The record is in the label database, the objects are WORKSPACE/selections/ID.parquet: columns
object_id and row (of the version whose content hash the file names), in the order of the rows.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import BadInput, Damaged, Forbidden, NotFound, SkysiftError
from core.survey import Survey
from core.workspace import Workspace, storage_errors
from labels_db import LabelsDB, Selection
from labels_db.backup import sync
from pages._server.identity import Identity
from pages._server.recent import Recent
from pages._server.visibility import answers_hidden

__all__ = ["KEPT_DAYS", "MAX_UNNAMED", "Selections", "knowing"]

KEPT_DAYS = 30
"""A selection without a name is kept so long."""
MAX_UNNAMED = 500
"""Of a person's selections without a name the newest so many are kept."""
_ID = re.compile("[0-9a-f]{16}")
_TIDY_S = 86_400.0
_FORGOTTEN_S = 3600.0
"""A partial file that is older than this was left behind by a killed server."""

_log = logging.getLogger("skysift.selections")


class Selections:
    """All selections of a workspace; may be called from any thread.

    Parameters
    ----------
    workspace
        Where the files lie.
    database
        Gives the calling thread's own connection.
    """

    def __init__(self, workspace: Workspace, database: Callable[[], LabelsDB]) -> None:
        self._folder = workspace.root / "selections"
        self._database = database
        self._rows = Recent(16)
        self._ids = Recent(2)

    def add(
        self,
        survey: Survey,
        rows: np.ndarray,
        origin: dict[str, Any],
        by: str,
        name: str | None = None,
    ) -> Selection:
        """Make a selection of the objects in `rows` (any order; twice counts once).

        origin: how it was made, JSON: {"kind": "lasso" | "filter" | "similar" | ..., ...}. Of one
        made by what people answered on a task, or by a model's scores, "tells" lists the task's
        name: on a secret task it is kept from those who may not see that. "knows": True of one
        made by what is known of objects from elsewhere, which any secret task of the survey keeps
        from them.

        Raises
        ------
        BadInput
            A row is none of the survey's; the origin or name cannot be stored.
        """
        chosen = _checked_rows(survey, rows)
        selection = Selection(
            id=secrets.token_hex(8),
            name=name,
            survey=survey.name,
            survey_version=survey.version,
            n_objects=len(chosen),
            origin=origin,
            made_by=by,
            made_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        self._write(survey, selection.id, chosen)
        try:
            kept = self._database().add_selection(selection)
        except SkysiftError:
            self._path(selection.id).unlink(missing_ok=True)
            raise
        self._make_room(by, kept.id)
        return kept

    def _make_room(self, by: str, made: str) -> None:
        try:
            for selection_id in self._database().unnamed_beyond(by, MAX_UNNAMED):
                if selection_id != made:
                    self._delete_unnamed(selection_id)
        except (SkysiftError, OSError) as error:
            _log.error("Old selections of %s were not cleaned: %s", by, error)

    def get(self, selection_id: str) -> Selection:
        """The record of a selection (`NotFound`)."""
        return self._database().selection(selection_id)

    def shown(self, selection_id: str, who: Identity) -> Selection:
        """The record, for somebody to see (`NotFound`, `Forbidden`)."""
        found = self.get(selection_id)
        if not self.may_see(found, who):
            raise Forbidden(
                "This selection was made from answers, scores or what is known from elsewhere,"
                " which are kept from you on a blind task; ask the owner, or make one of your own."
            )
        return found

    def may_see(self, selection: Selection, who: Identity) -> bool:
        """Whether it tells this person nothing that a secret task keeps from them."""
        if selection.made_by == who.annotator:
            return True
        database = self._database()
        if selection.origin.get("knows") and any(
            answers_hidden(database, task, who) for task in database.tasks(selection.survey)
        ):
            return False
        for name in selection.origin.get("tells", ()):
            try:
                if answers_hidden(database, database.task(name), who):
                    return False
            except NotFound:
                continue
        return True

    def saved(self, survey: str, who: Identity) -> list[Selection]:
        """The named selections of a survey that this person may see, the newest first."""
        found = self._database().selections(survey, named=True)
        return [one for one in found if self.may_see(one, who)]

    def rows(self, selection_id: str, survey: Survey) -> np.ndarray:
        """(K,) int64 ascending: the rows of its objects in `survey`.

        Found by object_id, so that they are right for another version of the survey too; objects
        that this version does not have are left out.

        Raises
        ------
        NotFound
            There is no such selection, or its file is gone.
        BadInput
            It is of another survey.
        Damaged
            Its file cannot be read.
        """
        selection = self.get(selection_id)
        if selection.survey != survey.name:
            raise BadInput(
                f"The selection {selection.name or selection.id} is of the survey"
                f" {selection.survey}, not of {survey.name}; choose a task of that survey or"
                " another selection."
            )
        rows: np.ndarray = self._rows.get(
            (selection_id, survey.manifest.content_hash),
            lambda: _readonly(self._read(selection, survey)),
        )
        return rows

    def rename(self, selection_id: str, name: str | None) -> Selection:
        """Give it a name, by which it is kept, or take the name away."""
        return self._database().name_selection(selection_id, name)

    def delete(self, selection_id: str) -> bool:
        """Take it out; answers given from it stay. False if somebody else did so before."""
        done = self._database().delete_selection(selection_id)
        if _ID.fullmatch(selection_id):
            self._path(selection_id).unlink(missing_ok=True)
        return done

    def combine(self, how: str, one: str, other: str, survey: Survey, by: str) -> Selection:
        """A new selection of the objects of `one` "and" `other`, of either ("or"), or of `one`
        but not `other` ("not")."""
        first, second = (_mask(survey, self.rows(part, survey)) for part in (one, other))
        match how:
            case "and":
                inside = first & second
            case "or":
                inside = first | second
            case "not":
                inside = first & ~second
            case _:
                raise BadInput(
                    "Two selections are combined by and, or or not, but"
                    f" {str(how)[:20]!r} was asked for; use one of them."
                )
        parts = [self.get(one), self.get(other)]
        origin: dict[str, Any] = {
            "kind": how,
            "of": [{"id": part.id, "name": part.name} for part in parts],
        }
        origin |= knowing(*(part.origin for part in parts))
        return self.add(survey, np.flatnonzero(inside), origin, by)

    def clean(self) -> int:
        """Take out what nobody named for `KEPT_DAYS`, and files without a record; how many."""
        database = self._database()
        before = datetime.now(UTC) - timedelta(days=KEPT_DAYS)
        old = database.unnamed_selections(before.isoformat(timespec="milliseconds"))
        n_cleaned = sum(self._delete_unnamed(selection_id) for selection_id in old)
        known = database.selection_ids()
        now = time.time()
        for path in self._folder.glob("*.parquet*") if self._folder.is_dir() else ():
            if path.stem in known:
                continue
            # Whole ones stay as long: the database may have been restored from a backup.
            kept_s = _FORGOTTEN_S if path.suffix == ".partial" else KEPT_DAYS * 86_400
            if now - path.stat().st_mtime > kept_s:
                path.unlink(missing_ok=True)
        if n_cleaned:
            _log.info("Cleaned %d selections without a name", n_cleaned)
        return n_cleaned

    def _delete_unnamed(self, selection_id: str) -> bool:
        """Somebody may give it a name at this very moment: then it stays whole."""
        gone = self._database().delete_selection(selection_id, only_unnamed=True)
        if gone:
            self._path(selection_id).unlink(missing_ok=True)
        return gone

    def keep_tidy(self, closed: threading.Event) -> None:
        """`clean` now and once a day until the server is closed; what goes wrong is logged and
        tried the next time."""
        while True:
            try:
                self.clean()
            except (SkysiftError, OSError) as error:
                _log.error("Old selections were not cleaned: %s", error)
            if closed.wait(_TIDY_S):
                return

    def _ids_of(self, survey: Survey) -> pa.Array:
        """(N,) the survey's object_ids; a million Python strings take 0.3 s to turn over."""
        ids: pa.Array = self._ids.get(
            survey.manifest.content_hash, lambda: pa.array(survey.object_ids, pa.large_string())
        )
        return ids

    def _path(self, selection_id: str) -> Path:
        return self._folder / f"{selection_id}.parquet"

    def _write(self, survey: Survey, selection_id: str, rows: np.ndarray) -> None:
        path = self._path(selection_id)
        partial = path.with_name(f"{path.name}.partial")
        places = pa.array(rows, pa.int64())
        columns = {"object_id": self._ids_of(survey).take(places), "row": places}
        about = {b"content_hash": survey.manifest.content_hash.encode()}
        table = pa.table(columns).replace_schema_metadata(about)
        with storage_errors(path):
            self._folder.mkdir(exist_ok=True)
            try:
                # Ids hardly ever repeat: a dictionary would only cost time.
                pq.write_table(
                    table,
                    partial,
                    compression="zstd",
                    use_dictionary=False,
                    write_page_checksum=True,
                )
                sync(partial)
                os.replace(partial, path)
                sync(self._folder)
            finally:
                partial.unlink(missing_ok=True)

    def _read(self, selection: Selection, survey: Survey) -> np.ndarray:
        path = self._path(selection.id)
        if not path.exists():
            raise NotFound(
                f"The objects of the selection {selection.name or selection.id} are gone (the file"
                f" selections/{path.name} of the workspace); restore it from a backup, or delete"
                " the selection and make it anew."
            )
        try:
            with (
                storage_errors(path),
                pq.ParquetFile(path, page_checksum_verification=True) as file,
            ):
                of_hash = (file.schema_arrow.metadata or {}).get(b"content_hash", b"").decode()
                same = of_hash == survey.manifest.content_hash
                column = file.read(["row" if same else "object_id"]).column(0)
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise Damaged(
                f"The objects of the selection {selection.name or selection.id} cannot be read"
                f" ({str(error)[:120]}); restore {path} from a backup, or delete the selection."
            ) from error
        if same:
            rows: np.ndarray = column.to_numpy()
            if len(rows) and not 0 <= rows.min() <= rows.max() < len(survey):
                raise Damaged(f"{path} names rows that {survey.name} does not have; delete it.")
            return rows
        ids = self._ids_of(survey)
        places = pc.index_in(column.cast(pa.large_string()), value_set=ids)
        return np.sort(places.drop_null().to_numpy().astype(np.int64))


def knowing(*origins: Mapping[str, Any]) -> dict[str, Any]:
    """What the origin of a selection says of those it was made from: "tells" and "knows"."""
    tells = sorted({name for one in origins for name in one.get("tells", ())})
    knows = any(one.get("knows") for one in origins)
    return ({"tells": tells} if tells else {}) | ({"knows": True} if knows else {})


def _readonly(rows: np.ndarray) -> np.ndarray:
    """Kept and handed to everybody: nobody may change it."""
    rows.setflags(write=False)
    return rows


def _checked_rows(survey: Survey, rows: np.ndarray) -> np.ndarray:
    given = np.asarray(rows)
    if given.size == 0:
        return np.empty(0, np.int64)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise BadInput(
            f"A selection is made of rows (K,) of whole numbers, but got {given.shape} of"
            f" {given.dtype}; turn ids into rows first."
        )
    low, high = int(given.min()), int(given.max())
    if low < 0 or high >= len(survey):
        raise BadInput(
            f"The rows of the survey {survey.name} are 0 to {len(survey) - 1:,}, but"
            f" {low if low < 0 else high:,} was selected; reload the page and select anew."
        )
    return np.flatnonzero(_mask(survey, given))


def _mask(survey: Survey, rows: np.ndarray) -> np.ndarray:
    """(N,) bool: True in these rows. NumPy's own functions of sets take a hundred times as long
    with a million rows."""
    inside = np.zeros(len(survey), bool)
    inside[rows] = True
    return inside
