"""Classification exports of the Zooniverse: a CSV with JSON in its cells.

Source: Zooniverse, "Data Exports" (https://help.zooniverse.org/next-steps/data-exports/).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from core.exchange.incoming import IncomingRow, LabelFile, Place, answer, made_id, short_name
from core.exchange.naming import object_name

NEEDED = ("classification_id", "annotations", "subject_data")

_IDS = (
    *("object_id", "#object_id", "//object_id", "objid", "#objid", "//objid", "object"),
    *("#name", "//name", "name"),
)
_TEXTS = ("choice", "label", "value", "option")


def zooniverse_rows(
    file: LabelFile,
    place: Place,
    rows: Iterable[tuple[int, Mapping[str, str]]],
    *,
    task: str | None = None,
    id_field: str | None = None,
) -> Iterator[IncomingRow]:
    """The answers to one task of a workflow, one a classification.

    Parameters
    ----------
    task
        Such as "T0"; also one inside a combo task. None takes the first one with an answer.
    id_field
        Field of the subject's metadata that names the object; None searches (object_id, objid,
        name, a file's name) and falls back to the subject's own id, with a remark.

    Of several answers the first is the class, the others are tags. Marks that were drawn are no
    classes; such classifications are counted in `left_out`.
    """
    line = 0
    for line, row in rows:
        own_id = row["classification_id"].strip()
        if not own_id:
            raise place.bad(line, "classification_id is empty; export the file anew.")
        given = _answers(place.json(line, "annotations", row["annotations"]))
        chosen = next(((t, a) for t, a in given if a and (task is None or t == task)), None)
        if chosen is None:
            file.left_out[f"classifications without an answer to {task or 'any task'}"] += 1
            continue
        which, answers = chosen
        name = _subject(
            place.json(line, "subject_data", row["subject_data"]), id_field, line, file
        )
        object_id = place.object_id(line, name)
        yield IncomingRow(
            line,
            "label",
            answer(
                object_id,
                answers[0],
                short_name(f"zooniverse:{own_id}"),
                made_id("zooniverse", own_id, which),
                annotator=row.get("user_name", "").strip() or None,
                answered_at=place.time(line, "created_at", row.get("created_at")),
                shown_at=_started(row.get("metadata"), line, place),
                tags=answers[1:] or None,
            ),
        )
    if not line:
        raise place.bad(None, "it has a header but no rows; there is nothing to import.")


def _answers(annotations: Any) -> list[tuple[str, list[str]]]:
    """(task, answers as text) of every task, those inside combo tasks too, in order."""
    found: list[tuple[str, list[str]]] = []
    for one in annotations if isinstance(annotations, list) else [annotations]:
        if not isinstance(one, Mapping):
            continue
        value = one.get("value")
        if _is_combo(value):
            found.extend(_answers(value))
        found.append((str(one.get("task", "")), _texts(value)))
    return found


def _is_combo(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(v, Mapping) and "task" in v for v in value)


def _texts(value: Any) -> list[str]:
    """Answers as text: a label, a list of labels, choices of a survey or a dropdown."""
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, str | int | float):
        return [str(value).strip()] if str(value).strip() else []
    if isinstance(value, Mapping):
        if "task" in value or "tool" in value:
            return []  # part of a combo task, or a mark that was drawn
        return next((t for key in _TEXTS if (t := _texts(value.get(key)))), [])
    if isinstance(value, list):
        texts = [text for item in value for text in _texts(item)]
        return list(dict.fromkeys(texts))
    return []


def _subject(data: Any, id_field: str | None, line: int, file: LabelFile) -> str | None:
    """The object that a classification is about: {"subject id": {field: value, ...}}."""
    place = Place(file.name)
    if not isinstance(data, Mapping) or len(data) != 1:
        raise place.bad(line, "subject_data should describe one subject; export the file anew.")
    ((subject_id, fields),) = data.items()
    name = object_name(fields if isinstance(fields, Mapping) else {}, id_field, _IDS, line, place)
    if name is None:
        remark = (
            "Subjects carry no field that names the object, so the Zooniverse's own subject id"
            " stands for it."
        )
        if remark not in file.remarks:
            file.remarks.append(remark)
        return str(subject_id)
    return name


def _started(text: str | None, line: int, place: Place) -> str | None:
    if not text:
        return None
    metadata = place.json(line, "metadata", text)
    started = metadata.get("started_at") if isinstance(metadata, Mapping) else None
    return place.time(line, "started_at", started) if isinstance(started, str) else None
