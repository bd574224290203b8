"""Label files on the tasks page: taking labels out, and bringing them in."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.errors import BadInput, SkysiftError
from core.exchange import MEDIA_TYPES, SUFFIXES, Format
from core.exchange.inspection import Inspection, inspect
from core.run_labels import Table, export_table, import_labels
from core.vocabulary import Role
from labels_db import Task
from pages._server.identity import Identity, resolver
from pages._server.services import services
from pages._shared.editing import as_owner
from pages._shared.sight import may_take
from pages._shared.words import plain

__all__ = ["files_panel", "labels_button", "workspace_file"]

EVENTS, LABELS = "Every event", "Current labels"
UPLOAD, PATH = "Upload a file", "A file in the workspace"
FORMATS = {
    Format.CSV: "CSV (zip, with its provenance)",
    Format.PARQUET: "Parquet",
    Format.VOTABLE: "VOTable",
    Format.FITS: "FITS table",
    Format.JSONL: "JSON Lines",
}
MAX_UPLOAD_MB = 200
MAX_MAPPED = 60
READABLE = (".csv", ".json", ".jsonl", ".parquet", ".vot", ".xml", ".fits", ".gz", ".zip")
_SHOWN = ("object_id", "action", "class_name", "annotator", "answered_at", "confidence", "note")


def files_panel(task: Task, identity: Identity) -> None:
    """Draw the export for whoever may see all answers, and the import for the owner."""
    if not may_take(task, identity):
        st.info(
            "On this task nobody but the owner sees all answers, so its labels cannot be taken"
            " out; ask the owner for a file."
        )
        return
    _export(task)
    if identity.role is Role.OWNER:
        st.divider()
        _import(task)


def labels_button(task: Task, n: int) -> None:
    """Draw a button that gives the `n` current labels as a CSV with its provenance, zipped."""
    name = f"{task.name}-labels.zip"
    cookies = dict(st.context.cookies)
    st.download_button(
        f"Labels CSV ({n:,})",
        lambda: _file(task, Format.CSV, name, events=False, cookies=cookies),
        file_name=name,
        mime="application/zip",
        on_click="ignore",
        width="stretch",
        help="Other formats, and all events: Tasks, Files.",
    )


def _export(task: Task) -> None:
    left, middle, right = st.columns([3, 3, 2], vertical_alignment="bottom")
    with left:
        what = st.selectbox(
            "Take out",
            (LABELS, EVENTS),
            help="The current label of each object, one line an object; or everything that"
            " anybody did, one line an event.",
        )
    with middle:
        format = st.selectbox("As", list(FORMATS), format_func=FORMATS.__getitem__)
    suffix = ".zip" if format is Format.CSV else SUFFIXES[format]
    name = f"{task.name}-{'events' if what == EVENTS else 'labels'}{suffix}"
    cookies = dict(st.context.cookies)
    with right:
        st.download_button(
            "Download",
            lambda: _file(task, format, name, events=what == EVENTS, cookies=cookies),
            file_name=name,
            mime="application/zip" if format is Format.CSV else MEDIA_TYPES[format],
            on_click="ignore",
            type="primary",
            width="stretch",
        )
    st.caption(
        "Each file carries where it comes from: the task with its classes and guideline, the"
        " survey's version, the software and the time."
    )


def _file(
    task: Task, format: Format, name: str, *, events: bool, cookies: dict[str, str]
) -> bytes:
    """The file, made when it is asked for, by whoever asks then."""
    asking = resolver()(cookies)
    database = services().db()
    if not isinstance(asking, Identity) or not may_take(database.task(task.name), asking):
        raise BadInput("You may not take this task's labels out any more; reload the page.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        what = Table.EVENTS if events else Table.LABELS
        survey = services().survey(task.survey)
        export_table(database, task.name, what, format, path, zipped=True, survey=survey)
        return path.read_bytes()


def _import(task: Task) -> None:
    st.markdown("**Bring labels in**")
    st.caption(
        "Tables of Skysift's in any format, a CSV with the columns object_id and label, Label"
        " Studio's JSON, or the Zooniverse's classification export. All rows are taken in or"
        " none, and a file that was taken in before changes nothing."
    )
    how = st.segmented_control(
        "From",
        (UPLOAD, PATH),
        default=UPLOAD,
        required=True,
        label_visibility="collapsed",
        key="import from",
    )
    options = _options()
    try:
        source = _chosen(how)
        if source is None:
            return
        found = _inspected(source, (task.name, source.stamp, *options.values()), options)
        _describe(found)
        rename = _mapping(task, found)
        if st.button("Take these labels in", type="primary"):
            with st.spinner("Taking the labels in"), source.path() as path:
                done = import_labels(
                    services().db(),
                    services().survey(task.survey),
                    task.name,
                    path,
                    by=as_owner(),
                    rename=rename,
                    **options,
                )
            st.success(done.sentence)
    except SkysiftError as error:
        st.error(str(error))


def _options() -> dict[str, Any]:
    with st.expander("For files of Label Studio and the Zooniverse"):
        left, right = st.columns(2)
        with left:
            id_field = st.text_input(
                "Field that names the object", placeholder="object_id, or the picture's name"
            )
        with right:
            task = st.text_input("The Zooniverse workflow's task", placeholder="T0")
    return {"id_field": id_field.strip() or None, "zooniverse_task": task.strip() or None}


@dataclass(frozen=True)
class _Source:
    """A chosen file; `stamp` tells it from any other, and from what it was before."""

    stamp: Any
    held: Path | UploadedFile

    @contextlib.contextmanager
    def path(self) -> Iterator[Path]:
        """Where it lies; an upload is put on the disk for as long as that is needed."""
        if isinstance(self.held, Path):
            yield self.held
            return
        with tempfile.TemporaryDirectory() as folder:
            # The name's last part only: it is kept with each event as where it came from.
            path = Path(folder) / (Path(self.held.name).name or "upload")
            path.write_bytes(self.held.getbuffer())
            yield path


def _chosen(how: str) -> _Source | None:
    if how == PATH:
        typed = st.text_input("Path, from the workspace's folder", placeholder="labels.csv")
        if not typed.strip():
            return None
        path = workspace_file(services().workspace.root, typed.strip())
        stat = path.stat()
        return _Source((str(path), stat.st_mtime_ns, stat.st_size), path)
    upload = st.file_uploader(f"A file of up to {MAX_UPLOAD_MB} MB", max_upload_size=MAX_UPLOAD_MB)
    return None if upload is None else _Source(upload.file_id, upload)


def workspace_file(root: Path, typed: str) -> Path:
    """The file at a path from the workspace's folder, or `BadInput` if it lies elsewhere."""
    base = root.resolve()
    try:
        path = (base / typed).resolve()
        inside = path.is_relative_to(base) and path.is_file() and path.suffix in READABLE
    except (OSError, ValueError, RuntimeError):
        inside = False
    if not inside:
        raise BadInput(
            f"A label file ({', '.join(READABLE)}) in the workspace's folder {base} can be read"
            f" here, but {typed[:200]!r} is none; put the file there, or upload it."
        )
    return path


