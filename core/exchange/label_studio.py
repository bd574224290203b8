"""Exports of Label Studio, JSON and JSON_MIN.

Source: Label Studio, "Label Studio Task Format" (https://labelstud.io/guide/task_format) and
"Export annotations" (https://labelstud.io/guide/export).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.exchange.incoming import IncomingRow, LabelFile, Place, answer, made_id, short_name
from core.exchange.naming import object_name

_IDS = ("object_id", "objid", "object", "id")
_SINCE_ANNOTATED = ("annotation_id", "annotator", "created_at", "updated_at", "lead_time")


@dataclass
class _Said:
    """What one annotation says: class names in order, leaves of taxonomies, words."""

    classes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    taxonomy: list[list[str]] = field(default_factory=list)


def label_studio_rows(
    file: LabelFile,
    place: Place,
    tasks: Iterable[tuple[int, Any]],
    *,
    id_field: str | None = None,
    control: str | None = None,
) -> Iterator[IncomingRow]:
    """The annotations of an export, one row each.

    Parameters
    ----------
    tasks
        (line, task) as they stand in the file's array.
    id_field
        Field of a task's `data` that names the object; None searches for object_id, id, or a
        picture's name.
    control
        Name of the labelling control (`from_name`) that asks for the class; None takes all.

    Of several choices the first is the class, the others are tags; a taxonomy counts with the
    leaf of each path, whole paths stand in the payload. Text areas are the note. A cancelled
    annotation becomes a skip.
    """
    count = 0
    for line, task in tasks:
        count += 1
        if not isinstance(task, Mapping):
            raise place.bad(line, "each element should be a task; export the file anew.")
        if isinstance(task.get("annotations", task.get("completions")), list):
            found = _full(task, line, place, id_field, control)
        elif "annotation_id" in task or "annotator" in task:
            found = _minimal(task, line, place, id_field, control)
        else:
            raise place.bad(
                line,
                "a task of Label Studio has annotations (or, in JSON_MIN, an annotation_id), but"
                f" this one has {', '.join(map(str, task))[:200] or 'nothing'}; export it as JSON"
                " or JSON_MIN.",
            )
        empty = True
        for values in found:
            if values["class_name"] is None and values["action"] == "label":
                file.left_out["annotations without a choice"] += 1
            else:
                yield IncomingRow(line, "label", values)
            empty = False
        if empty:
            file.left_out["tasks without an annotation"] += 1
    if not count:
        raise place.bad(None, "the JSON array is empty; there is nothing to import.")


def _full(
    task: Mapping[str, Any], line: int, place: Place, id_field: str | None, control: str | None
) -> Iterator[dict[str, Any]]:
    annotations = task.get("annotations", task.get("completions"))
    data = task.get("data")
    for one in annotations or ():
        if not isinstance(one, Mapping):
            raise place.bad(line, "an annotation should be an object; export the file anew.")
        said = _Said()
        for result in one.get("result") or ():
            if isinstance(result, Mapping):
                asked = control in (None, result.get("from_name"))
                if asked or result.get("type") == "textarea":
                    _hear(said, result.get("value"))
        name = _name(data, task, id_field, line, place)
        yield _answer(
            said, name, one.get("id"), one.get("completed_by"), one, line, place,
            skipped=bool(one.get("was_cancelled")),
        )  # fmt: skip


def _minimal(
    task: Mapping[str, Any], line: int, place: Place, id_field: str | None, control: str | None
) -> Iterator[dict[str, Any]]:
    """JSON_MIN: the data's fields and the controls' answers side by side.

    One choice is a bare text, several are {"choices": [...]}; a text field of the data looks the
    same as one choice. So the controls are those that come after the data's fields, and where
    the export does not say which, those that hold a text and name no picture.
    """
    name = _name(task, task, id_field, line, place)
    said = _Said()
    for key, value in task.items():
        if key in _SINCE_ANNOTATED or (control is not None and key != control):
            continue
        if control is not None and isinstance(value, str):
            said.classes.append(value)
        elif isinstance(value, Mapping | list):
            _hear(said, value)
    if control is None and not said.classes:
        texts = _bare_texts(task, id_field)
        if len(texts) > 1:
            raise place.bad(
                line,
                f"the class may be any of {', '.join(texts)}; name the labelling control that"
                " asks for it.",
            )
        said.classes.extend(str(task[key]) for key in texts)
    yield _answer(said, name, task.get("annotation_id"), task.get("annotator"), task, line, place)


def _bare_texts(task: Mapping[str, Any], id_field: str | None) -> list[str]:
    """Fields before `annotator` that hold a text and may be the answer of a control."""
    keys = list(task)
    # The exporter writes: the data's fields, "id", the controls, then the annotator's.
    if "id" in keys:
        keys = keys[keys.index("id") + 1 :]
    out = {*_SINCE_ANNOTATED, *_IDS, id_field}
    return [k for k in keys if k not in out and isinstance(task[k], str) and "/" not in task[k]]


def _hear(said: _Said, value: Any) -> None:
    """Take in one result's value, or a list of them."""
    if isinstance(value, list):
        for one in value:
            _hear(said, one)
    if not isinstance(value, Mapping):
        return
    for name in _words(value.get("choices")):
        if name not in said.classes:
            said.classes.append(name)
    for path in value.get("taxonomy") or ():
        steps = _words(path)
        if steps:
            said.taxonomy.append(steps)
            if steps[-1] not in said.classes:
                said.classes.append(steps[-1])
    said.notes.extend(_words(value.get("text")) if "start" not in value else [])


def _words(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str) and item]


def _name(
    data: Any, task: Mapping[str, Any], id_field: str | None, line: int, place: Place
) -> str:
    fields = data if isinstance(data, Mapping) else {}
    # In JSON_MIN "id" is the task's own number, which names nothing in a survey.
    ids = _IDS if fields is not task else _IDS[:-1]
    name = object_name(fields, id_field, ids, line, place)
    if name is None:
        raise place.bad(
            line,
            "no field of the task names the object (object_id, id, or a picture's file), only"
            f" {', '.join(map(str, fields))[:200] or 'none'}; name the field that does.",
        )
    return place.object_id(line, name)


def _answer(
    said: _Said,
    object_id: str,
    own_id: Any,
    who: Any,
    about: Mapping[str, Any],
    line: int,
    place: Place,
    skipped: bool = False,
) -> dict[str, Any]:
    at = about.get("created_at")
    at = place.time(line, "created_at", at) if isinstance(at, str) else None
    annotator = _annotator(who)
    if own_id is None:  # an export of an old version
        own_id = made_id("label_studio", object_id, annotator, at, *said.classes)
    return answer(
        object_id,
        None if skipped or not said.classes else said.classes[0],
        short_name(f"label_studio:{own_id}"),
        made_id("label_studio", str(own_id)),
        action="skip" if skipped else "label",
        annotator=annotator,
        answered_at=at,
        note=None if skipped else "\n".join(said.notes) or None,
        tags=None if skipped else said.classes[1:] or None,
        payload={"taxonomy": said.taxonomy} if said.taxonomy and not skipped else None,
    )


def _annotator(who: Any) -> str | None:
    if isinstance(who, Mapping):
        names = (who.get("email"), who.get("username"), who.get("id"))
        who = next((name for name in names if name), None)
    if who is None or who == "":
        return None
    return f"label_studio_user_{who}" if isinstance(who, int) else str(who)
