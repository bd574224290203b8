"""Labels from anywhere: a CSV with at least the columns object_id and label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from core.exchange.incoming import IncomingRow, LabelFile, Place, answer, made_id

NEEDED = ("object_id", "label")
OPTIONAL = ("annotator", "answered_at", "note", "confidence", "tags")


def plain_rows(
    file: LabelFile, place: Place, rows: Iterable[tuple[int, Mapping[str, str | None]]]
) -> Iterator[IncomingRow]:
    """The rows of a plain label table.

    A row that is there twice counts once. One annotator who gives one object two classes is
    refused with both lines: which of them counts is not ours to guess. An event's id comes from
    what the row says, so that the order of rows and columns does not matter.
    """
    said: dict[tuple[str, str | None], tuple[str, int, str]] = {}
    repeated: set[str] = set()
    line = 0
    for line, raw in rows:
        row = {k: (raw.get(k) or "").strip() or None for k in (*NEEDED, *OPTIONAL)}
        object_id = place.object_id(line, row["object_id"])
        label, who = row["label"], row["annotator"]
        if label is None:
            raise place.bad(line, "label is empty; give each row a class, or leave the row out.")
        at = place.time(line, "answered_at", row["answered_at"])
        confidence = _confidence(row["confidence"], line, place)
        tags = _tags(row["tags"], line, place)
        parts = (object_id, label, who, at, row["note"], row["confidence"], row["tags"])
        event_id = made_id("csv", *parts)
        before = said.setdefault((object_id, who), (label, line, event_id))
        if before[0] != label:
            raise place.bad(
                line,
                f"{who or 'the same person'} gives {object_id[:80]!r} the class {label[:60]!r},"
                f" but in {place.unit} {before[1]} the class {before[0][:60]!r}; keep one of"
                " them.",
            )
        if before[1] != line:
            if event_id == before[2] or event_id in repeated:
                file.left_out["rows that are there twice"] += 1
                continue
            repeated.add(event_id)
        more = {"note": row["note"], "confidence": confidence, "tags": tags}
        yield IncomingRow(
            line,
            "label",
            answer(object_id, label, file.format, event_id, annotator=who, answered_at=at, **more),
        )
    if not line:
        raise place.bad(None, "it has a header but no rows; there is nothing to import.")


def _confidence(text: str | None, line: int, place: Place) -> float | None:
    if text is None:
        return None
    value = place.number(line, "confidence", text)
    if not 0 <= value <= 1:
        raise place.bad(line, f"confidence is 0 to 1, but is {text[:40]!r}; correct it.")
    return value


def _tags(text: str | None, line: int, place: Place) -> list[str] | None:
    if text is None:
        return None
    tags = place.json(line, "tags", text)
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise place.bad(
            line, f'tags should be a JSON list such as ["tail"], but is {text[:60]!r}; correct it.'
        )
    return tags
