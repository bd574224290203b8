"""Columns of Arrow tables: which one holds the images, and what a row says."""

from __future__ import annotations

import datetime
import decimal
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import BadInput
from core.survey.batch import CatalogueValue
from core.survey.readers.array_choice import axes_of
from core.survey.readers.arrays import as_planes
from core.survey.readers.sniffing import kind_of
from core.survey.readers.unreadable import Unreadable

IMAGE_NAMES = ("image", "img", "images", "picture", "cutout", "pixels", "bytes", "content")
_MOST_INT = 2**63 - 1


def check_names(schema: pa.Schema) -> None:
    """Raises `Unreadable` where columns cannot be told apart by their names."""
    try:
        for field in schema:
            image_kind(field)  # looks into structs
    except UnicodeDecodeError:
        raise Unreadable("has columns whose names are no text") from None
    twice = [name for name, n in Counter(schema.names).items() if n > 1]
    if twice:
        raise Unreadable(f"has several columns {twice[0]!r}")


def image_kind(field: pa.Field) -> str:
    """ "struct", "binary" or "lists" for a column that can hold images, else ""."""
    kind = storage(field.type)
    if pa.types.is_struct(kind):
        places = {
            kind.field(number).name: kind.field(number).type for number in range(kind.num_fields)
        }
        return "struct" if "bytes" in places and _is_binary(places["bytes"]) else ""
    if _is_binary(kind):
        return "binary"
    depth = 0
    while _is_list(kind):
        kind = storage(kind.value_type)
        depth += 1
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return "lists" if depth in (2, 3) and number else ""


def image_column(schema: pa.Schema, wished: str | None, what: str) -> str:
    """The column of the images; raises `BadInput`."""
    kinds = {field.name: image_kind(field) for field in schema}
    fitting = [name for name, kind in kinds.items() if kind]
    if wished is not None:
        if wished in fitting:
            return wished
        there = ", ".join(fitting) or "none"
        raise BadInput(
            f"`image` is a column that can hold images ({there}) of {what}, but is {wished!r};"
            " change it."
        )
    if not fitting:
        raise BadInput(
            f"{what} has no column of images, a struct with `bytes`, binary or lists of lists"
            f" (columns: {', '.join(kinds) or 'none'}); check the data."
        )

    def key(name: str) -> tuple[int, int]:
        usual = name.lower() in IMAGE_NAMES
        return (not usual, ("struct", "binary", "lists").index(kinds[name]))

    return min(fitting, key=key)


def image_of(value: pa.Scalar) -> bytes | np.ndarray:
    """Bytes of an image file, or (band, y, x); raises `Unreadable`."""
    if isinstance(value, pa.ExtensionScalar):
        value = value.value
    if value is None or not value.is_valid:
        raise Unreadable("has no image")
    if isinstance(value, pa.StructScalar):
        content = value["bytes"]
        if not content.is_valid:
            raise Unreadable("has only the path of an image, not its bytes")
        return _bytes(content)
    if isinstance(value, (pa.BinaryScalar, pa.LargeBinaryScalar)):
        return _bytes(value)
    return _from_lists(value)


def path_of(value: pa.Scalar) -> str:
    """The path that a struct has beside the bytes; empty where there is none."""
    if isinstance(value, pa.StructScalar) and value.is_valid and "path" in value:
        path = value["path"]
        return str(path.as_py()) if path.is_valid else ""
    return ""


def holds_images(column: pa.ChunkedArray | pa.Array) -> bool:
    """Whether bytes among the first values begin as image files do."""
    for value in column[:32]:
        try:
            content = image_of(value)
        except Unreadable:
            continue
        if not isinstance(content, bytes) or kind_of(content[:4096]):
            return True
    return False


def is_cell_type(kind: pa.DataType) -> bool:
    """Whether values of a column can stand in the catalogue."""
    kind = storage(kind)
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_temporal(kind)
        or _is_text(kind)
    )


def cells_of(
    column: pa.Array, missing: Sequence[float] = (), classes: Sequence[str] = ()
) -> list[CatalogueValue]:
    """A value for each row."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    found = [_cell(value) for value in column.to_pylist()]
    if missing:
        if pa.types.is_float32(column.type):  # -999.9 there is -999.9000244140625
            with np.errstate(over="ignore"):
                missing = (*missing, *np.asarray(missing, np.float32).tolist())
        found = [
            None if isinstance(one, (int, float)) and one in missing else one for one in found
        ]
    if classes:
        found = [
            classes[one] if isinstance(one, int) and 0 <= one < len(classes) else None
            for one in found
        ]
    return found


def class_names(features: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Names of classes by column, from the features of a Hugging Face data set."""
    found = {}
    for name, about in features.items():
        if isinstance(about, dict) and about.get("_type") == "ClassLabel":
            names = about.get("names")
            if isinstance(names, list) and all(isinstance(one, str) for one in names):
                found[str(name)] = tuple(names)
    return found


def storage(kind: pa.DataType) -> pa.DataType:
    """The type in which values of an extension type are kept."""
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _cell(value: Any) -> CatalogueValue:
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if -_MOST_INT - 1 <= value <= _MOST_INT else str(value)
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    return str(value).replace("\0", "")


def _bytes(value: pa.Scalar) -> bytes:
    content = value.as_py()
    if not content:
        raise Unreadable("has an empty image")
    return bytes(content)


def _from_lists(value: pa.Scalar) -> np.ndarray:
    """(band, y, x) from nested lists (y, x), (y, x, band) or (band, y, x)."""
    values = value.values
    shape = [len(values)]
    while _is_list(values.type):
        lengths = set(pc.list_value_length(values).to_pylist())
        if len(lengths) != 1 or None in lengths:
            raise Unreadable("has rows of several lengths")
        shape.append(lengths.pop())
        values = values.flatten()
    if math.prod(shape) != len(values):
        raise Unreadable("has rows of several lengths")
    pixels = values.to_numpy(zero_copy_only=False).reshape(1, *shape)
    if pixels.dtype.kind not in "iuf":
        raise Unreadable("holds no numbers")
    try:
        axes = axes_of(pixels.shape)
    except BadInput:
        size = " x ".join(map(str, shape))
        raise Unreadable(f"is no image (its lists are {size})") from None
    planes, _ = as_planes(pixels, axes, None)
    return np.ascontiguousarray(planes[0])


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )
