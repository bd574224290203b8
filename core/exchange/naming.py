"""Which object a row from another tool is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from core.exchange.incoming import Place

_FILES = ("filename", "file", "file_name", "image", "image_name", "img", "url")


def object_name(
    data: Mapping[str, Any],
    named: str | None,
    ids: Sequence[str],
    line: int | None,
    place: Place,
) -> str | None:
    """The object that `data`, the fields of a task or subject, is about.

    named : the field that holds it; None searches for one of `ids`, then for a file or picture
        whose name without folders and ending is the object's; case does not matter.

    Returns None where nothing of that kind is there; a `named` field that is absent raises
    `BadInput`.
    """
    fields = {str(key).strip().casefold(): value for key, value in data.items()}
    if named is not None:
        value = fields.get(named.strip().casefold())
        if not _is_name(value):
            raise place.bad(
                line,
                f"there is no field {named[:60]!r} that names the object, only"
                f" {', '.join(map(str, data))[:200] or 'none'}; name another field.",
            )
        return _stem(str(value)) if named.strip().casefold() in _FILES else str(value)
    for one in ids:
        if _is_name(fields.get(one)):
            return str(fields[one]).strip()
    for one in _FILES:
        # Zooniverse marks what volunteers should not see with "#" or "//" before the name.
        for key in (one, f"#{one}", f"//{one}"):
            if isinstance(fields.get(key), str) and (stem := _stem(fields[key])):
                return stem
    return None


def _is_name(value: object) -> bool:
    return (
        isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip() != ""
    )


def _stem(text: str) -> str:
    """`https://host/a/SDSS%20J1.2+3.png?x` and `C:\\a\\SDSS J1.2+3.png` -> `SDSS J1.2+3`."""
    if "://" in text or text.startswith("/data/"):
        parts = urlsplit(text)
        # Label Studio's local storage: /data/local-files/?d=folder/NAME.png
        local = parse_qs(parts.query).get("d") if parts.path.endswith("local-files/") else None
        text = local[0] if local else unquote(parts.path)
    name = PurePosixPath(text.replace("\\", "/").strip()).name
    stem, dot, ending = name.rpartition(".")
    return stem if dot and ending.isalnum() and not ending.isdigit() and stem else name