def _inspected(source: _Source, stamp: tuple[Any, ...], options: dict[str, Any]) -> Inspection:
    """What the file holds; read once, not at every rerun of the page."""
    kept = st.session_state.get("inspected")
    if kept is None or kept[0] != stamp:
        with st.spinner("Reading the file"), source.path() as path:
            kept = (stamp, inspect(path, **options))
        st.session_state["inspected"] = kept
    found: Inspection = kept[1]
    return found


def _describe(found: Inspection) -> None:
    people = f" by {len(found.annotators):,} annotators" if len(found.annotators) > 1 else ""
    if len(found.annotators) == 1:
        people = f" by {plain(next(iter(found.annotators)))}"
    st.write(f"{found.format.replace('_', ' ')}: {found.n_rows:,} rows{people}.")
    for reason, n in found.left_out.items():
        st.caption(f"Left out: {n:,} {plain(reason)}.")
    for remark in found.remarks:
        st.caption(plain(remark))
    table = pd.DataFrame(found.first, columns=list(_SHOWN)).dropna(axis="columns", how="all")
    st.dataframe(table, hide_index=True, width="stretch")


def _mapping(task: Task, found: Inspection) -> dict[str, str]:
    """Ask what the file's classes are called in the task; those of the same name need none."""
    known = {name.casefold(): name for name in task.every_class}
    strange = [name for name in found.classes if name not in task.every_class]
    if not strange:
        return {}
    st.write("Classes of the file that the task does not have:")
    rename = {}
    columns = st.columns(min(3, len(strange)))
    for place, name in enumerate(strange[:MAX_MAPPED]):
        guess = known.get(name.casefold())
        with columns[place % len(columns)]:
            to = st.selectbox(
                f"{plain(name)} ({found.classes[name]:,})",
                task.every_class,
                index=None if guess is None else task.every_class.index(guess),
                placeholder="is in this task ...",
                key=f"{task.name}/import {name}",
            )
        if to is not None:
            rename[name] = to
    if len(strange) > MAX_MAPPED:
        st.caption(f"And {len(strange) - MAX_MAPPED:,} more; rename them in the file.")
    return rename
