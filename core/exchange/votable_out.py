"""VOTable 1.4, TABLEDATA, streamed.

The provenance is an INFO element "skysift" that holds it whole as JSON, beside one INFO for each
plain value of it, for people. An empty text is an empty CDATA section (to an XML reader the
same as a missing one); characters that XML 1.0 cannot hold are written as \\uXXXX.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa
import pyarrow.compute as pc

from core.exchange.batches import json_lists, lists_as_json
from core.exchange.cells import escaped, matching, rewrite
from core.exchange.columns import description
from core.exchange.jsonl_out import write_joined

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_ODD = r"[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]|\\u|^$"

_TYPES = {
    pa.string(): 'datatype="unicodeChar" arraysize="*"',
    pa.int64(): 'datatype="long"',
    pa.float64(): 'datatype="double"',
    pa.bool_(): 'datatype="boolean"',
}


def write_votable(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    metadata: Mapping[str, Any],
) -> int:
    """Write the table to `path`; returns the number of rows."""
    flat, rows = lists_as_json(schema), 0
    with open(path, "wb") as handle:
        handle.write(_head(flat, metadata).encode())
        for batch in batches:
            parts: list[Any] = []
            for i, column in enumerate(json_lists(batch).columns):
                parts.append("</TD><TD>" if i else "<TR><TD>")
                parts.append(_cells(column))
            write_joined(handle, [*parts, "</TD></TR>\n"])
            rows += batch.num_rows
        handle.write(b"</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>\n")
    return rows


def _head(schema: pa.Schema, metadata: Mapping[str, Any]) -> str:
    whole = json.dumps(metadata)  # ASCII: an attribute's line ends would not survive
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">',
        '<RESOURCE type="results">',
        f'<INFO name="skysift" value={quoteattr(whole)}/>',
        *(_info(name, value) for name, value in metadata.items() if name != "skysift"),
        '<TABLE name="labels">',
        *(_column(field) for field in schema),
        "<DATA><TABLEDATA>",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _info(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return f"<INFO name={_attribute(name)} value={_attribute(str(value))}/>"


def _attribute(text: str) -> str:
    return quoteattr(escaped(text, _NOT_XML), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def _column(field: pa.Field) -> str:
    about = escape(description(field))
    return (
        f"<FIELD name={_attribute(field.name)} {_TYPES[field.type]}>"
        f"<DESCRIPTION>{about}</DESCRIPTION></FIELD>"
    )


def _cells(column: pa.Array) -> pa.Array:
    if pa.types.is_string(column.type):
        column = rewrite(column, matching(column, _ODD), _cell)
    return pc.fill_null(column.cast(pa.string()), "")


def _cell(text: str) -> str:
    if not text:
        return "<![CDATA[]]>"
    return escape(escaped(text, _NOT_XML), {"\r": "&#13;"})
